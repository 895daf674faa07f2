"""What must hold for every manifest and every sequence of changes."""

import json
from collections.abc import Mapping

from hypothesis import given
from hypothesis import strategies as st

from externalsecret.manifest import Item, ItemKind
from externalsecret.redacted import Redacted
from reconciler.render import Rendered, render
from reconciler.supply import Missing

Reads = Mapping[str, Redacted]
Feeds = Mapping[str, tuple[str, ...]]

NAMES = ["a", "b", "c"]
READERS = ["A", "B", "C"]
BAD = Redacted(b"no json at all")

_documents = (
    st.dictionaries(st.sampled_from(NAMES), st.integers(0, 99), min_size=1)
    # Present in every document, so that a data item with this property is always good.
    .map(lambda members: Redacted(json.dumps({**members, "p": 1}).encode()))
)
values = st.fixed_dictionaries(dict.fromkeys(READERS, _documents))
some_readers = st.sets(st.sampled_from(READERS))


def _doc(reader: str) -> Item:
    return Item(reader, "spec.dataFrom", reader, ItemKind.DOCUMENT)


def _data(reader: str, name: str) -> Item:
    return Item(reader, "spec.data", reader, ItemKind.DATA, name, "p")


def _beginnings(items: list[Item]) -> st.SearchStrategy[list[Item]]:
    return st.integers(0, len(items)).map(lambda length: items[:length])


manifests = st.tuples(
    st.permutations([_doc(reader) for reader in READERS]).flatmap(_beginnings),
    st.lists(st.builds(_data, st.sampled_from(READERS), st.sampled_from(NAMES)), max_size=3),
).map(lambda parts: [*parts[0], *parts[1]])


def _used(items: list[Item], reads: Reads) -> dict[str, Redacted]:
    return {item.entry: reads[item.entry] for item in items}


def _applied(secret: Reads, rendered: Rendered) -> dict[str, Redacted]:
    kept = {name: value for name, value in secret.items() if name not in rendered.removed}
    return {**kept, **rendered.entries}


def _last_wins(items: list[Item], reads: Reads) -> dict[str, bytes]:
    merged: dict[str, bytes] = {}
    for item in items:
        members = json.loads(reads[item.entry].reveal())
        if item.kind is ItemKind.DOCUMENT:
            merged |= {name: str(value).encode() for name, value in members.items()}
        else:
            merged[item.name or ""] = str(members["p"]).encode()
    return merged


def _until_decided(
    items: list[Item], changed: set[str], reads: Reads, fed: Feeds
) -> tuple[Rendered, set[str]]:
    read = changed & {item.entry for item in items}
    while True:
        rendered = render(items, {reader: reads[reader] for reader in read}, fed)
        if not rendered.needs:
            return rendered, read
        assert not rendered.needs & read
        read |= rendered.needs


@given(manifests, values)
def test_with_all_values_the_last_item_wins(items: list[Item], reads: Reads) -> None:
    rendered = render(items, _used(items, reads), {})
    shown = {name: value.reveal() for name, value in rendered.entries.items()}
    assert shown == _last_wins(items, reads)
    assert rendered.needs == frozenset()
    assert rendered.errors == {}


@given(manifests, values, values, some_readers)
def test_a_partial_write_leaves_the_secret_that_a_full_one_makes(
    items: list[Item], before: Reads, after: Reads, changed: set[str]
) -> None:
    now = {reader: (after if reader in changed else before)[reader] for reader in READERS}
    first = render(items, _used(items, before), {})
    partial, _ = _until_decided(items, changed, now, first.feeds)
    full = render(items, _used(items, now), {})
    assert _applied(first.entries, partial) == full.entries
    assert {**first.feeds, **partial.feeds} == full.feeds


@given(manifests, manifests, values)
def test_after_an_edit_a_write_with_all_values_makes_the_new_secret(
    old: list[Item], new: list[Item], reads: Reads
) -> None:
    first = render(old, _used(old, reads), {})
    second = render(new, _used(new, reads), first.feeds)
    assert _applied(first.entries, second) == render(new, _used(new, reads), {}).entries


