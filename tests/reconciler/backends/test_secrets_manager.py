"""What only AWS Secrets Manager does, and the call counts that its prices make worth keeping."""

import base64
import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from externalsecret.errors import GiveUp, Retry
from externalsecret.identity import Backend as Kind
from externalsecret.reference import Reference, Select, Selector
from reconciler.backends.awsclient import AwsAccess
from reconciler.backends.contract import CannotLook, Recalls, Value, Versions
from reconciler.backends.secretsmanager import SecretsManager
from testbed.actions import Action, answer, withhold
from testbed.exchange import Exchange
from testbed.moto import REGION
from testbed.request import any_request, aws
from worlds.backends import CURRENT, SETTINGS, SecretsManagerWorld, reference, refusal, revealed

ARN = f"arn:aws:secretsmanager:{REGION}:111122223333:secret:"


def pinned_by_label(key: str, label: str) -> Reference:
    return reference(Kind.SECRETS_MANAGER, key, Selector(Select.LABEL, label))


def says(document: Mapping[str, Any]) -> Action:
    return answer(200, json.dumps(document).encode())


def row(name: str, text: str, stages: tuple[str, ...] = ("AWSCURRENT",)) -> dict[str, Any]:
    return {
        "ARN": f"{ARN}{name}-AbCdEf",
        "Name": name,
        "VersionId": f"version-of-{name}-000000000000000000",
        "VersionStages": list(stages),
        "SecretString": text,
    }


def test_binary_wins_over_text(secrets: SecretsManagerWorld) -> None:
    both = row("db", "text") | {"SecretBinary": base64.b64encode(b"\x00\xff").decode()}
    secrets.proxy.when(aws("GetSecretValue"), says(both))
    assert revealed(secrets.read(secrets.current("db"))) == b"\x00\xff"


def test_binary_of_the_largest_size_survives(secrets: SecretsManagerWorld) -> None:
    value = bytes(range(256)) * 256
    secrets.put("db", value)
    assert revealed(secrets.read(secrets.current("db"))) == value


def test_a_secret_without_value_is_given_up_with_advice(secrets: SecretsManagerWorld) -> None:
    empty = row("db", "")
    del empty["SecretString"]
    secrets.proxy.when(aws("GetSecretValue"), says(empty))
    read = secrets.read(secrets.current("db"))
    assert isinstance(read, GiveUp)
    assert read.reason == "BadValue"
    assert "put a value into it" in read.message


def test_an_empty_text_is_a_value(secrets: SecretsManagerWorld) -> None:
    secrets.proxy.when(aws("GetSecretValue"), says(row("db", "")))
    assert revealed(secrets.read(secrets.current("db"))) == b""


def test_text_that_is_no_unicode_is_given_up_without_showing_it(
    secrets: SecretsManagerWorld,
) -> None:
    secrets.proxy.when(aws("GetSecretValue"), says(row("db", "canary\ud800")))
    read = secrets.read(secrets.current("db"))
    assert isinstance(read, GiveUp)
    assert read.reason == "BadValue"
    assert "canary" not in repr(read)


def test_aws_own_words_come_first(secrets: SecretsManagerWorld) -> None:
    read = secrets.read(secrets.current("db"))
    assert str(read).startswith("Secrets Manager can't find the specified secret.")


def test_a_secret_marked_for_deletion_is_given_up_and_seen_as_gone(
    secrets: SecretsManagerWorld,
) -> None:
    secrets.put("db", b"x")
    secrets.admin.delete_secret(SecretId="db")
    one = secrets.current("db")
    read = secrets.read(one)
    assert isinstance(read, GiveUp)
    assert read.reason == "MarkedForDeletion"
    look = secrets.backend.look([one])[one.entry]
    assert isinstance(look, Versions)
    assert "marked for deletion" in look.gone


def test_a_sweep_by_list_sees_what_is_marked_for_deletion(secrets: SecretsManagerWorld) -> None:
    references = [secrets.current(f"k{number}") for number in range(11)]
    for one in references:
        secrets.put(one.key, b"x")
    secrets.admin.delete_secret(SecretId="k3")
    looks = secrets.backend.sweep(references)
    gone = [one.key for one in references if getattr(looks[one.entry], "gone", "")]
    assert gone == ["k3"]
    assert secrets.operations()[0] == "ListSecrets"


