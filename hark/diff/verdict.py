"""Verdict: what `hark diff` says of one ExternalSecret. Plain functions of plain data.

Fed by hark.diff.look with how the pass ended and what it would have written; feeds the table.

Guarantees: no value, only names of entries.
"""

from collections.abc import Collection
from dataclasses import dataclass
from enum import StrEnum

from externalsecret.errors import GiveUp, HarkError
from externalsecret.reflect import Key
from hark.diff.writes import Writes
from reconciler.report import Outcome

_MOST_NAMES = 8
_MANAGED = "metadata.labels"


class Would(StrEnum):
    """What would become of the Secret."""

    NOTHING = "in step"
    ADOPT = "adopt"
    """It holds the same; our label is written and perhaps the owner, no entry is."""
    CREATE = "create"
    CHANGE = "change"
    RECREATE = "recreate"
    REST = "suspended"
    REFUSE = "refuse"
    """It would be left as it is, and the status would say why."""
    WAIT = "wait"
    """It cannot be told now: the backend fails in a way that may pass."""


HARMLESS = frozenset({Would.NOTHING, Would.ADOPT, Would.REST})
"""What changes no entry of any Secret."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """One row of the report."""

    key: Key
    would: Would
    detail: str
    added: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    reason: str = ""
    """The Ready condition's reason, where there is an error."""


def judge(key: Key, writes: Writes, outcome: Outcome) -> Verdict:
    """What the end of a pass and its writes come to."""
    error = outcome.error
    would = Would.REST if outcome.is_suspended else _would(writes, error)
    return Verdict(
        key,
        would,
        _detail(would, writes, error),
        tuple(sorted(writes.added)),
        tuple(sorted(writes.changed)),
        tuple(sorted(writes.removed)),
        "" if error is None else error.reason,
    )


def _would(writes: Writes, error: HarkError | None) -> Would:
    if error is not None and not writes.changes_entries():
        return Would.REFUSE if isinstance(error, GiveUp) else Would.WAIT
    if writes.is_remade:
        return Would.RECREATE
    if writes.is_made:
        return Would.CREATE
    if writes.changes_entries():
        return Would.CHANGE
    return Would.ADOPT if _MANAGED in writes.metadata else Would.NOTHING


def _detail(would: Would, writes: Writes, error: HarkError | None) -> str:
    parts = []
    if would is Would.ADOPT:
        parts.append(f"equal; no entry is written, only {', '.join(sorted(writes.metadata))}")
    elif writes.metadata and would is Would.NOTHING:
        parts.append(f"equal; written: {', '.join(sorted(writes.metadata))}")
    elif would is Would.RECREATE:
        parts.append("deleted and made anew, as Kubernetes lets nobody change it")
    for verb, names in (
        ("add", writes.added),
        ("change", writes.changed),
        ("remove", writes.removed),
    ):
        if names:
            parts.append(f"{verb} {_listed(names)}")
    if error is not None:
        parts.append(f"{error.reason}: {error.message}")
    return "; ".join(parts)


def _listed(names: Collection[str]) -> str:
    shown = sorted(names)[:_MOST_NAMES]
    more = len(names) - len(shown)
    return ", ".join(shown) + (f" and {more} more" if more else "")
