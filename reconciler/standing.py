"""Whether the live Secret stands as the ledger says that we left it. Plain functions of plain data.

Fed by reconciler.live and the ledger; feeds reconciler.attempt. They know entries by name and who
wrote their present value, never a value.
"""

from collections.abc import Collection, Container, Mapping

from externalsecret.ledger import Ledger
from externalsecret.manifest import ItemKind, Manifest
from reconciler.live import LiveSecret


def is_damaged(live: LiveSecret | None, ledger: Ledger) -> bool:
    """Whether entries that we wrote are not as we wrote them."""
    if live is None or live.uid != ledger.secret_uid:
        return True
    if live.version == ledger.secret_version:
        return False
    fed = (leaves.synced.feeds for leaves in ledger.entries.values() if leaves.synced)
    return not live.owned.issuperset(name for names in fed for name in names)


def leftovers(
    live: LiveSecret | None,
    manifest: Manifest,
    fed: Mapping[str, tuple[str, ...]],
    values: Container[str],
    claimed: Collection[str] = (),
) -> tuple[str, ...]:
    """Entries that we wrote but no ledger tells of: that of a predecessor, or of a pass which ended
    before its ledger was written. Known only when every item that may claim any name is read.
    `claimed` are entries of the template, which is no read.
    """
    open_ended = [item for item in manifest.items if item.kind is not ItemKind.DATA]
    if live is None or not all(item.entry in values for item in open_ended):
        return ()
    known = {name for names in fed.values() for name in names}
    return tuple(sorted(live.owned - known.union(claimed)))


def lost_entries(before: LiveSecret | None, after: LiveSecret, removed: Collection[str]) -> bool:
    """Whether somebody else touched what is ours, just before we wrote: then the Secret is not
    recorded as it is now, so that the next pass looks at it.
    """
    owned = frozenset() if before is None else before.owned
    return not after.owned.issuperset(owned.difference(removed))