def test_a_moved_label_is_read_and_seen_although_batches_are_stale(
    secrets: SecretsManagerWorld,
) -> None:
    names = ("a", "b")
    first = {name: secrets.put(name, b"first") for name in names}
    second = {name: secrets.put(name, b"second") for name in names}
    for name in names:
        secrets.admin.update_secret_version_stage(
            SecretId=name,
            VersionStage="AWSCURRENT",
            MoveToVersionId=first[name],
            RemoveFromVersionId=second[name],
        )
    references = [secrets.current(name) for name in names]
    answers = secrets.backend.read(references)
    looks = secrets.backend.look(references)
    for one in references:
        assert revealed(answers[one.entry]) == b"first"
        look = looks[one.entry]
        assert isinstance(look, Versions)
        assert look.current == first[one.key]
        assert "AWSCURRENT" in look.known[first[one.key]]


def test_a_custom_label_chooses_its_version(secrets: SecretsManagerWorld) -> None:
    first = secrets.put("db", b"first")
    secrets.put("db", b"second")
    secrets.admin.update_secret_version_stage(
        SecretId="db", VersionStage="BLUE", MoveToVersionId=first
    )
    blue, green = pinned_by_label("db", "BLUE"), pinned_by_label("db", "GREEN")
    answers = secrets.backend.read([blue, green])
    assert revealed(answers[blue.entry]) == b"first"
    assert isinstance(answers[green.entry], GiveUp)
    looks = secrets.backend.look([blue, green])
    currents = [getattr(looks[one.entry], "current", "?") for one in (blue, green)]
    assert currents == [first, None]
    assert secrets.operations().count("DescribeSecret") == 1


def test_a_version_without_label_is_still_seen(secrets: SecretsManagerWorld) -> None:
    described = {
        "ARN": f"{ARN}db-AbCdEf",
        "Name": "db",
        "VersionIdsToStages": {"v3": ["AWSCURRENT"]},
    }
    secrets.proxy.when(aws("DescribeSecret"), says(described))
    versions = {"Versions": [{"VersionId": "v1"}, {"VersionId": "v3"}]}
    secrets.proxy.when(aws("ListSecretVersionIds"), says(versions))
    one = secrets.pinned("db", "v1")
    look = secrets.backend.look([one])[one.entry]
    assert isinstance(look, Versions)
    assert look.current == "v1"


def test_a_version_that_lost_its_labels_is_known_all_the_same(
    secrets: SecretsManagerWorld,
) -> None:
    pages = {"Versions": [{"VersionId": "v1"}, {"VersionId": "v3"}]}
    secrets.proxy.when(aws("ListSecretVersionIds"), says(pages), times=None)
    one = secrets.current("db")
    assert isinstance(secrets.backend, Recalls)
    assert secrets.backend.has_version(one, "v1")
    assert not secrets.backend.has_version(one, "v2")
    assert secrets.operations() == ["ListSecretVersionIds"] * 2


def test_a_single_secret_is_not_read_as_a_batch(secrets: SecretsManagerWorld) -> None:
    secrets.put("db", b"x")
    secrets.read(secrets.current("db"))
    assert secrets.operations() == ["GetSecretValue"]


def test_two_spellings_of_one_secret_are_both_answered(secrets: SecretsManagerWorld) -> None:
    secrets.put("db", b"x")
    secrets.put("other", b"y")
    arn = secrets.admin.describe_secret(SecretId="db")["ARN"]
    references = [secrets.current(key) for key in ("db", arn, arn[:-7], "other")]
    answers = secrets.backend.read(references)
    assert [revealed(answers[one.entry]) for one in references] == [b"x", b"x", b"x", b"y"]


def test_a_bare_name_never_gets_the_value_of_another_account(secrets: SecretsManagerWorld) -> None:
    secrets.put("db", b"ours")
    theirs = secrets.current(f"{ARN}db-AbCdEf")
    ours = secrets.current("db")
    # A batch of both that knows only theirs: who was meant is told by the errors.
    batch = {"SecretValues": [row("db", "theirs")], "Errors": [{"SecretId": "db"}]}
    secrets.proxy.when(aws("BatchGetSecretValue"), says(batch))
    answers = secrets.backend.read([theirs, ours])
    assert revealed(answers[theirs.entry]) == b"theirs"
    assert revealed(answers[ours.entry]) == b"ours"


def test_a_name_that_two_accounts_share_is_read_alone(secrets: SecretsManagerWorld) -> None:
    version = secrets.put("db", b"ours")
    arn = secrets.admin.describe_secret(SecretId="db")["ARN"]
    mine = row("db", "stale") | {"ARN": arn, "VersionId": version}
    batch = {"SecretValues": [row("db", "theirs"), mine]}
    secrets.proxy.when(aws("BatchGetSecretValue"), says(batch))
    theirs, ours = secrets.current(f"{ARN}db-AbCdEf"), secrets.current("db")
    answers = secrets.backend.read([theirs, ours])
    assert revealed(answers[theirs.entry]) == b"theirs"
    assert revealed(answers[ours.entry]) == b"ours"


