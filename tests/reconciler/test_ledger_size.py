"""Whether a status would outgrow what the API server takes."""

import json
from typing import Any

from externalsecret.ledger import Synced, read_ledger
from externalsecret.resource import ExternalSecret
from fakes.resources import entry_of, external_secret, heard
from reconciler.report import MAX_LEDGER_BYTES, fits, ledger_size

FEW = 10


def leaf(*feeds: str) -> Synced:
    return Synced("e1", "v1", "2026-01-01T00:00:00.000Z", "sqs", "arn:of:it", feeds, "0123456789")


def members(count: int) -> Synced:
    """What a document of so many members leaves."""
    return leaf(*(f"member-{number:05}" for number in range(count)))


def holding(*keys: str, feeds: int = 1, **more: Any) -> ExternalSecret:
    """An object whose ledger tells of these keys."""
    synced = members(feeds).leaf()
    kept = {entry_of(key): {"heard": heard("e1", "v1"), "synced": synced} for key in keys}
    return external_secret(status={"uid": "u1", "keys": kept, **more})


def test_a_usual_ledger_fits() -> None:
    assert fits(external_secret(), {entry_of("db"): members(200)}) is None


def test_a_document_of_too_many_members_is_refused_in_a_sentence() -> None:
    refusal = fits(external_secret(), {entry_of("db"): members(20_000)})
    assert refusal is not None
    assert refusal.reason == "LedgerTooLarge"
    assert f"but at most {MAX_LEDGER_BYTES} are allowed" in refusal.message
    assert "Split the manifest into several ExternalSecrets" in refusal.message
    assert "member-" not in refusal.message


def test_the_size_is_never_less_than_that_of_the_status_that_results() -> None:
    es = holding("old", "db", status="SUCCESS", lastSync="2026-01-01T00:00:00.000Z")
    written = {entry_of("db"): {"synced": members(500).leaf()}}
    status = {**es.status, "keys": {**es.status["keys"], **written}}
    size = ledger_size(es, {entry_of("db"): members(500)})
    assert size >= len(json.dumps(status, separators=(",", ":")))
    assert size < len(json.dumps(status)) + 1000


def test_each_leaf_takes_the_place_of_the_one_before() -> None:
    es = holding("db", feeds=9000)
    assert fits(es, {entry_of("db"): members(9000)}) is None
    assert ledger_size(es, {entry_of("db"): leaf()}) < ledger_size(es, {})


def test_what_others_of_its_keys_hold_counts_too() -> None:
    leaves = {entry_of("db"): members(9000)}
    assert fits(holding("other", feeds=9000), leaves) is not None


def test_a_key_that_the_spec_has_dropped_does_not_count() -> None:
    leaves = {entry_of("db"): members(9000)}
    assert fits(holding("gone", feeds=9000), leaves, leaves.keys()) is None


def test_what_fits_does_not_cease_to_when_every_key_is_heard_of() -> None:
    keys = [f"db-{number}" for number in range(FEW)]
    leaves = {entry_of(key): leaf("one") for key in keys}
    notes = {entry_of(key): {"heard": heard("x" * 200, "v" * 64, "2026")} for key in keys}
    quiet = external_secret()
    assert ledger_size(external_secret(status={"uid": "u1", "keys": notes}), leaves) == (
        ledger_size(quiet, leaves) + len('"uid":"u1",')
    )


def test_of_another_ones_ledger_only_the_notes_count() -> None:
    es = holding("db", feeds=20_000, uid="another")
    assert read_ledger(es.status, "u1").is_foreign
    assert fits(es, {entry_of("db"): leaf("password")}) is None
