"""The merge: which entries the Secret must get, lose or keep after some reads.

Fed by the reconcile story with the manifest's items, what was read now and the ledger's `feeds`;
feeds the writer of the Secret and the ledger. A pure function: see `render` for what it promises.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from externalsecret.manifest import Item, ItemKind
from externalsecret.redacted import Redacted
from reconciler.claims import Claim, claims
from reconciler.supply import BadValue, Readable, is_entry_name

__all__ = ["MAX_SECRET_BYTES", "BadValue", "Item", "ItemKind", "Rendered", "render"]

MAX_SECRET_BYTES = 1024 * 1024
"""What Kubernetes allows for all values of one Secret together (MaxSecretSize of its core API)."""


@dataclass(frozen=True, slots=True)
class Rendered:
    """The outcome. With `needs`, read these too and render again: the rest means nothing then."""

    entries: Mapping[str, Redacted]
    """Entries to write: the winner was read now."""
    removed: frozenset[str]
    """Entries that were fed and are fed by nothing any more."""
    feeds: Mapping[str, tuple[str, ...]]
    """For each read given: the entries it supplies or holds, even if another wins; sorted."""
    needs: frozenset[str]
    """Ledger keys of reads without which nothing can be decided."""
    errors: Mapping[str, BadValue]
    """For each read that could not be used in full: why."""


def render(
    items: Sequence[Item],
    values: Mapping[str, Readable],
    fed_before: Mapping[str, tuple[str, ...]],
    failed: Collection[str] = (),
) -> Rendered:
    """Merge `items` (in merge order, later wins) as far as `values` tells.

    `values` holds the reads done now, by ledger key: all, or only those that changed. `fed_before`
    is the `feeds` of earlier renders, by ledger key, orphans of older manifests included. `failed`
    are reads tried in vain and those whose last value was bad: they are never asked for again, and
    what they fed stays.

    Guaranteed:
    - With all values, `needs` is empty and `entries` is what a merge from nothing gives.
    - With some values, applying the outcome to what the Secret had gives the same as with all,
      provided that the items are those of the render that wrote `fed_before`.
    - A name whose winner was not read now, and won before too, is left alone. Where it might not
      have won before (the former winner lost the name), the read is in `needs`. So is a read that
      never fed anything on record, and one with a data item of a name it is not recorded to feed (a
      new or renamed item).
    - A bad item or failed read holds its names: they are neither written, nor removed, nor given to
      a weaker item. A read with a bad item writes nothing of its value, so that the parts of one
      value stay together; the parameters of a path are values of their own. A document that cannot
      be used holds all that its read fed; a path holds parameters that have gone.
    - A name goes at once when a member leaves a document that is still a non-empty object, and
      nothing else claims it. What the manifest dropped (a removed or renamed item) goes only in a
      render where nothing is bad or failed, so that a typing error in an edit empties no Secret.
      Until then keep the `feeds` of orphans in the ledger.

    Not seen here, because `feeds` does not show it: an edit of property, isBinary or the order of
    items, and a data item that was dropped while its read still feeds a document. After an edit of
    the manifest give all values.

    With values above MAX_SECRET_BYTES in `entries` together nothing is written or removed and every
    read given gets an error; what unread entries weigh is not known here. TypeError when a path's
    read is no mapping, or another's is one.
    """
    claimed, errors = claims(items, values, fed_before, failed)
    winners = {claim.name: claim for claim in claimed}
    pairs = {(claim.reader, claim.name) for claim in claimed}
    lost = [
        (reader, name)
        for reader, names in fed_before.items()
        for name in names
        if (reader, name) not in pairs
    ]
    needs = _unrecorded(items, values, fed_before, failed)
    needs |= _former_losers(items, lost, winners)
    torn = _torn(items, errors)
    entries = {
        name: claim.value
        for name, claim in winners.items()
        if claim.value is not None and claim.reader not in torn
    }
    going = _going(items, values, lost, troubled=bool(errors or failed))
    going = {(reader, name) for reader, name in going if reader not in torn}
    kept = {name for reader, name in lost if (reader, name) not in going} - winners.keys()
    feeds: dict[str, set[str]] = {reader: set() for reader in values}
    for reader, name in [*pairs, *((reader, name) for reader, name in lost if name in kept)]:
        if reader in feeds:
            feeds[reader].add(name)
    rendered = Rendered(
        entries,
        frozenset(name for _, name in going) - kept - winners.keys(),
        {reader: tuple(sorted(names)) for reader, names in feeds.items()},
        frozenset(needs),
        errors,
    )
    return _within_limit(rendered, fed_before)


def _unrecorded(
    items: Sequence[Item],
    values: Mapping[str, Readable],
    fed_before: Mapping[str, tuple[str, ...]],
    failed: Collection[str],
) -> set[str]:
    """Reads not done that are not on record, or not with the name of one of their items."""
    return {
        item.entry
        for item in items
        if item.entry not in values
        and item.entry not in failed
        and (item.entry not in fed_before or _is_new(item, fed_before[item.entry]))
    }


def _is_new(item: Item, fed: Collection[str]) -> bool:
    name = item.name or ""
    if item.is_optional:
        # Missing when it was read; an edit of it changes the fingerprint.
        return False
    return item.kind is ItemKind.DATA and is_entry_name(name) and name not in fed


def _former_losers(
    items: Sequence[Item], lost: Sequence[tuple[str, str]], winners: Mapping[str, Claim]
) -> set[str]:
    """Reads not done that win a name now, but perhaps did not while another read still fed it."""
    places = {
        item.entry: place for place, item in enumerate(items) if item.kind is not ItemKind.DATA
    }
    losers = set()
    for reader, name in lost:
        winner = winners.get(name)
        # Without a document it was an edit that took the name, and nobody knows from which place.
        former_place = places.get(reader, len(items))
        if winner is not None and winner.unread and former_place > winner.place:
            losers.add(winner.reader)
    return losers


def _torn(items: Sequence[Item], errors: Collection[str]) -> set[str]:
    """Reads whose value is written in no part, because a part of it cannot be used.

    A user name must not meet another version's password. The parameters of a path are values of
    their own.
    """
    paths = {item.entry for item in items if item.kind is ItemKind.PATH}
    return set(errors) - paths


def _going(
    items: Sequence[Item],
    values: Mapping[str, Readable],
    lost: Sequence[tuple[str, str]],
    *,
    troubled: bool,
) -> set[tuple[str, str]]:
    """The lost names that may go: a document left them out, or an edit did and all is well."""
    documents = {item.entry for item in items if item.kind is ItemKind.DOCUMENT} & values.keys()
    return {(reader, name) for reader, name in lost if reader in documents or not troubled}


def _within_limit(rendered: Rendered, fed_before: Mapping[str, tuple[str, ...]]) -> Rendered:
    size = sum(map(len, rendered.entries.values()))
    if size <= MAX_SECRET_BYTES:
        return rendered
    refusal = (
        f"The entries of the Secret would hold {size} bytes together, but Kubernetes allows "
        f"{MAX_SECRET_BYTES}. Split the manifest into several ExternalSecrets."
    )
    feeds = {
        reader: tuple(sorted({*names, *fed_before.get(reader, ())}))
        for reader, names in rendered.feeds.items()
    }
    errors = {reader: BadValue(refusal) for reader in feeds}
    return Rendered({}, frozenset(), feeds, rendered.needs, errors)
