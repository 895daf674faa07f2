"""What a manifest's optional items make of a value that the backend does not have.

Fed by reconciler.attempt with what came of a read; feeds the merge and the ledger. Plain functions
of plain data.

Guarantees: only what is not there is spared: a denial, a throttled call or text that is no JSON
stays an error. What is missing counts as synced with the empty version, which differs from every
version that a backend has: an event or a sweep that finds one brings it, and until then nothing is
asked. An event that announces it is not taken for served by a look that came too early: it is
looked for again as any announced version is. A read that a required item needs too is not spared.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from externalsecret.ledger import Ledger, Synced
from externalsecret.manifest import Item, Manifest
from reconciler.backends import reasons
from reconciler.decide import Absent, Failed, Settled, Verdict
from reconciler.jobs import Job
from reconciler.render import Rendered

_NOT_THERE = frozenset((reasons.NOT_FOUND, reasons.MARKED_FOR_DELETION))
_MOST_NAMED = 5


@dataclass(frozen=True, slots=True)
class _Leaves:
    ledger: Ledger
    written: Mapping[str, Synced]

    def of(self, entry: str) -> Synced | None:
        return self.written.get(entry) or self.ledger.entry(entry).synced


def spared(job: Job, verdict: Job | Verdict, manifest: Manifest, began: float) -> Job | Verdict:
    """The verdict, or in place of a failure that is none: that there is no value."""
    is_missing = isinstance(verdict, Failed) and verdict.error.reason in _NOT_THERE
    if not is_missing or not manifest.is_optional(job.reference.entry):
        return verdict
    heard, synced = job.entry.heard, job.entry.synced
    is_served = heard is None or (synced is not None and heard.id == synced.note)
    resource = "" if synced is None else synced.resource or ""
    return Settled(Absent(resource), is_served or not job.is_open(), began)


def is_held(manifest: Manifest, rendered: Rendered) -> bool:
    """Whether the Secret keeps an entry that the backend no longer has: a template, which would not
    see it, must not be evaluated then.
    """
    return any(
        item.is_optional
        and item.name in rendered.feeds.get(item.entry, ())
        and item.name not in rendered.entries
        for item in manifest.items
    )


def told(manifest: Manifest, ledger: Ledger, written: Mapping[str, Synced]) -> tuple[str, ...]:
    """A sentence that names what is missing, if anything is. `written` are the leaves of this pass
    and `ledger` has the others.
    """
    leaves = _Leaves(ledger, written)
    missing = [item for item in manifest.items if item.is_optional and _is_missing(item, leaves)]
    if not missing:
        return ()
    named = [_named(item) for item in missing[:_MOST_NAMED]]
    more = ", ..." if len(missing) > _MOST_NAMED else ""
    return (f"Not in the backend, and optional: {', '.join(named)}{more}.",)


def _is_missing(item: Item, leaves: _Leaves) -> bool:
    leaf = leaves.of(item.entry)
    if leaf is None:
        return False
    return leaf.version == "" or (item.name is not None and item.name not in leaf.feeds)


def _named(item: Item) -> str:
    place = item.key if item.property is None else f"property {item.property} of {item.key}"
    return f"{item.where} ({place})"
