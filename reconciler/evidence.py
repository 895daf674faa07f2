"""Evidence: what the verdicts of one pass are worth to others than the object itself.

Fed by reconciler.attempt; feeds the cache (and through it the other readers of a key), the Events
and the metrics of reconciler.conclude. Plain functions of plain data.
"""

from collections.abc import Iterator, Mapping

from externalsecret.ledger import Heard
from reconciler.backends.contract import Remark
from reconciler.decide import Covered, Settled, Verdict
from reconciler.jobs import Job, Why
from reconciler.remarked import is_news

Verdicts = Mapping[str, tuple[Job, Verdict]]
"""By entry of the ledger: the job, and what came of it."""


def confirmed(verdicts: Verdicts) -> Iterator[tuple[str, str, float]]:
    """(entry, version, when asked) of what was seen to be current, beyond the doubt of a stale
    read.
    """
    for entry, (job, verdict) in verdicts.items():
        if isinstance(verdict, Settled) and verdict.covers:
            was_seen = job.why is not Why.REPAIR and job.version == verdict.value.version
            was_asked = job.why in {Why.SWEEP, Why.REFRESH}
            if was_seen or was_asked or job.heard_version() is not None:
                yield entry, verdict.value.version, verdict.began
        elif isinstance(verdict, Covered) and job.synced_version() is not None:
            yield entry, str(job.synced_version()), verdict.began


def remarks(verdicts: Verdicts) -> Iterator[Remark]:
    """What the user should know of the values that were read, or that are news of others."""
    for job, verdict in verdicts.values():
        if isinstance(verdict, Settled) and verdict.value.remark is not None:
            yield verdict.value.remark
        elif isinstance(verdict, Covered) and is_news(job.entry.synced, verdict.remark):
            yield from () if verdict.remark is None else (verdict.remark,)


def remarked(verdicts: Verdicts) -> Iterator[tuple[str, Remark | None, float]]:
    """(entry, remark, when asked) of what was looked at or read."""
    for entry, (_, verdict) in verdicts.items():
        if isinstance(verdict, Settled):
            yield entry, verdict.value.remark, verdict.began
        elif isinstance(verdict, Covered):
            yield entry, verdict.remark, verdict.began


def served(verdicts: Verdicts) -> list[tuple[str, Heard]]:
    """The notes, by entry, whose changes a pass brought into the Secret."""
    return [
        (entry, job.entry.heard)
        for entry, (job, verdict) in verdicts.items()
        if job.why is Why.HEARD
        and job.entry.heard
        and isinstance(verdict, Settled)
        and verdict.covers
    ]
