"""What each real-shaped message of an AWS queue means, in each form that it can arrive in."""

import json
from pathlib import Path
from typing import Any

import pytest

from externalsecret.identity import Backend, SecretId
from listener.messages.aws import parse
from listener.messages.eventbridge import DERIVED
from listener.messages.meaning import Change, ChangeEvent, Ignored, IgnoredReason, Malformed
from listener.sources.contract import Origin

HERE = Path(__file__).parent
BODIES = sorted(HERE.glob("aws-*.json"))
QUEUE = Origin(region="eu-west-1", account="999988887777")

ACCOUNT = "111122223333"
REGION = "eu-central-1"
AT = "2026-11-20T09:15:42Z"
OLD = "3f0a6d5e-7b1c-4c4e-9a0f-1d2e3c4b5a69"
NEW = "b7c1d2e3-0f9a-4d58-8e76-5a4b3c2d1e0f"


def secret(name: str = "prod/db", region: str = REGION, partition: str = "aws") -> SecretId:
    return SecretId(
        Backend.SECRETS_MANAGER, name, region=region, account=ACCOUNT, partition=partition
    )


def parameter(name: str = "prod/db/url", partition: str = "") -> SecretId:
    return SecretId(
        Backend.PARAMETER_STORE, name, region=REGION, account=ACCOUNT, partition=partition
    )


DB = secret()
URL = parameter()
URL_BY_ARN = parameter(partition="aws")

VALUE = Change.VALUE
GONE = Change.GONE
BACK = Change.BACK

Told = tuple[SecretId, Change, str | None, str | None]
"""(which secret, what happened, version, label)"""

CHANGES: dict[str, list[Told]] = {
    "label-updated-current": [(DB, VALUE, NEW, "AWSCURRENT")],
    "label-updated-custom-label": [(DB, VALUE, NEW, "blue")],
    "label-updated-several-regions": [
        (DB, VALUE, NEW, "AWSCURRENT"),
        (secret(region="us-east-1"), VALUE, NEW, "AWSCURRENT"),
    ],
    "label-updated-without-account": [(DB, VALUE, NEW, "AWSCURRENT")],
    "label-updated-name-like-a-suffix": [(secret("prod/db-backup"), VALUE, NEW, "AWSCURRENT")],
    "put-secret-value": [(DB, VALUE, NEW, "AWSCURRENT")],
    "put-secret-value-without-answer": [(secret(partition=""), VALUE, NEW, "AWSCURRENT")],
    "put-secret-value-several-stages": [
        (DB, VALUE, NEW, "blue"),
        (DB, VALUE, NEW, "AWSCURRENT"),
    ],
    "put-secret-value-old-spelling": [(DB, VALUE, NEW, "AWSCURRENT")],
    "update-secret-value": [(DB, VALUE, NEW, "AWSCURRENT")],
    "create-secret": [(DB, VALUE, NEW, "AWSCURRENT")],
    "update-version-stage": [(DB, VALUE, OLD, "AWSCURRENT")],
    "update-version-stage-removal": [(DB, VALUE, None, "blue")],
    "delete-secret": [(DB, GONE, None, None)],
    "restore-secret": [(DB, BACK, None, None)],
    "rotation-succeeded": [(DB, VALUE, None, None)],
    "rotation-succeeded-managed": [(secret("rds!db-1f2e3d4c"), VALUE, None, None)],
    "replication-succeeded": [(secret(region="us-east-1"), VALUE, None, None)],
    "secret-version-deletion": [(DB, GONE, None, None)],
    "start-secret-version-delete": [(DB, GONE, None, None)],
    "end-secret-version-delete": [(DB, GONE, None, None)],
    "cancel-secret-version-delete": [(DB, BACK, None, None)],
    "parameter-created": [(URL_BY_ARN, VALUE, None, None)],
    "parameter-updated": [(URL_BY_ARN, VALUE, None, None)],
    "parameter-deleted": [(URL_BY_ARN, GONE, None, None)],
    "parameter-labelled": [(URL_BY_ARN, VALUE, None, None)],
    "parameter-expired": [(URL_BY_ARN, GONE, None, None)],
    "put-parameter": [(URL, VALUE, "7", None)],
    "delete-parameter": [(URL, GONE, None, None)],
    "delete-parameters": [
        (URL, GONE, None, None),
        (parameter("prod/db/user"), GONE, None, None),
    ],
    "label-parameter-version": [(URL, VALUE, "6", "prod")],
    "unlabel-parameter-version": [(URL, VALUE, None, "prod")],
}