def test_a_batch_in_pages_is_read_to_its_end(secrets: SecretsManagerWorld) -> None:
    first = {"SecretValues": [], "NextToken": "more"}
    secrets.proxy.when(aws("BatchGetSecretValue"), says(first))
    rows = {"SecretValues": [row("a", "1"), row("b", "2")]}
    second = secrets.proxy.when(aws("BatchGetSecretValue"), says(rows))
    references = [secrets.current("a"), secrets.current("b")]
    answers = secrets.backend.read(references)
    assert [revealed(answers[one.entry]) for one in references] == [b"1", b"2"]
    assert second.met[0].json["NextToken"] == "more"


def test_a_denied_batch_is_not_tried_again_for_ten_minutes(
    secrets: SecretsManagerWorld,
) -> None:
    now = [0.0]
    backend = SecretsManager(secrets.access, "", REGION, clock=lambda: now[0])
    for name in ("a", "b"):
        secrets.put(name, b"x")
    references = [secrets.current("a"), secrets.current("b")]
    denied = refusal("AccessDeniedException", "not authorized to perform: BatchGetSecretValue")
    rule = secrets.proxy.when(aws("BatchGetSecretValue"), denied, times=None)
    for _time in range(3):
        answers = backend.read(references)
        assert [revealed(answers[one.entry]) for one in references] == [b"x", b"x"]
    assert len(rule.met) == 1
    now[0] = 601.0
    backend.read(references)
    assert len(rule.met) == 2


def test_one_denied_secret_of_a_batch_leaves_the_others_alone(
    secrets: SecretsManagerWorld,
) -> None:
    secrets.put("a", b"x")
    batch = {
        "SecretValues": [row("a", "x")],
        "Errors": [{"SecretId": "b", "ErrorCode": "AccessDeniedException", "Message": "no"}],
    }
    secrets.proxy.when(aws("BatchGetSecretValue"), says(batch))
    secrets.proxy.when(aws("GetSecretValue"), refusal("AccessDeniedException", "no"))
    references = [secrets.current("a"), secrets.current("b")]
    answers = secrets.backend.read(references)
    assert revealed(answers[references[0].entry]) == b"x"
    denied = answers[references[1].entry]
    assert isinstance(denied, GiveUp)
    assert denied.reason == "Denied"
    assert "GetSecretValue for the secret b" in denied.message
    assert secrets.operations() == ["BatchGetSecretValue", "GetSecretValue"]


def test_few_secrets_are_swept_one_by_one_and_then_by_what_the_list_costs(
    secrets: SecretsManagerWorld,
) -> None:
    references = [secrets.current(f"k{number}") for number in range(11)]
    for one in references:
        secrets.put(one.key, b"x")
    secrets.backend.sweep(references[:2])
    assert secrets.operations() == ["DescribeSecret"] * 2
    secrets.backend.sweep(references)
    assert secrets.operations()[2:] == ["ListSecrets"]
    # Now it knows that one page tells all.
    secrets.backend.sweep(references[:2])
    assert secrets.operations()[3:] == ["ListSecrets"]


def test_a_long_list_is_left_once_it_costs_more_than_it_saves(
    secrets: SecretsManagerWorld,
) -> None:
    references = [secrets.current(f"k{number}") for number in range(11)]
    for one in references:
        secrets.put(one.key, b"x")
    strangers = {"SecretList": [], "NextToken": "more"}
    secrets.proxy.when(aws("ListSecrets"), says(strangers), times=None)
    looks = secrets.backend.sweep(references)
    assert all(isinstance(look, Versions) for look in looks.values())
    assert secrets.operations() == ["ListSecrets"] * 11 + ["DescribeSecret"] * 11
    secrets.backend.sweep(references)
    assert secrets.operations()[22:] == ["DescribeSecret"] * 11


def test_a_denied_list_is_replaced_by_descriptions_and_remembered(
    secrets: SecretsManagerWorld,
) -> None:
    references = [secrets.current(f"k{number}") for number in range(11)]
    for one in references:
        secrets.put(one.key, b"x")
    secrets.proxy.when(aws("ListSecrets"), refusal("AccessDeniedException", "no"), times=None)
    for _time in range(2):
        looks = secrets.backend.sweep(references)
        assert all(isinstance(look, Versions) for look in looks.values())
    assert secrets.operations().count("ListSecrets") == 1


def test_denied_descriptions_can_not_look(secrets: SecretsManagerWorld) -> None:
    secrets.put("db", b"x")
    denied = refusal("AccessDeniedException", "no")
    secrets.proxy.when(aws("DescribeSecret"), denied, times=None)
    one = secrets.current("db")
    assert isinstance(secrets.backend.look([one])[one.entry], CannotLook)
    assert isinstance(secrets.backend.sweep([one])[one.entry], CannotLook)
    assert revealed(secrets.read(one)) == b"x"


