from typing import Any

import pytest

from externalsecret.ledger import Entry, Heard, Synced, is_covered, read_ledger

HEARD = {"id": "e1", "version": "v2", "at": "2026-01-01T00:00:00Z", "via": "sqs"}
SYNCED = {
    "note": "e0",
    "version": "v1",
    "at": "2026-01-01T00:00:00Z",
    "via": "spec",
    "resource": "arn",
    "feeds": ["a", "b"],
    "fingerprint": "f1",
    "remark": "SecretExpired",
}


def heard(identity: str, version: str | None = None) -> Heard:
    return Heard(identity, version, None, "sqs")


def synced(note: str | None, version: str | None = None, fingerprint: str = "f1") -> Synced:
    return Synced(note, version, None, "spec", None, (), fingerprint)


@pytest.mark.parametrize(
    ("entry", "covered"),
    [
        (Entry(), False),
        (Entry(heard("e1")), False),
        (Entry(None, synced(None)), True),
        (Entry(None, synced("e0")), True),
        (Entry(None, synced(None, fingerprint="f0")), False),
        (Entry(heard("e1"), synced("e1")), True),
        (Entry(heard("e1"), synced("e1", fingerprint="f0")), False),
        (Entry(heard("e2"), synced("e1")), False),
        (Entry(heard("e2"), synced(None)), False),
        (Entry(heard("e2", "v2"), synced("e1", "v2")), True),
        (Entry(heard("e2", "v2"), synced("e1", "v1")), False),
        (Entry(heard("e2", "v2"), synced("e1", None)), False),
        (Entry(heard("e2", None), synced("e1", None)), False),
        (Entry(heard("e1", "v2"), synced("e1", "v1")), True),
    ],
)
def test_a_key_is_covered_by_the_same_note_or_the_same_version_for_the_same_spec(
    entry: Entry, *, covered: bool
) -> None:
    assert is_covered(entry, "f1") is covered


def test_both_leaves_are_read_as_they_were_written() -> None:
    status = {
        "uid": "u1",
        "secret": {"uid": "s1", "resourceVersion": "7"},
        "keys": {"k": {"heard": HEARD, "synced": SYNCED}},
    }
    ledger = read_ledger(status, "u1")
    entry = ledger.entry("k")
    assert entry.heard is not None
    assert entry.synced is not None
    assert (entry.heard.leaf(), entry.synced.leaf()) == (HEARD, SYNCED)
    assert (ledger.secret_uid, ledger.secret_version, ledger.is_foreign) == ("s1", "7", False)
    assert ledger.entry("other") == Entry()


def test_what_is_absent_is_written_as_null_so_that_nothing_old_shines_through() -> None:
    assert heard("e1").leaf() == {"id": "e1", "version": None, "at": None, "via": "sqs"}
    leaf = synced(None).leaf()
    assert set(leaf) == set(SYNCED)
    assert (leaf["note"], leaf["version"], leaf["resource"], leaf["feeds"]) == (
        None,
        None,
        None,
        [],
    )


@pytest.mark.parametrize("uid", [None, "u0"])
def test_of_another_objects_ledger_only_the_notes_count(uid: str | None) -> None:
    status = {
        "uid": uid,
        "secret": {"uid": "s1", "resourceVersion": "7"},
        "keys": {"k": {"heard": HEARD, "synced": SYNCED}},
    }
    ledger = read_ledger(status, "u1")
    assert ledger.is_foreign
    assert (ledger.secret_uid, ledger.secret_version) == ("", "")
    assert ledger.entry("k").synced is None
    assert ledger.entry("k").heard is not None


@pytest.mark.parametrize(
    "status",
    [
        {},
        {"keys": None, "secret": None},
        {"keys": ["k"], "secret": "s1"},
        {"keys": {"k": None}},
        {"keys": {"k": {"heard": "e1", "synced": 7}}},
        {"keys": {"k": {"heard": {"version": "v2"}}}},
        {"keys": {"k": {"heard": {"id": 7}}}},
    ],
)
def test_whatever_somebody_wrote_into_the_status_is_read_without_an_error(
    status: dict[str, Any],
) -> None:
    ledger = read_ledger({"uid": "u1", **status}, "u1")
    assert ledger.entry("k") == Entry()


def test_fields_of_a_wrong_type_are_as_good_as_absent() -> None:
    leaves = {
        "heard": {"id": "e1", "version": 2, "via": ["sqs"]},
        "synced": {"note": 1, "feeds": ["a", 7, None], "fingerprint": {}},
    }
    entry = read_ledger({"uid": "u1", "keys": {"k": leaves}}, "u1").entry("k")
    assert entry.heard == Heard("e1", None, None, None)
    assert entry.synced == Synced(None, None, None, None, None, ("a",), None)
