"""Whether a change concerns a read, and what the note says."""

import pytest

from externalsecret.identity import parameter, secrets_manager
from externalsecret.ledger import Heard
from externalsecret.reference import Reference, Select, Selector
from listener.concern import concerns, in_place_of, joined, note_of
from listener.messages.meaning import Change, ChangeEvent

CURRENT = Selector(Select.LABEL, "AWSCURRENT")
PREVIOUS = Selector(Select.LABEL, "AWSPREVIOUS")
BLUE = Selector(Select.LABEL, "blue")
PINNED = Selector(Select.VERSION, "v1")
LATEST = Selector(Select.LATEST)
PATH = Selector(Select.PATH)


def _reader(selector: Selector, key: str = "db") -> Reference:
    return Reference("entry", secrets_manager(key), key, selector, "eu-west-1")


def _parameter_reader(selector: Selector, key: str = "/shop/db") -> Reference:
    return Reference("entry", parameter(key), key, selector, "eu-west-1")


def _value(version: str | None = None, label: str | None = None, key: str = "db") -> ChangeEvent:
    return ChangeEvent(secrets_manager(key), Change.VALUE, "e1", "", version, label)


def _parameter_value(version: str | None = None, label: str | None = None) -> ChangeEvent:
    return ChangeEvent(parameter("/shop/db"), Change.VALUE, "e1", "", version, label)


def _of_change(change: Change, version: str | None = None) -> ChangeEvent:
    return ChangeEvent(secrets_manager("db"), change, "e1", "", version)


@pytest.mark.parametrize(
    ("selector", "label", "expected"),
    [
        (CURRENT, "AWSCURRENT", True),
        (CURRENT, "blue", False),
        (BLUE, "blue", True),
        (BLUE, "AWSCURRENT", False),
        (PREVIOUS, "AWSPREVIOUS", True),
        (BLUE, None, True),
        (PINNED, "AWSCURRENT", False),
        (PINNED, None, False),
    ],
)
def test_a_label_that_moved_concerns_those_who_read_it(
    *, selector: Selector, label: str | None, expected: bool
) -> None:
    assert concerns(_reader(selector), _value("v2", label)) is expected


def test_the_previous_version_moves_with_the_current_one_and_not_the_other_way() -> None:
    assert concerns(_reader(PREVIOUS), _value("v2", "AWSCURRENT"))
    assert not concerns(_reader(CURRENT), _value("v1", "AWSPREVIOUS"))


@pytest.mark.parametrize("change", [Change.GONE, Change.BACK])
@pytest.mark.parametrize("selector", [CURRENT, PREVIOUS, BLUE, PINNED, LATEST])
def test_what_is_gone_or_back_concerns_every_reader(selector: Selector, change: Change) -> None:
    assert concerns(_reader(selector), _of_change(change))


def test_another_name_concerns_nobody() -> None:
    assert not concerns(_reader(CURRENT), _value("v2", "AWSCURRENT", key="db2"))


@pytest.mark.parametrize("part", ["region", "account", "partition"])
def test_another_scope_concerns_nobody(part: str) -> None:
    here = _reader(CURRENT).secret.within(**{part: "here"})
    reader = Reference("entry", here, "db", CURRENT, "eu-west-1")
    there = secrets_manager("db").within(**{part: "there"})
    assert not concerns(reader, ChangeEvent(there, Change.VALUE, "e1", ""))


def test_a_member_of_a_path_concerns_its_readers_within_the_scope() -> None:
    secret = parameter("/shop").within(region="eu-west-1")
    reader = Reference("entry", secret, "/shop", PATH, "eu-west-1")
    member = parameter("/shop/db")
    here = ChangeEvent(member.within(region="eu-west-1"), Change.GONE, "e1", "")
    there = ChangeEvent(member.within(region="eu-west-2"), Change.GONE, "e1", "")
    assert concerns(reader, here)
    assert not concerns(reader, there)


