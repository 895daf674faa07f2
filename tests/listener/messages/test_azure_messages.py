"""What each real-shaped message of Azure Event Grid means, alone, in a batch and damaged."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from externalsecret.identity import SecretId, key_vault
from listener.messages.azure import events_of, parse
from listener.messages.meaning import Change, ChangeEvent, Ignored, IgnoredReason, Malformed

HERE = Path(__file__).parent
BODIES = sorted(HERE.glob("azure-*.json"))
PAGE = HERE.parents[2] / "docs/sources/storage-queue.md"
AT = "2026-11-20T09:15:42.1036736Z"
NEW = "7f2b4c6d8e0a4b1c9d3e5f7a9b1c3d5e"
DB = key_vault("shop-prod", "db-password")
TLS = key_vault("shop-prod", "web-tls")
VALUE = Change.VALUE
GONE = Change.GONE

Told = tuple[SecretId, Change, str | None]
"""(which secret, what happened, version)"""

CHANGES: dict[str, list[Told]] = {
    "secret-new-version": [(DB, VALUE, NEW)],
    "secret-new-version-in-an-array": [(DB, VALUE, NEW)],
    "secret-new-version-cloudevents": [(DB, VALUE, NEW)],
    "secret-new-version-other-case": [(DB, VALUE, NEW)],
    "secret-new-version-stray-blanks": [(DB, VALUE, NEW)],
    "secret-new-version-identifier-only": [(DB, VALUE, NEW)],
    "secret-new-version-envelope-only": [(DB, VALUE, None)],
    "secret-new-version-china": [(DB, VALUE, NEW)],
    "several-events": [(DB, VALUE, NEW), (key_vault("shop-prod", "api-key"), VALUE, NEW)],
    "certificate-new-version": [(TLS, VALUE, NEW)],
    "key-new-version": [(TLS, VALUE, None)],
    "secret-expired": [(DB, GONE, None)],
    "certificate-expired": [(TLS, GONE, None)],
}

IGNORED: dict[str, IgnoredReason] = {
    "secret-near-expiry": IgnoredReason.NOT_A_CHANGE,
    "certificate-near-expiry": IgnoredReason.NOT_A_CHANGE,
    "key-near-expiry": IgnoredReason.NOT_A_CHANGE,
    "key-expired": IgnoredReason.NOT_A_CHANGE,
    "access-policy-changed": IgnoredReason.NOT_A_CHANGE,
    "event-of-the-future": IgnoredReason.OTHER_EVENT,
    "other-service": IgnoredReason.OTHER_SERVICE,
    "subscription-validation": IgnoredReason.TEST_MESSAGE,
}


def body_of(name: str) -> str:
    return (HERE / f"azure-{name}.json").read_text(encoding="utf-8")


def message_of(name: str) -> Any:
    return json.loads(body_of(name))


def changes_of(body: str) -> list[ChangeEvent]:
    meaning = parse(body)
    assert isinstance(meaning, tuple)
    return list(meaning)


def test_every_message_has_an_expectation() -> None:
    known = CHANGES.keys() | IGNORED.keys()
    assert {path.stem.removeprefix("azure-") for path in BODIES} == known


@pytest.mark.parametrize("name", CHANGES)
def test_a_change_names_its_secret_and_its_version(name: str) -> None:
    changes = changes_of(body_of(name))
    assert [(one.secret, one.change, one.version) for one in changes] == CHANGES[name]
    assert {one.at for one in changes} == {AT}
    assert {one.label for one in changes} == {None}


@pytest.mark.parametrize("name", IGNORED)
def test_what_changes_nothing_is_ignored_for_a_reason(name: str) -> None:
    assert parse(body_of(name)) == Ignored(IGNORED[name])


@pytest.mark.parametrize("name", sorted(CHANGES.keys() | IGNORED.keys()))
def test_an_event_means_the_same_in_an_array(name: str) -> None:
    message = message_of(name)
    items = message if isinstance(message, list) else [message]
    assert parse(json.dumps(items)) == parse(body_of(name))
    assert parse(json.dumps([*items, *items])) == parse(body_of(name))


@pytest.mark.parametrize("name", sorted(CHANGES.keys() - {"several-events"}))
def test_the_event_keeps_its_id(name: str) -> None:
    (change,) = changes_of(body_of(name))
    assert change.id == "5f3a1b2c-0d4e-4f6a-8b9c-1d2e3f4a5b6c"


def test_each_event_of_a_batch_can_be_read_as_if_it_had_come_alone() -> None:
    bodies = events_of(body_of("several-events"))
    assert len(bodies) == 5
    first, second, third, fourth, fifth = bodies
    assert [change.id for change in changes_of(first)] == ["one"]
    assert parse(second) == Ignored(IgnoredReason.NOT_A_CHANGE)
    assert [change.id for change in changes_of(third)] == ["three"]
    with pytest.raises(Malformed, match="neither of Event Grid's schema"):
        parse(fourth)
    assert parse(fifth) == Ignored(IgnoredReason.OTHER_SERVICE)


def test_what_nobody_can_read_is_told_where_it_hides_no_change() -> None:
    near_expiry = message_of("secret-near-expiry")
    with pytest.raises(Malformed):
        parse(json.dumps([near_expiry, {"unknown": True}]))


def test_of_two_spellings_of_a_field_the_one_that_says_something_counts() -> None:
    event = message_of("secret-new-version")
    event["data"] |= {"objectname": "other", "Version": "", "version": "abc"}
    (change,) = changes_of(json.dumps(event))
    assert change.secret == DB
    assert change.version == "abc"


@pytest.mark.parametrize(
    "damage",
    [
        {"id": None},
        {"eventType": ""},
        {"eventType": 5},
        {"data": {"VaultName": "shop-prod", "ObjectName": "../db"}},
        {"data": {"VaultName": "evil.example/x", "ObjectName": "db"}},
        {"data": {"VaultName": ["shop-prod"], "ObjectName": "db"}},
        {"data": {}, "subject": ""},
        {"data": {}, "topic": "/subscriptions/0/somewhere/else"},
        {"data": {"VaultName": "shop-prod", "ObjectName": "db", "Version": "a/b"}},
    ],
)
def test_an_event_that_names_no_secret_is_malformed(damage: dict[str, Any]) -> None:
    with pytest.raises(Malformed):
        parse(json.dumps({**message_of("secret-new-version"), **damage}))


@pytest.mark.parametrize("body", ["", "null", "[]", "7", '"text"', "[null]", "[[]]", "{}", "{"])
def test_what_is_no_event_is_malformed(body: str) -> None:
    with pytest.raises(Malformed):
        parse(body)


def test_a_batch_that_is_nested_too_deep_is_malformed() -> None:
    with pytest.raises(Malformed):
        parse("[" * 100_000)
    with pytest.raises(Malformed):
        events_of("[" * 100_000)


def test_a_time_that_is_none_is_left_out() -> None:
    event = message_of("secret-new-version") | {"eventTime": "yesterday"}
    (change,) = changes_of(json.dumps(event))
    assert change.at == ""


def test_the_event_that_the_page_gives_to_try_is_a_change() -> None:
    (event,) = re.findall(r"```json\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    (change,) = changes_of(event)
    assert change.secret == key_vault("my-vault", "db-password")
