"""Patience: when to come back for what a backend does not show yet, and when to let it go.

Used by reconciler.attempt, for one pass over one object; how often something was tried is known to
reconciler.rereads, which outlasts the pass. No announced version is waited for without end.
"""

from dataclasses import replace

from externalsecret.reference import Reference
from externalsecret.reflect import Key
from reconciler.decide import Absent, Covered, Later, Settled, Verdict
from reconciler.jobs import Job
from reconciler.rereads import Rereads

_DOUBTS = 2
"""So often a look that shows no change is repeated where the note names no version."""
_UNSETTLED_SECONDS = 5.0
"""When to come back where reads and looks contradict each other without a note."""


class Patience:
    """Of one pass."""

    def __init__(self, key: Key) -> None:
        self._key = key
        self.wait: float | None = None
        """Seconds after which an announced version is looked for again."""
        self.not_found: list[tuple[Reference, str | None]] = []
        """What was let go: of what, and which announced version."""

    def judge(self, job: Job, verdict: Verdict, rereads: Rereads) -> Verdict:
        """Come back for an announced version, or let it go when it was tried often enough."""
        waits = isinstance(verdict, Later) or (isinstance(verdict, Settled) and not verdict.covers)
        if not waits:
            return verdict
        heard = job.entry.heard
        if heard is None or not job.is_open():
            self._come_back(_UNSETTLED_SECONDS)
            return verdict
        is_doubt = isinstance(verdict, Later) and verdict.is_doubt
        if isinstance(verdict, Settled) and isinstance(verdict.value, Absent):
            # That of a deletion names no version either.
            is_doubt = heard.version is None
        most = _DOUBTS if is_doubt else None
        delay = rereads.next_delay(self._key, job.reference.entry, heard.id, most)
        if delay is not None:
            self._come_back(delay)
            return verdict
        if not is_doubt:
            self.not_found.append((job.reference, heard.version))
        if isinstance(verdict, Settled):
            return replace(verdict, covers=True)
        return Covered(remark=verdict.remark if isinstance(verdict, Later) else None)

    def _come_back(self, delay: float) -> None:
        self.wait = delay if self.wait is None else min(self.wait, delay)