def test_the_version_is_told_to_readers_of_the_label_that_moved() -> None:
    assert note_of(_reader(CURRENT), _value("v2", "AWSCURRENT"), "sqs").version == "v2"


@pytest.mark.parametrize("label", ["AWSCURRENT", None])
def test_no_version_is_told_to_readers_of_another_label(label: str | None) -> None:
    assert note_of(_reader(PREVIOUS), _value("v2", label), "sqs").version is None


@pytest.mark.parametrize("change", [Change.GONE, Change.BACK])
def test_no_version_is_told_of_what_is_gone_or_back(change: Change) -> None:
    assert note_of(_reader(PINNED), _of_change(change, "v1"), "sqs").version is None


def test_a_new_version_is_told_to_readers_of_the_newest() -> None:
    assert note_of(_parameter_reader(LATEST), _parameter_value("3"), "sqs").version == "3"


def test_a_label_on_an_old_version_tells_readers_of_the_newest_no_version() -> None:
    event = _parameter_value("2", "blue")
    assert note_of(_parameter_reader(LATEST), event, "sqs").version is None


def test_a_members_version_is_not_the_paths_version() -> None:
    """A path's own version is a digest, so the member's would be awaited in vain."""
    assert note_of(_parameter_reader(PATH, "/shop"), _parameter_value("3"), "sqs").version is None


def test_a_note_carries_id_time_and_way_of_its_event() -> None:
    event = ChangeEvent(secrets_manager("db"), Change.VALUE, "e1", "2026-01-01T00:00:00Z")
    assert note_of(_reader(CURRENT), event, "sqs") == Heard(
        "e1", None, "2026-01-01T00:00:00Z", "sqs"
    )


def test_a_note_without_a_time_says_none() -> None:
    assert note_of(_reader(CURRENT), _value(), "sqs").at is None


def test_a_long_id_is_a_digest_that_stays_the_same() -> None:
    event = ChangeEvent(secrets_manager("db"), Change.VALUE, "x" * 2000, "")
    note = note_of(_reader(CURRENT), event, "sqs")
    assert len(note.id) == 64
    assert note == note_of(_reader(CURRENT), event, "sqs")


def _heard(identity: str, version: str | None) -> Heard:
    return Heard(identity, version, None, "sqs")


def test_a_note_where_none_stands_uncovered_is_written_as_it_is() -> None:
    assert in_place_of(None, _heard("b", "v1")) == _heard("b", "v1")


def test_two_announcements_of_one_version_keep_it() -> None:
    assert in_place_of(_heard("a", "v2"), _heard("b", "v2")) == _heard("b", "v2")


def test_a_note_that_hides_an_uncovered_one_of_another_version_names_none() -> None:
    for standing, version in (
        (_heard("a", "v2"), "v1"),
        (_heard("a", None), "v1"),
        (_heard("a", None), None),
    ):
        note = in_place_of(standing, _heard("b", version))
        assert note.version is None
        assert note.id.startswith("b+")
        assert in_place_of(note, _heard("b", version)) == note


def test_a_repeated_note_does_not_bring_back_the_version_that_was_left_out() -> None:
    assert in_place_of(_heard("b", None), _heard("b", "v1")) == _heard("b", None)


@pytest.mark.parametrize(
    ("earlier", "later", "version"),
    [
        (("a", "v2"), ("b", "v1"), None),
        (("a", "v2"), ("b", "v2"), "v2"),
        (("a", "v2"), ("a", "v1"), None),
        (("a", None), ("a", "v1"), None),
        (("a", "v1"), ("a", "v1"), "v1"),
    ],
)
def test_two_changes_in_one_note_name_a_version_only_where_both_name_it(
    earlier: tuple[str, str | None], later: tuple[str, str | None], version: str | None
) -> None:
    """Which of two comes later, the order in one message does not tell."""
    note = joined(_heard(*earlier), _heard(*later))
    assert note.version == version
    assert note.id.partition("+")[0] == later[0]