@given(
    old=manifests,
    new=manifests,
    before=values,
    after=values,
    bad=some_readers,
    failing=some_readers,
)
def test_failures_never_remove_or_change_what_the_failing_reads_fed(
    *,
    old: list[Item],
    new: list[Item],
    before: Reads,
    after: Reads,
    bad: set[str],
    failing: set[str],
) -> None:
    first = render(old, _used(old, before), {})
    used = _used(new, after)
    reads = {
        reader: BAD if reader in bad else value
        for reader, value in used.items()
        if reader not in failing
    }
    failed = failing & used.keys()
    rendered = render(new, reads, first.feeds, failed)
    trouble = failed | (bad & reads.keys())
    assert rendered.needs == frozenset()
    assert rendered.errors.keys() == bad & reads.keys()
    for item in new:
        if item.entry in trouble and item.kind is ItemKind.DATA:
            assert item.name not in rendered.removed
        if item.entry in trouble and item.kind is ItemKind.DOCUMENT:
            assert not rendered.removed & set(first.feeds.get(item.entry, ()))
    if trouble and trouble == used.keys():
        assert rendered.removed == frozenset()
        assert rendered.entries == {}


@given(manifests, values, values, some_readers)
def test_once_a_bad_read_is_good_again_the_secret_is_as_if_it_had_never_been_bad(
    items: list[Item], before: Reads, after: Reads, bad: set[str]
) -> None:
    first = render(items, _used(items, before), {})
    spoilt = {
        reader: BAD if reader in bad else value for reader, value in _used(items, after).items()
    }
    second = render(items, spoilt, first.feeds)
    healed, _ = _until_decided(items, set(bad), after, {**first.feeds, **second.feeds})
    secret = _applied(_applied(first.entries, second), healed)
    assert secret == render(items, _used(items, after), {}).entries


def _optional(reader: str, name: str) -> Item:
    return Item(reader, "spec.data", reader, ItemKind.DATA, name, is_optional=True)


optionals = st.lists(
    st.builds(_optional, st.sampled_from(READERS), st.sampled_from(NAMES)), max_size=4
)
missing_or_not = st.fixed_dictionaries(
    dict.fromkeys(READERS, st.one_of(st.just(Missing()), st.binary(max_size=3).map(Redacted)))
)


@given(optionals, missing_or_not)
def test_what_is_missing_is_as_if_its_items_were_not_there(
    items: list[Item], reads: Mapping[str, Redacted | Missing]
) -> None:
    used = {item.entry: reads[item.entry] for item in items}
    rendered = render(items, used, {})
    there = {entry: read for entry, read in used.items() if isinstance(read, Redacted)}
    left = [item for item in items if item.entry in there]
    assert rendered.entries == render(left, there, {}).entries
    assert rendered.errors == {}
    assert rendered.needs == frozenset()


@given(optionals, missing_or_not, missing_or_not, some_readers)
def test_no_entry_goes_because_something_is_missing(
    items: list[Item],
    before: Mapping[str, Redacted | Missing],
    after: Mapping[str, Redacted | Missing],
    changed: set[str],
) -> None:
    first = render(items, {item.entry: before[item.entry] for item in items}, {})
    read = {item.entry: after[item.entry] for item in items if item.entry in changed}
    second = render(items, read, first.feeds)
    assert second.needs == frozenset()
    assert second.removed == frozenset()
    gone = {entry for entry, value in read.items() if isinstance(value, Missing)}
    for name in second.entries:
        # Nor is it given to a weaker item while a stronger one's is missing.
        claiming = [
            item.entry
            for item in items
            if item.name == name
            and (name in first.feeds[item.entry] or isinstance(read.get(item.entry), Redacted))
        ]
        assert claiming[-1] not in gone
