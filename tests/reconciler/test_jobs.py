from collections.abc import Mapping
from dataclasses import replace

import pytest

from externalsecret.ledger import read_ledger
from externalsecret.manifest import read_manifest
from fakes.resources import DEFAULTS as DEFAULT_REGION
from fakes.resources import entry_of, heard, manifest, spec, synced
from reconciler.jobs import Known, Why, find_jobs, seconds_of, shared_suppliers
from reconciler.reads import Verb

DB = entry_of("db")
FOUND = manifest(password="db")
NOTHING_KNOWN = Known(95.0, 90.0, lambda _heard: 100.0, lambda _entry: None, lambda _entry: False)
OLD, NEW = "2026-01-01T00:00:00Z", "2026-01-02T00:00:00Z"


def _jobs(
    keys: Mapping[str, object], repair: frozenset[str] = frozenset(), known: Known = NOTHING_KNOWN
) -> list[tuple[Why, Verb, float, str | None]]:
    ledger = read_ledger({"uid": "u1", "keys": keys}, "u1")
    jobs = find_jobs(ledger, FOUND, repair, known)
    return [(found.why, found.verb, found.since, found.version) for found in jobs]


SYNCED = synced(FOUND, "db", "v1", note="d")


@pytest.mark.parametrize(
    ("leaves", "expected"),
    [
        ({}, [(Why.SPEC, Verb.READ, 90.0, None)]),
        ({"heard": heard("e", "v2")}, [(Why.SPEC, Verb.READ, 100.0, None)]),
        ({"synced": {**SYNCED, "fingerprint": "other"}}, [(Why.SPEC, Verb.READ, 90.0, None)]),
        ({"synced": SYNCED}, []),
        ({"synced": SYNCED, "heard": heard("d", "v9")}, []),
        ({"synced": SYNCED, "heard": heard("e", "v1")}, []),
        ({"synced": SYNCED, "heard": heard("e", "v2")}, [(Why.HEARD, Verb.READ, 100.0, "v2")]),
        ({"synced": SYNCED, "heard": heard("e")}, [(Why.HEARD, Verb.LOOK, 100.0, None)]),
        (
            {"synced": SYNCED, "heard": heard("e", "v2", "2025-01-01T00:00:00Z")},
            [(Why.HEARD, Verb.LOOK, 100.0, "v2")],
        ),
        (
            {"synced": SYNCED, "heard": heard("e", "v2", "next Tuesday")},
            [(Why.HEARD, Verb.READ, 100.0, "v2")],
        ),
    ],
)
def test_the_ledger_tells_what_needs_work_and_what_is_asked_first(
    leaves: Mapping[str, object], expected: list[object]
) -> None:
    assert _jobs({DB: leaves}) == expected


def test_a_value_that_is_kept_is_looked_at_before_it_is_read_for_a_new_spec() -> None:
    known = replace(NOTHING_KNOWN, has_value=lambda _entry: True)
    assert _jobs({}, known=known) == [(Why.SPEC, Verb.LOOK, 90.0, None)]
    announced = {DB: {"heard": heard("e", "v2")}}
    assert _jobs(announced, known=known) == [(Why.SPEC, Verb.LOOK, 100.0, None)]


@pytest.mark.parametrize(
    ("current", "expected"),
    [
        ("v1", []),
        ("v2", [(Why.SWEEP, Verb.READ, 95.0, "v2")]),
        ("", [(Why.SWEEP, Verb.READ, 95.0, None)]),
    ],
)
def test_what_somebody_saw_to_be_current_makes_the_others_read(
    current: str, expected: list[object]
) -> None:
    known = replace(NOTHING_KNOWN, current=lambda _entry: current)
    assert _jobs({DB: {"synced": SYNCED}}, known=known) == expected


def test_a_repair_wants_the_version_that_was_synced() -> None:
    expected = [(Why.REPAIR, Verb.READ, 90.0, "v1")]
    assert _jobs({DB: {"synced": SYNCED}}, frozenset({DB})) == expected


def test_after_an_edit_the_suppliers_of_a_shared_name_are_all_wanted() -> None:
    wanted = {**spec(password="db", user="web"), "dataFrom": ["doc"]}
    found = read_manifest(wanted, DEFAULT_REGION)
    keys = {
        entry_of("doc"): {"synced": {**SYNCED, "feeds": ["password", "other"]}},
        entry_of("web"): {"synced": {**SYNCED, "feeds": ["user"]}},
    }
    ledger = read_ledger({"uid": "u1", "keys": keys}, "u1")
    assert shared_suppliers(ledger, found) == {DB, entry_of("doc")}


def test_what_a_sweep_saw_to_be_made_anew_is_read_once() -> None:
    remade = f"1@{int(seconds_of(NEW) or 0)}"
    known = replace(NOTHING_KNOWN, current=lambda _entry: remade)
    before = {**SYNCED, "version": "1", "at": OLD}
    assert _jobs({DB: {"synced": before}}, known=known) == [(Why.SWEEP, Verb.READ, 95.0, None)]
    assert _jobs({DB: {"synced": {**before, "at": NEW}}}, known=known) == []


@pytest.mark.parametrize(
    ("at", "seconds"),
    [
        ("1970-01-01T00:01:00Z", 60.0),
        ("1970-01-01T01:01:00.5+01:00", 60.5),
        ("soon", None),
        (None, None),
    ],
)
def test_times_are_read_where_they_are_times(at: str | None, seconds: float | None) -> None:
    assert seconds_of(at) == seconds


@pytest.mark.parametrize(
    ("version", "expected"),
    [("v1", [(Why.SWEEP, Verb.LOOK, 90.0, None)]), ("lease:x|3600|1|", [])],
)
def test_resumed_a_key_is_looked_at_but_dynamic_credentials_are_not_made_anew(
    version: str, expected: list[object]
) -> None:
    known = replace(NOTHING_KNOWN, is_resumed=True)
    assert _jobs({DB: {"synced": {**SYNCED, "version": version}}}, known=known) == expected


def test_a_refresh_that_a_failed_pass_has_read_for_is_not_read_for_again() -> None:
    known = replace(NOTHING_KNOWN, refresh=70.0, has_value=lambda _entry: True)
    assert _jobs({}, known=known) == [(Why.SPEC, Verb.READ, 90.0, None)]
    known = replace(known, was_read=lambda _entry, since: since == 70.0)
    assert _jobs({}, known=known) == [(Why.SPEC, Verb.LOOK, 90.0, None)]


def test_a_refresh_reads_what_is_covered_and_what_is_not() -> None:
    known = replace(NOTHING_KNOWN, refresh=94.0)
    assert _jobs({DB: {"synced": SYNCED}}, known=known) == [(Why.REFRESH, Verb.READ, 94.0, "v1")]
    noted = {DB: {"synced": SYNCED, "heard": heard("e", "v2")}}
    assert _jobs(noted, known=known) == [(Why.REFRESH, Verb.READ, 100.0, "v1")]
