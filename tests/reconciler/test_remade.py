from datetime import UTC, datetime

import pytest

from externalsecret.identity import Backend, google_secret
from externalsecret.ledger import Synced
from externalsecret.reference import Reference, Select, Selector
from reconciler import remade
from reconciler.backends.contract import Versions

READ_AT = 1_767_225_600.0
EARLIER, LATER = READ_AT - 3600, READ_AT + 3600


def _synced(version: str | None, at: float | None = READ_AT) -> Synced:
    told = None if at is None else datetime.fromtimestamp(at, UTC).isoformat()
    return Synced("note", version, told, "spec", None, (), None)


def _seen(current: str | None, made: float | None = None) -> Versions:
    return Versions(current, {}, "", made=made)


def _reference(select: Select = Select.LATEST) -> Reference:
    assert Backend.GCP_SECRET_MANAGER
    return Reference("entry", google_secret("db"), "db", Selector(select), "-")


@pytest.mark.parametrize(
    ("held", "seen", "lacking"),
    [
        # Where a look does not tell when a version was made its text alone counts.
        ("v1", _seen("v1"), None),
        ("v1", _seen("v2"), "v2"),
        ("v1", _seen(None), ""),
        (None, _seen("v1"), "v1"),
        (None, _seen(None), None),
        ("3@1700000000", _seen("3@1800000000"), "3@1800000000"),
        # Numbers that a look tells the time of.
        ("3", _seen("3", EARLIER), None),
        ("3", _seen("3", READ_AT + 29), None),
        ("3", _seen("3", LATER), f"3@{int(LATER)}"),
        ("3", _seen("4", LATER), "4"),
        ("3", _seen("4", EARLIER), "4"),
        (None, _seen("3", EARLIER), "3"),
        # A lower number: an answer from before the read, or of a secret that was made anew.
        ("3", _seen("2", EARLIER), None),
        ("3", _seen("2", LATER), "2"),
        ("10", _seen("9", EARLIER), None),
    ],
)
def test_what_a_reader_lacks(held: str | None, seen: Versions, lacking: str | None) -> None:
    assert remade.lacks(_reference(), _synced(held), seen) == lacking


def test_an_alias_may_go_back() -> None:
    label = _reference(Select.LABEL)
    assert remade.lacks(label, _synced("3"), _seen("2", EARLIER)) == "2"


def test_a_time_that_nobody_knows_makes_nothing_new() -> None:
    assert remade.lacks(_reference(), _synced("3", None), _seen("3", LATER)) is None


def test_what_was_read_after_it_was_made_anew_is_held() -> None:
    told = f"3@{int(LATER)}"
    assert not remade.is_held(_synced("3"), told)
    assert remade.is_held(_synced("3", LATER), told)
    assert not remade.is_held(_synced("2", LATER), told)
    assert remade.is_held(_synced("3"), "3")
    assert not remade.is_held(_synced("3"), "4")
    assert not remade.is_held(_synced("3"), "")
    assert remade.is_held(_synced("3@7"), "3@7")


def test_a_read_of_what_was_made_anew_expects_no_number() -> None:
    told = f"3@{int(LATER)}"
    assert remade.expected(_synced("3"), told) is None
    assert remade.expected(_synced("3"), "4") == "4"
    assert remade.expected(_synced("3"), "") is None
    assert remade.expected(_synced("3@7"), "3@8") == "3@8"


def test_what_tells_more_is_not_forgotten_for_what_tells_less() -> None:
    assert remade.is_told_by("3", "3@17")
    assert not remade.is_told_by("3", "3")
    assert not remade.is_told_by("3", "4@17")
    assert not remade.is_told_by("3", None)
