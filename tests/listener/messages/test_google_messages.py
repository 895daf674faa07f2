"""What each real-shaped message of a Pub/Sub subscription means."""

from typing import Any

import pytest

from externalsecret.identity import SecretId, google_learned, google_secret
from fakes.googlemessages import NAMES, attributes_of, body_of, text_of
from listener.messages.google import parse
from listener.messages.meaning import Change, ChangeEvent, Ignored, IgnoredReason, Malformed

NUMBER = "123456789012"
BY_NUMBER = google_secret("prod-db", NUMBER)
REGIONAL = google_secret("prod-db", NUMBER, "europe-west3")
BY_ID = google_secret("prod-db", "shop-prod")
BY_BOTH = google_learned(BY_ID, f"projects/{NUMBER}/secrets/prod-db")
REGIONAL_BY_BOTH = google_learned(
    google_secret("prod-db", "shop-prod", "europe-west3"),
    f"projects/{NUMBER}/locations/europe-west3/secrets/prod-db",
)

AT = "2026-11-20T01:15:42.437619-08:00"
LOGGED_AT = "2026-11-20T09:15:42.329871345Z"
INSERT_ID = "1q2w3e4r5t6y"

VALUE = Change.VALUE
GONE = Change.GONE
BACK = Change.BACK

Told = tuple[SecretId, Change, str | None]
"""(which secret, what happened, version)"""

NOTIFIED: dict[str, Told] = {
    "secret-create": (BY_NUMBER, VALUE, None),
    "secret-update": (BY_NUMBER, VALUE, None),
    "secret-delete": (BY_NUMBER, GONE, None),
    "secret-delete-by-expiry": (BY_NUMBER, GONE, None),
    "version-add": (BY_NUMBER, VALUE, "7"),
    "version-add-regional": (REGIONAL, VALUE, "7"),
    "version-add-without-fraction": (BY_NUMBER, VALUE, "7"),
    "version-add-dead-lettered": (BY_NUMBER, VALUE, "7"),
    "version-enable": (BY_NUMBER, BACK, None),
    "version-disable": (BY_NUMBER, GONE, None),
    "version-destroy": (BY_NUMBER, GONE, None),
    "version-destroy-scheduled": (BY_NUMBER, GONE, None),
}

RECORDED: dict[str, Told] = {
    "audit-add-version": (BY_BOTH, VALUE, "7"),
    "audit-add-version-by-number": (BY_NUMBER, VALUE, "7"),
    "audit-add-version-without-answer": (BY_ID, VALUE, None),
    "audit-add-version-regional": (REGIONAL_BY_BOTH, VALUE, "7"),
    "audit-add-version-beta": (BY_BOTH, VALUE, "7"),
    "audit-create-secret": (BY_NUMBER, VALUE, None),
    "audit-create-secret-without-answer": (BY_ID, VALUE, None),
    "audit-update-secret": (BY_BOTH, VALUE, None),
    "audit-delete-secret": (BY_ID, GONE, None),
    "audit-enable-version": (BY_BOTH, BACK, None),
    "audit-disable-version": (BY_BOTH, GONE, None),
    "audit-destroy-version": (BY_BOTH, GONE, None),
}

IGNORED: dict[str, IgnoredReason] = {
    "topic-configured": IgnoredReason.TEST_MESSAGE,
    "secret-rotate": IgnoredReason.NOT_A_CHANGE,
    "secret-event-of-the-future": IgnoredReason.OTHER_EVENT,
    "storage-notification": IgnoredReason.OTHER_SERVICE,
    "audit-denied": IgnoredReason.FAILED_CALL,
    "audit-access": IgnoredReason.READ_ONLY_CALL,
    "audit-list-versions": IgnoredReason.READ_ONLY_CALL,
    "audit-set-iam-policy": IgnoredReason.NOT_A_CHANGE,
    "audit-method-of-the-future": IgnoredReason.OTHER_EVENT,
    "audit-other-service": IgnoredReason.OTHER_SERVICE,
    "log-entry-of-something-else": IgnoredReason.OTHER_SERVICE,
}


def parsed(name: str) -> Any:
    return parse(text_of(body_of(name)), attributes_of(name))


