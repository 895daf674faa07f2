"""What the verdicts on an object's keys come to: leaves of the ledger, and one error for the
status.

Fed by reconciler.attempt; feeds reconciler.report. Plain functions of plain data.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace

from externalsecret.errors import GiveUp, HarkError, Retry
from externalsecret.ledger import Synced
from externalsecret.manifest import Manifest
from reconciler.backends import reasons
from reconciler.decide import Covered, Failed, Settled, Verdict
from reconciler.jobs import Job, Why
from reconciler.remarked import is_news, word_of
from reconciler.render import Rendered


def leaves_of(
    manifest: Manifest,
    verdicts: Mapping[str, tuple[Job, Verdict]],
    rendered: Rendered,
    now: str,
) -> dict[str, Synced]:
    """What the ledger shall say of each key that was dealt with. `now` is RFC 3339."""
    leaves = {}
    for entry, (job, verdict) in verdicts.items():
        if isinstance(verdict, Settled) and entry not in rendered.errors:
            leaves[entry] = _leaf(
                job, verdict, rendered.feeds.get(entry, ()), manifest.fingerprint(entry), now
            )
        elif isinstance(verdict, Covered) and job.entry.synced:
            synced, heard = job.entry.synced, job.entry.heard
            if heard is not None or is_news(synced, verdict.remark):
                note = synced.note if heard is None else heard.id
                leaves[entry] = replace(synced, note=note, remark=word_of(verdict.remark))
        elif _has_vanished(verdict) and job.entry.synced:
            # Made again, a parameter counts its versions from 1 again.
            leaves[entry] = replace(job.entry.synced, version=None)
    return leaves


def _leaf(job: Job, verdict: Settled, feeds: tuple[str, ...], fingerprint: str, now: str) -> Synced:
    heard, former, value = job.entry.heard, job.entry.synced, verdict.value
    note = None if former is None else former.note
    if verdict.covers:
        note = None if heard is None else heard.id
    via: str = job.why
    if job.why is Why.HEARD and heard is not None:
        via = heard.via or via
    resource = value.resource or None
    if job.why is Why.REPAIR and former is not None and former.version == value.version:
        return replace(former, note=note, feeds=feeds, resource=resource)
    remark = word_of(value.remark)
    return Synced(note, value.version, now, via, resource, feeds, fingerprint, remark)


def summed_up(errors: Mapping[str, HarkError]) -> HarkError | None:
    """One error for the status: what lasts before what passes, all keys named."""
    if not errors:
        return None
    lasting = [error for error in errors.values() if isinstance(error, GiveUp)]
    first: HarkError = lasting[0] if lasting else next(iter(errors.values()))
    more = len({error.message for error in errors.values()}) - 1
    also = f" (and {more} more problem{'s' * (more > 1)})" if more else ""
    said = first.message + also
    make: Callable[..., HarkError] = GiveUp if lasting else Retry
    return make(said, reason=first.reason)


def _has_vanished(verdict: Verdict) -> bool:
    return isinstance(verdict, Failed) and verdict.error.reason == reasons.NOT_FOUND
