"""Which item claims which entry of the Secret, in merge order.

Fed by render with the manifest's items, what was read now and what the ledger knows of the reads
that were not done; feeds the merge, in which the last claim of a name wins. A claim without a value
keeps weaker items from the name.
"""

import functools
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from externalsecret.manifest import Item, ItemKind
from externalsecret.redacted import Redacted
from reconciler.jsontext import json_or_refusal
from reconciler.supply import BadValue, Readable, Supply, is_entry_name, supply


@dataclass(frozen=True, slots=True)
class Claim:
    """An item says that a name is its own."""

    name: str
    reader: str
    """Ledger key of the read that feeds the item."""
    place: int
    """The item's place in merge order."""
    value: Redacted | None = None
    unread: bool = False


def claims(
    items: Sequence[Item],
    values: Mapping[str, Readable],
    fed_before: Mapping[str, tuple[str, ...]],
    failed: Collection[str],
) -> tuple[list[Claim], dict[str, BadValue]]:
    """Every item's claims in merge order, and what is wrong with the reads."""
    read_json = functools.cache(json_or_refusal)  # Thousands of items may share one value.
    data_names: dict[str, set[str]] = {}
    for item in items:
        if item.kind is ItemKind.DATA and item.name is not None:
            data_names.setdefault(item.entry, set()).add(item.name)
    found: list[Claim] = []
    problems: dict[str, list[str]] = {}
    for place, item in enumerate(items):
        fed = fed_before.get(item.entry, ())
        if item.entry not in values:
            unread = item.entry not in failed
            names = _names_unread(item, fed, failed=not unread)
            found.extend(Claim(name, item.entry, place, unread=unread) for name in names)
            continue
        supplied = supply(item, values[item.entry], _fed_by(item, fed, data_names), read_json)
        found.extend(_claims_of(supplied, place, item.entry))
        if supplied.problems:
            problems.setdefault(item.entry, []).extend(supplied.problems)
    return found, {reader: _error(sentences) for reader, sentences in problems.items()}


def _fed_by(
    item: Item, fed: Collection[str], data_names: Mapping[str, set[str]]
) -> Collection[str]:
    """Of what a read fed, what this item may have fed."""
    if item.kind is ItemKind.DATA:
        return {item.name or ""}.intersection(fed)
    return set(fed) - data_names.get(item.entry, set())


def _claims_of(supplied: Supply, place: int, reader: str) -> list[Claim]:
    held = [Claim(name, reader, place) for name in sorted(supplied.held)]
    return held + [Claim(name, reader, place, value) for name, value in supplied.values.items()]


def _names_unread(item: Item, fed: Collection[str], *, failed: bool) -> Collection[str]:
    """What an item claims whose read was not done, as far as the ledger knows."""
    if item.kind is not ItemKind.DATA:
        return fed
    name = item.name or ""
    return [name] if name in fed or (failed and is_entry_name(name)) else []


def _error(sentences: Sequence[str]) -> BadValue:
    distinct = list(dict.fromkeys(sentences))
    more = len(distinct) - 1
    also = f" (and {more} more problem{'s' * (more > 1)} with this value)" if more else ""
    return BadValue(distinct[0] + also)