IGNORED: dict[str, IgnoredReason] = {
    "label-updated-pending": IgnoredReason.PENDING_VERSION,
    "put-secret-value-pending": IgnoredReason.PENDING_VERSION,
    "update-version-stage-pending": IgnoredReason.PENDING_VERSION,
    "put-secret-value-denied": IgnoredReason.FAILED_CALL,
    "parameter-update-failed-later": IgnoredReason.FAILED_CALL,
    "update-secret-description": IgnoredReason.NOT_A_CHANGE,
    "rotate-secret": IgnoredReason.NOT_A_CHANGE,
    "rotation-failed": IgnoredReason.NOT_A_CHANGE,
    "tag-resource": IgnoredReason.NOT_A_CHANGE,
    "parameter-expires-soon": IgnoredReason.NOT_A_CHANGE,
    "get-secret-value": IgnoredReason.READ_ONLY_CALL,
    "get-parameters": IgnoredReason.READ_ONLY_CALL,
    "send-command": IgnoredReason.OTHER_EVENT,
    "other-event-of-ours": IgnoredReason.OTHER_EVENT,
    "other-service": IgnoredReason.OTHER_SERVICE,
    "sns-subscription-confirmation": IgnoredReason.TEST_MESSAGE,
    "s3-test-event": IgnoredReason.TEST_MESSAGE,
}


def body_of(name: str) -> str:
    return (HERE / f"aws-{name}.json").read_text(encoding="utf-8")


def message_of(name: str) -> dict[str, Any]:
    message: dict[str, Any] = json.loads(body_of(name))
    return message


def in_sns(body: str) -> str:
    return json.dumps(
        {
            "Type": "Notification",
            "MessageId": "0a1b2c3d-sns",
            "TopicArn": f"arn:aws:sns:{REGION}:{ACCOUNT}:secrets",
            "Message": body,
            "Timestamp": "2026-11-20T09:15:43.000Z",
        }
    )


def events(told: list[Told], event_id: str, at: str = AT) -> tuple[ChangeEvent, ...]:
    ids = [event_id] if len(told) == 1 else [f"{event_id}#{n + 1}" for n in range(len(told))]
    return tuple(
        ChangeEvent(secret=who, change=what, id=own_id, at=at, version=version, label=label)
        for own_id, (who, what, version, label) in zip(ids, told, strict=True)
    )


def test_every_payload_file_has_an_expected_meaning() -> None:
    names = {path.stem.removeprefix("aws-") for path in BODIES}
    assert names == CHANGES.keys() | IGNORED.keys()


@pytest.mark.parametrize("name", CHANGES)
def test_a_change_is_understood(name: str) -> None:
    assert parse(body_of(name), QUEUE) == events(CHANGES[name], message_of(name)["id"])


@pytest.mark.parametrize("name", CHANGES)
def test_a_change_that_came_by_sns_means_the_same(name: str) -> None:
    expected = events(CHANGES[name], message_of(name)["id"])
    assert parse(in_sns(body_of(name)), QUEUE) == expected


@pytest.mark.parametrize("name", IGNORED)
def test_what_asks_for_nothing_is_ignored_with_its_reason(name: str) -> None:
    assert parse(body_of(name), QUEUE) == Ignored(IGNORED[name])
    if name != "sns-subscription-confirmation":
        assert parse(in_sns(body_of(name)), QUEUE) == Ignored(IGNORED[name])


def recorded_by_cloudtrail(name: str) -> bool:
    return "eventID" in message_of(name).get("detail", {})


RECORDED_CHANGES = [name for name in CHANGES if recorded_by_cloudtrail(name)]
RECORDED_IGNORED = [name for name in IGNORED if recorded_by_cloudtrail(name)]
NATIVE = [name for name in CHANGES if not recorded_by_cloudtrail(name)]