def test_every_recorded_message_has_an_expected_meaning() -> None:
    assert set(NAMES) == NOTIFIED.keys() | RECORDED.keys() | IGNORED.keys()


@pytest.mark.parametrize("name", NOTIFIED)
def test_a_notification_is_understood(name: str) -> None:
    who, what, version = NOTIFIED[name]
    told = attributes_of(name)
    named = told.get("versionId", told["secretId"])
    identity = f"{told['eventType']} {named} {told['timestamp']}"
    assert parsed(name) == (ChangeEvent(who, what, identity, told["timestamp"], version),)


@pytest.mark.parametrize("name", NOTIFIED)
def test_a_notification_needs_no_body(name: str) -> None:
    assert parse("\N{REPLACEMENT CHARACTER}", attributes_of(name)) == parsed(name)


@pytest.mark.parametrize("name", RECORDED)
def test_a_recorded_call_is_understood(name: str) -> None:
    who, what, version = RECORDED[name]
    assert parsed(name) == (ChangeEvent(who, what, INSERT_ID, LOGGED_AT, version),)


@pytest.mark.parametrize("name", RECORDED)
def test_a_recorded_call_needs_no_attributes(name: str) -> None:
    assert parse(text_of(body_of(name)), {}) == parsed(name)


@pytest.mark.parametrize("name", IGNORED)
def test_what_asks_for_nothing_is_ignored_with_its_reason(name: str) -> None:
    assert parsed(name) == Ignored(IGNORED[name])


def test_what_was_published_twice_has_one_id_and_another_change_another() -> None:
    (event,) = parsed("version-add")
    (again,) = parsed("version-add-dead-lettered")
    (other,) = parsed("version-add-without-fraction")
    assert again.id == event.id != other.id


@pytest.mark.parametrize(
    ("name", "value", "sentence"),
    [
        ("secretId", "", "name no secret"),
        ("secretId", "prod-db", "name no secret"),
        ("secretId", "projects/1/secrets/a b", "name no secret"),
        ("secretId", f"projects/{NUMBER}/secrets/other", "not the same one"),
        ("versionId", f"projects/{NUMBER}/topics/prod-db", "not the same one"),
        ("timestamp", "", "no attribute timestamp"),
        ("timestamp", "\n", "field timestamp must hold"),
        ("eventType", "secret changed", "none of Secret Manager's"),
        ("eventType", "", "none of Secret Manager's"),
    ],
)
def test_a_notification_with_a_strange_attribute_is_refused(
    name: str, value: str, sentence: str
) -> None:
    attributes = attributes_of("version-add") | {name: value}
    with pytest.raises(Malformed) as refusal:
        parse("{}", attributes)
    assert sentence in str(refusal.value).replace("not the\n", "not the ")


@pytest.mark.parametrize("name", ["methodName", "serviceName", "resourceName"])
def test_an_entry_without_its_call_or_secret_is_refused(name: str) -> None:
    entry = body_of("audit-delete-secret")
    del entry["protoPayload"][name]
    with pytest.raises(Malformed, match="let the sink send"):
        parse(text_of(entry), {})


def test_an_entry_that_answers_about_another_secret_is_refused() -> None:
    entry = body_of("audit-add-version")
    entry["protoPayload"]["resourceName"] = "projects/shop-prod/secrets/other"
    with pytest.raises(Malformed, match="another secret"):
        parse(text_of(entry), {})


def test_an_entry_without_an_id_is_refused() -> None:
    entry = body_of("audit-add-version")
    del entry["insertId"]
    with pytest.raises(Malformed, match="insertId"):
        parse(text_of(entry), {})


@pytest.mark.parametrize("body", ["", "[]", "null", "x", '{"name": "projects/1/secrets/x"}'])
def test_what_is_neither_notification_nor_log_entry_is_refused(body: str) -> None:
    with pytest.raises(Malformed):
        parse(body, {})


def test_a_time_that_is_none_does_not_hide_the_change() -> None:
    (event,) = parse("", attributes_of("version-add") | {"timestamp": "yesterday"})  # type: ignore[misc]
    assert (event.at, event.version) == ("", "7")