def test_what_the_list_does_not_show_yet_is_described(secrets: SecretsManagerWorld) -> None:
    references = [secrets.current(f"k{number}") for number in range(11)]
    for one in references:
        secrets.put(one.key, b"x")
    secrets.proxy.when(aws("ListSecrets"), says({"SecretList": []}))
    looks = secrets.backend.sweep(references)
    assert all(isinstance(look, Versions) for look in looks.values())


def test_looks_and_sweeps_ask_for_no_value(secrets: SecretsManagerWorld) -> None:
    references = [secrets.current(f"k{number}") for number in range(11)]
    for one in references:
        secrets.put(one.key, b"x")
    secrets.backend.look(references)
    secrets.backend.sweep(references)
    assert set(secrets.operations()) == {"DescribeSecret", "ListSecrets"}


def test_a_slow_answer_is_tried_again_later_and_the_rest_not_waited_for(
    secrets: SecretsManagerWorld,
) -> None:
    secrets.proxy.when(any_request, withhold, times=None)
    blue = [pinned_by_label(f"k{number}", "BLUE") for number in range(5)]
    impatient = AwsAccess(replace(SETTINGS, read_timeout=0.2))
    answers = SecretsManager(impatient, "", REGION).read(blue)
    impatient.close()
    assert {str(getattr(read, "reason", "")) for read in answers.values()} == {"BackendUnreachable"}
    assert all(isinstance(read, Retry) for read in answers.values())
    assert secrets.calls() == 2


def test_one_throttled_call_is_mended_without_notice(secrets: SecretsManagerWorld) -> None:
    secrets.put("db", b"x")
    secrets.proxy.when(any_request, refusal("ThrottlingException", "Rate exceeded"))
    assert revealed(secrets.read(secrets.current("db"))) == b"x"


@pytest.mark.parametrize(("said", "after"), [("7", 7.0), ("99999", 300.0), ("soon", None)])
def test_retry_after_is_passed_on(
    secrets: SecretsManagerWorld, said: str, after: float | None
) -> None:
    throttled = refusal("ThrottlingException", "Rate exceeded", headers={"Retry-After": said})
    secrets.proxy.when(any_request, throttled, times=None)
    read = secrets.read(secrets.current("db"))
    assert isinstance(read, Retry)
    assert read.reason == "Throttled"
    assert read.after == after


@pytest.mark.parametrize("status", [200, 400, 404, 502])
def test_an_answer_that_is_not_of_aws_shows_nothing_of_itself(
    secrets: SecretsManagerWorld, status: int
) -> None:
    page = answer(status, b"<html>canary</html>", {"Content-Type": "text/html"})
    secrets.proxy.when(any_request, page, times=None)
    one = secrets.current("db")
    for said in (secrets.read(one), secrets.backend.look([one])[one.entry]):
        assert not isinstance(said, Value)
        assert "canary" not in str(said)


def test_request_ids_do_not_make_a_text_new_each_time(secrets: SecretsManagerWorld) -> None:
    said = "Access to KMS is not allowed (Service: AWSKMS; Request ID: 1b-2c; Proxy: null)"
    secrets.proxy.when(any_request, refusal("AccessDeniedException", said))
    read = secrets.read(secrets.current("db"))
    assert isinstance(read, GiveUp)
    assert read.reason == "KmsDenied"
    assert read.message.startswith("Access to KMS is not allowed (Service: AWSKMS; Proxy: null)")


def test_no_value_shows_in_logs_or_texts(
    secrets: SecretsManagerWorld, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")
    references = [secrets.current(name) for name in ("a", "b")]
    for one in references:
        secrets.put(one.key, b"canary")
    caplog.clear()
    answers = secrets.backend.read(references)
    alone = secrets.read(references[0])
    assert revealed(alone) == b"canary"
    shown = repr(answers) + repr(alone) + caplog.text
    assert "canary" not in shown
    assert base64.b64encode(b"canary").decode() not in shown


def test_the_stage_is_always_named(secrets: SecretsManagerWorld) -> None:
    asked: list[Any] = []
    secrets.put("db", b"x")

    def watch(exchange: Exchange) -> None:
        asked.append(exchange.request.json)
        exchange.deliver()

    secrets.proxy.when(any_request, watch, times=None)
    version = secrets.put("db", b"y")
    secrets.read(secrets.current("db"))
    secrets.read(secrets.pinned("db", version))
    assert asked == [
        {"SecretId": "db", "VersionStage": CURRENT.value},
        {"SecretId": "db", "VersionId": version},
    ]