@pytest.mark.parametrize("name", RECORDED_CHANGES)
def test_the_detail_of_a_recorded_call_is_enough(name: str) -> None:
    detail = message_of(name)["detail"]
    expected = events(CHANGES[name], detail["eventID"])
    assert parse(json.dumps(detail), QUEUE) == expected
    assert parse(in_sns(json.dumps(detail)), QUEUE) == expected


@pytest.mark.parametrize("name", RECORDED_IGNORED)
def test_the_detail_of_an_irrelevant_call_is_ignored_too(name: str) -> None:
    assert parse(json.dumps(message_of(name)["detail"]), QUEUE) == Ignored(IGNORED[name])


@pytest.mark.parametrize("name", NATIVE)
def test_a_native_detail_alone_may_be_of_any_account_and_names_no_version(name: str) -> None:
    found = parse(json.dumps(message_of(name)["detail"]), QUEUE)
    assert isinstance(found, tuple)
    (event,) = found
    who, what, _, label = CHANGES[name][0]
    assert event.secret == SecretId(who.backend, who.name)
    assert (event.change, event.version, event.label, event.at) == (what, None, label, "")
    assert event.id.startswith(DERIVED)


@pytest.mark.parametrize("name", NATIVE)
def test_a_native_detail_in_sns_has_the_id_of_its_notification(name: str) -> None:
    found = parse(in_sns(json.dumps(message_of(name)["detail"])), QUEUE)
    assert isinstance(found, tuple)
    assert [event.id for event in found] == ["0a1b2c3d-sns"]


def test_a_pending_label_in_a_detail_alone_is_ignored() -> None:
    body = json.dumps(message_of("label-updated-pending")["detail"])
    assert parse(body, QUEUE) == Ignored(IgnoredReason.PENDING_VERSION)


def test_the_derived_id_does_not_depend_on_the_order_of_fields() -> None:
    detail = message_of("parameter-updated")["detail"]
    turned = dict(reversed(detail.items()))
    assert parse(json.dumps(detail), QUEUE) == parse(json.dumps(turned, indent=1), QUEUE)


def test_a_partial_arn_that_a_caller_typed_keeps_both_readings() -> None:
    message = message_of("put-secret-value-without-answer")
    arn = f"arn:aws:secretsmanager:{REGION}:{ACCOUNT}:secret:prod/db-backup"
    message["detail"]["requestParameters"]["secretId"] = arn
    found = parse(json.dumps(message), QUEUE)
    assert isinstance(found, tuple)
    assert set(found[0].secret.names()) == {"prod/db", "prod/db-backup"}


def test_the_answer_settles_a_partial_arn() -> None:
    message = message_of("put-secret-value")
    arn = f"arn:aws:secretsmanager:{REGION}:{ACCOUNT}:secret:prod/db-backup"
    message["detail"]["requestParameters"]["secretId"] = arn
    message["detail"]["responseElements"] = {"name": "prod/db-backup", "versionId": NEW}
    found = parse(json.dumps(message), QUEUE)
    assert isinstance(found, tuple)
    assert found[0].secret == secret("prod/db-backup")


def test_an_update_without_a_recorded_answer_has_to_be_looked_at() -> None:
    message = message_of("update-secret-value")
    message["detail"]["responseElements"] = None
    expected: list[Told] = [(secret(partition=""), VALUE, None, "AWSCURRENT")]
    assert parse(json.dumps(message), QUEUE) == events(expected, message["id"])


def test_a_put_that_the_answer_labels_otherwise_names_every_label() -> None:
    message = message_of("put-secret-value")
    message["detail"]["requestParameters"]["versionStages"] = ["blue"]
    message["detail"]["responseElements"]["versionStages"] = ["blue", "AWSCURRENT"]
    found = parse(json.dumps(message), QUEUE)
    assert isinstance(found, tuple)
    assert [event.label for event in found] == ["blue", "AWSCURRENT"]


def test_deleting_only_names_that_did_not_exist_is_no_change() -> None:
    message = message_of("delete-parameters")
    message["detail"]["responseElements"]["deletedParameters"] = []
    assert parse(json.dumps(message), QUEUE) == Ignored(IgnoredReason.NOT_A_CHANGE)


