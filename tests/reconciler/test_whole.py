"""What a template adds, when it is merged again, and what is remembered of it."""

from collections.abc import Mapping
from typing import Any

import pytest

from externalsecret.errors import GiveUp
from externalsecret.ledger import Templated
from externalsecret.manifest import Manifest, read_manifest
from externalsecret.redacted import Redacted
from fakes.resources import DEFAULTS, entry_of, external_secret, spec, synced
from reconciler.live import LiveSecret
from reconciler.render import MAX_SECRET_BYTES, Rendered
from reconciler.whole import Whole

LITERAL = {"stringData": {"page": "over", "x": "text"}, "data": {"password": "bm8=", "y": "eQ=="}}
EVALUATED = {"stringData": {"x": "<%= data.page %>"}, "metadata": {"labels": {"l": "${data.page}"}}}
NOTHING = Rendered({}, frozenset(), {}, frozenset(), {})
ALL = frozenset({entry_of("db"), entry_of("web")})


def manifest_of(template: Mapping[str, Any]) -> Manifest:
    return read_manifest({**spec(password="db", page="web"), "template": template}, DEFAULTS)


def live(version: str = "5", owned: frozenset[str] | None = None, **more: Any) -> LiveSecret:
    entries = frozenset({"password", "page", "x", "y"}) if owned is None else owned
    return LiveSecret("s1", version, entries, (), {}, {}, **more)


def whole(
    template: Mapping[str, Any],
    record: Templated | None = None,
    secret: LiveSecret | None = None,
) -> Whole:
    """Of an object whose keys db and web are synced, with this record of its template."""
    found = manifest_of(template)
    status = {
        "uid": "u1",
        "secret": {"uid": "s1", "resourceVersion": "5"},
        "template": None if record is None else record.leaf(),
        "keys": {
            entry_of("db"): {"synced": synced(found, "db", "v1", feeds=["password"])},
            entry_of("web"): {"synced": synced(found, "web", "v1", feeds=["page"])},
        },
    }
    return Whole(external_secret(status=status), found, live() if secret is None else secret)


def done(template: Mapping[str, Any]) -> Templated:
    """The record after a merge of this template."""
    made = {"stringData": {"x": Redacted(b"web")}} if template is EVALUATED else None
    return whole(template).change(NOTHING, made, troubled=False)[1]


def read(**entries: bytes) -> Rendered:
    keys = {"password": "db", "page": "web"}
    return Rendered(
        {name: Redacted(value) for name, value in entries.items()},
        frozenset(),
        {entry_of(keys[name]): (name,) for name in entries},
        frozenset(),
        {},
    )


def plain(entries: Mapping[str, Redacted]) -> dict[str, bytes]:
    return {name: value.reveal() for name, value in entries.items()}


@pytest.mark.parametrize("template", [{}, {"type": "a/b"}, {"metadata": {"labels": {"a": "b"}}}])
def test_a_template_without_entries_and_expressions_needs_nothing_and_leaves_no_record(
    template: Mapping[str, Any],
) -> None:
    one = whole(template, secret=live("6", frozenset()))
    assert not one.is_due(read(page=b"new"))
    assert one.wanted(read(page=b"new"), ALL, troubled=False) == frozenset()
    change, record = one.change(read(page=b"new"), None, troubled=False)
    assert plain(change.entries) == {"page": b"new"}
    assert record.leaf() is None


def test_entries_as_text_need_no_value_stringdata_beats_and_data_yields() -> None:
    one = whole(LITERAL)
    assert one.is_due(NOTHING)
    assert one.wanted(NOTHING, ALL, troubled=False) == frozenset()
    change, record = one.change(NOTHING, None, troubled=False)
    assert plain(change.entries) == {"page": b"over", "x": b"text", "y": b"y"}
    assert record.feeds == ("page", "x", "y")


def test_what_is_merged_already_is_not_merged_again() -> None:
    for template in (LITERAL, EVALUATED):
        one = whole(template, done(template))
        assert not one.is_due(NOTHING)
        assert one.change(NOTHING, None, troubled=False)[1] == done(template)


