"""Whether a version with the number that was read is another one, since its secret was deleted and
made anew.

Fed by the ledger and by looks of backends whose versions are mere numbers (Versions.made); feeds
reconciler.compare, reconciler.jobs and reconciler.decide. Plain functions of plain data. The ledger
tells when a value was read: a version that was made after that is not the one that was read.

Guarantees: nothing here differs where a look does not tell when a version was made. Does not notice
by itself a secret that was made anew within half a minute of the read: clocks of clouds and
clusters differ, and a version that was read at once after it was made must not look like another
one. Where a note says that something has changed, such a version is read once more.
"""

from datetime import datetime

from externalsecret.ledger import Synced
from externalsecret.reference import Reference, Select
from reconciler.backends.contract import Versions

SLACK_SECONDS = 30.0


def may_be_remade(synced: Synced | None, seen: Versions) -> bool:
    """Whether the version seen was made so close to the read of that number that nobody can tell
    whether it is the one that was read. Where somebody says that the secret has changed, it may
    have been deleted and made anew in between.
    """
    return synced is not None and _is_after(seen.made, synced, slack=-SLACK_SECONDS)


def lacks(reference: Reference, synced: Synced, seen: Versions) -> str | None:
    """The version that a look saw, if it is not the one that was synced ("" for none at all).

    One that only bears the number of the synced one is `number@seconds`, with the time of making.
    """
    if seen.current != synced.version:
        return None if _is_late(reference, synced, seen) else seen.current or ""
    return _told(seen) if is_remade(synced, seen) else None


def is_remade(synced: Synced | None, seen: Versions) -> bool:
    """Whether the version seen was made after that of the same number was synced."""
    return synced is not None and _is_after(seen.made, synced)


def is_held(synced: Synced, current: str) -> bool:
    """Whether what was synced is current, as `lacks` told it of somebody."""
    number, remade, made = current.partition("@")
    if remade and number == synced.version and made.isdecimal():
        return not _is_after(float(made), synced)
    return synced.version == current


def expected(synced: Synced, current: str) -> str | None:
    """The version that a read for the sake of `current` shall bring, None where its number tells
    nothing.
    """
    number, remade, _ = current.partition("@")
    return None if remade and number == synced.version else current or None


def is_told_by(version: str, current: str | None) -> bool:
    """Whether what was confirmed as current says this version, and when it was made."""
    return current is not None and current.startswith(f"{version}@")


def _told(seen: Versions) -> str:
    return f"{seen.current}@{int(seen.made or 0)}"


def _is_late(reference: Reference, synced: Synced, seen: Versions) -> bool:
    """Whether the answer is from before the last read: the newest of a secret only counts up."""
    if reference.selector.select is not Select.LATEST or seen.made is None:
        return False
    ours, theirs = synced.version or "", seen.current or ""
    if not (ours.isdecimal() and theirs.isdecimal()) or int(theirs) > int(ours):
        return False
    return not _is_after(seen.made, synced)


def _is_after(made: float | None, synced: Synced, slack: float = SLACK_SECONDS) -> bool:
    try:
        read = datetime.fromisoformat(synced.at or "").timestamp()
    except ValueError:
        return False
    return made is not None and made > read + slack