def test_a_label_event_without_resources_is_known_by_its_name() -> None:
    message = message_of("label-updated-current")
    del message["resources"]
    expected: list[Told] = [(secret(partition=""), VALUE, NEW, "AWSCURRENT")]
    assert parse(json.dumps(message), QUEUE) == events(expected, message["id"])


def test_a_call_that_claims_to_be_read_only_is_ignored_whatever_its_name() -> None:
    message = message_of("put-secret-value")
    message["detail"]["readOnly"] = True
    assert parse(json.dumps(message), QUEUE) == Ignored(IgnoredReason.READ_ONLY_CALL)


def test_the_detail_of_a_call_to_another_service_is_ignored() -> None:
    detail = {"eventSource": "s3.amazonaws.com", "eventName": "PutObject", "eventID": "1"}
    assert parse(json.dumps(detail), QUEUE) == Ignored(IgnoredReason.OTHER_SERVICE)


def test_a_time_that_is_none_is_left_out() -> None:
    message = message_of("label-updated-current")
    message["time"] = "yesterday"
    found = parse(json.dumps(message), QUEUE)
    assert isinstance(found, tuple)
    assert found[0].at == ""


def changed(name: str, *path: str, to: object) -> str:
    message = message_of(name)
    place = message
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = to
    return json.dumps(message)


DETAIL = "detail"
REQUEST = "requestParameters"

UNREADABLE = {
    "no JSON": "rotate me",
    "nothing": "",
    "a list": "[]",
    "an object of nobody": '{"hello": "world"}',
    "S3 records": '{"Records": [{"eventSource": "aws:s3"}]}',
    "an SNS notification of plain text": in_sns("hello"),
    "an SNS notification without text": json.dumps({"Type": "Notification", "Message": 1}),
    "too deep": "[" * 200_000,
    "too deep below a detail": '{"name":"a","operation":"Update","type":'
    + '{"a":' * 100_000
    + "1"
    + "}" * 100_001,
    "a number of 5,000 digits": '{"source": ' + "9" * 5_000 + "}",
    "an event without a detail": '{"source": "aws.secretsmanager", "detail-type": "x"}',
    "a detail that is a text": changed("label-updated-current", DETAIL, to="x"),
    "a source that is a number": changed("label-updated-current", "source", to=1),
    "an account that is a number": changed("label-updated-current", "account", to=111122223333),
    "resources that are a text": changed("label-updated-current", "resources", to="x"),
    "101 resources": changed("label-updated-current", "resources", to=["x"] * 101),
    "a version that is a list": changed("label-updated-current", DETAIL, "versionId", to=[1]),
    "a call without a name": changed("put-secret-value", DETAIL, "eventName", to=None),
    "a call without a secret": changed("put-secret-value-without-answer", DETAIL, REQUEST, to=[]),
    "a secret's name with a control character": changed(
        "put-secret-value-without-answer", DETAIL, REQUEST, to={"secretId": "a\nb"}
    ),
    "a secret's name with half a surrogate pair": changed(
        "put-secret-value-without-answer", DETAIL, REQUEST, to={"secretId": "a\ud800"}
    ),
    "a secret's name of 2,049 characters": changed(
        "put-secret-value-without-answer", DETAIL, REQUEST, to={"secretId": "a" * 2049}
    ),
    "an ARN of something else": changed(
        "put-secret-value-without-answer", DETAIL, REQUEST, to={"secretId": "arn:aws:s3:::mine"}
    ),
    "a parameter whose name is a slash": changed("put-parameter", DETAIL, REQUEST, "name", to="/"),
    "a parameter without a name": changed("put-parameter", DETAIL, REQUEST, to=None),
    "a parameter's version that is none": changed(
        "put-parameter", DETAIL, "responseElements", "version", to=True
    ),
}


@pytest.mark.parametrize("body", UNREADABLE.values(), ids=UNREADABLE.keys())
def test_what_has_no_known_form_is_malformed(body: str) -> None:
    with pytest.raises(Malformed):
        parse(body, QUEUE)