def test_a_read_that_stringdata_beats_is_not_written() -> None:
    change, _ = whole(LITERAL, done(LITERAL)).change(read(page=b"new"), None, troubled=False)
    assert plain(change.entries) == {}


def test_an_entry_that_no_read_supplies_any_more_falls_to_the_template() -> None:
    gone = Rendered({}, frozenset({"password"}), {entry_of("db"): ()}, frozenset(), {})
    change, record = whole(LITERAL, done(LITERAL)).change(gone, None, troubled=False)
    assert plain(change.entries)["password"] == b"no"
    assert not change.removed
    assert "password" in record.feeds


def test_what_the_template_drops_goes_and_not_while_anything_fails() -> None:
    shorter = {"stringData": {"page": "over"}, "data": {"y": "eQ=="}}
    one = whole(shorter, done(LITERAL))
    change, record = one.change(NOTHING, None, troubled=False)
    assert (set(change.removed), record.feeds) == ({"x"}, ("page", "y"))
    change, record = one.change(NOTHING, None, troubled=True)
    assert (set(change.removed), record.feeds) == (set(), ("page", "x", "y"))


def test_an_entry_that_the_template_uncovers_comes_from_its_read() -> None:
    one = whole({}, done(LITERAL))
    assert one.wanted(NOTHING, ALL, troubled=False) == {entry_of("web")}
    change, record = one.change(read(page=b"web v1"), None, troubled=False)
    assert plain(change.entries) == {"page": b"web v1"}
    assert set(change.removed) == {"x", "y"}
    assert record.leaf() is None


def test_while_that_read_fails_the_entry_stays_and_is_remembered() -> None:
    change, record = whole({}, done(LITERAL)).change(NOTHING, None, troubled=True)
    assert (plain(change.entries), set(change.removed)) == ({}, set())
    assert "page" in record.feeds


@pytest.mark.parametrize(
    "secret",
    [
        live("6", frozenset({"password", "page"})),
        live("6", owned_labels=frozenset({"other"})),
        LiveSecret("s2", "6", frozenset({"x"}), (), {}, {}, frozenset({"l"})),
    ],
)
def test_what_somebody_touched_is_made_again(secret: LiveSecret) -> None:
    assert whole(EVALUATED, done(EVALUATED), secret).is_due(NOTHING)
    untouched = live("6", owned_labels=frozenset({"l"}))
    assert not whole(EVALUATED, done(EVALUATED), untouched).is_due(NOTHING)


def test_an_expression_needs_every_value_once_one_changed() -> None:
    one = whole(EVALUATED, done(EVALUATED))
    assert one.wanted(NOTHING, ALL, troubled=False) == frozenset()
    changed = read(password=b"new")
    assert one.wanted(changed, frozenset({entry_of("web")}), troubled=False) == {entry_of("web")}
    # What cannot be evaluated anyway is not worth a read.
    assert one.wanted(changed, frozenset({entry_of("web")}), troubled=True) == frozenset()


def test_while_a_value_is_missing_what_was_made_stays_and_is_to_be_done() -> None:
    one = whole(EVALUATED, done(EVALUATED))
    change, record = one.change(read(password=b"new"), None, troubled=True)
    assert plain(change.entries) == {"password": b"new"}
    assert record == Templated(None, ("x",))
    assert one.frame(None).labels == {"l": None}
    assert whole(EVALUATED, record).is_due(NOTHING)


def test_an_evaluated_template_is_written_with_the_reads() -> None:
    made = {"stringData": {"x": Redacted(b"made")}, "metadata": {"labels": {"l": Redacted(b"m")}}}
    one = whole(EVALUATED)
    change, record = one.change(read(page=b"web"), made, troubled=False)
    assert plain(change.entries) == {"page": b"web", "x": b"made"}
    assert record.fingerprint
    assert one.frame(made).labels == {"l": Redacted(b"m")}


def test_a_secret_that_its_template_makes_too_large_is_refused() -> None:
    huge = {"stringData": {"x": Redacted(b"x" * MAX_SECRET_BYTES)}}
    with pytest.raises(GiveUp, match=r"With spec\.template the entries"):
        whole(EVALUATED).change(read(page=b"web"), huge, troubled=False)
