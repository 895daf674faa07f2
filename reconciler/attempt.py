"""Attempt: one pass over one ExternalSecret, and what it has found out so far.

Made, advanced and ended by reconciler.reconcile; it holds the object as it was when the attempt
began, the jobs that are open and the verdicts of those that are not. It asks nobody itself.

Guarantees: decisions are those of reconciler.jobs and decide; a note that was heard later than the
attempt began is never marked as covered. Values live only as long as the attempt.
"""

import threading
from collections.abc import Collection, Mapping
from dataclasses import replace
from typing import Any

from externalsecret.errors import HarkError, Retry
from externalsecret.ledger import Synced, Templated
from externalsecret.manifest import Manifest
from externalsecret.redacted import Redacted
from externalsecret.resource import ExternalSecret
from reconciler import decide, jobs
from reconciler.apply import SecretWriter
from reconciler.decide import Covered, Failed, Later, Settled, Verdict
from reconciler.frame import Change
from reconciler.jobs import Job, Known, Why
from reconciler.live import LiveSecret
from reconciler.load import Answers
from reconciler.optional import is_held, spared, told
from reconciler.patience import Patience
from reconciler.reads import Ask, Verb
from reconciler.remarked import remarks_of
from reconciler.render import Rendered, render
from reconciler.report import Outcome, fits
from reconciler.rereads import Rereads
from reconciler.standing import is_damaged, leftovers, lost_entries
from reconciler.verdicts import leaves_of, summed_up
from reconciler.whole import Whole

_UNRECORDED = ""
"""In place of the ledger key where nobody knows which read fed an entry."""


class Attempt:
    """The state of one pass."""

    def __init__(
        self, es: ExternalSecret, manifest: Manifest, live: LiveSecret | None, now: str
    ) -> None:
        self.es = es
        self.manifest = manifest
        self.patience = Patience(es.key)
        self.for_template = 0
        """Values that only the template needs, and that had to be read."""
        self.news: dict[str, str] = {}
        """What else the user should know of a pass that went well: reason and sentence."""
        self.warnings: dict[str, str] = {}
        """What he should know in any case."""
        self._live = live
        self._whole = Whole(es, manifest, live)
        if _was_overwritten(es, live):
            self.warnings["StatusOverwritten"] = (
                "Another controller wrote over the status of this ExternalSecret, and with it over "
                "what Hark knows of its Secret. Let only one of the two serve it: stop the other, "
                "or give each its own INSTANCE_ID and the object a spec.controllerId."
            )
        self._now = now
        self._jobs: dict[str, Job] = {}
        self._repair: frozenset[str] = frozenset()
        self.verdicts: dict[str, tuple[Job, Verdict]] = {}
        self._answers: dict[tuple[str, str], Answers] = {}
        self._found: list[Answers] = []
        self._expected = 0
        self._lock = threading.Lock()

    # Finding out.

    def find_jobs(self, known: Known) -> None:
        """What needs work: of its own, by a new spec, or because the Secret is not whole."""
        repair = self._all() if is_damaged(self._live, self.es.ledger) else frozenset()
        if not self.es.is_settled():
            repair |= jobs.shared_suppliers(self.es.ledger, self.manifest)
        found = jobs.find_jobs(self.es.ledger, self.manifest, repair, known)
        self._jobs = {job.reference.entry: job for job in found}
        self._repair = repair | self._jobs.keys() if self._is_unrecorded() else repair

    def asks(self) -> list[Ask]:
        """The next question of every open job."""
        return [job.ask() for job in self._jobs.values()]

    def expect(self, parties: int) -> None:
        """So many sets of answers will come."""
        self._expected = parties

    def take(self, answers: Answers) -> bool:
        """Keep answers; whether they were the last that were expected. Any thread."""
        with self._lock:
            self._found.append(answers)
            self._expected -= 1
            return self._expected == 0

    def advance(self, rereads: Rereads) -> None:
        """Let every open job take its answer."""
        found = {slot: answer for answers in self._found for slot, answer in answers.items()}
        self._found = []
        still_open = {}
        for entry, job in self._jobs.items():
            answer = found[(job.verb, entry)]
            after = decide.advance(job, answer)
            if entry in self._repair:
                after = decide.with_value(job, after)
            after = spared(job, after, self.manifest, answer.began)
            if isinstance(after, Job):
                still_open[entry] = after
            else:
                self.verdicts[entry] = (job, self.patience.judge(job, after, rereads))
        self._jobs = still_open

    # Ending.

    def is_about(self, latest: ExternalSecret) -> bool:
        """Whether what was read still serves the object as it is now."""
        return (latest.uid, latest.generation) == (self.es.uid, self.es.generation)

    def render(self) -> Rendered:
        """What the Secret must get and lose, as far as was read."""
        values = {
            entry: verdict.value.value
            for entry, (_, verdict) in self.verdicts.items()
            if isinstance(verdict, Settled)
        }
        fed = {
            entry: leaves.synced.feeds
            for entry, leaves in self.es.ledger.entries.items()
            if leaves.synced is not None
        }
        fed = (
            {}
            if self._live is None
            else {
                **fed,
                _UNRECORDED: leftovers(self._live, self.manifest, fed, values, self._whole.claimed),
            }
        )
        failed = {entry for entry, (_, verdict) in self.verdicts.items() if _is_failed(verdict)}
        return render(self.manifest.items, values, fed, failed)

    def needs(self, rendered: Rendered, known: Known) -> bool:
        """Whether more must be read first; those jobs are open then."""
        wanted = rendered.needs - self.verdicts.keys()
        covered = {
            entry for entry, (_, verdict) in self.verdicts.items() if isinstance(verdict, Covered)
        }
        wanted |= rendered.needs & covered
        extra = self._wanted_by_template(rendered, covered) - wanted
        self.for_template += sum(not known.has_value(entry) for entry in extra)
        wanted |= extra
        found = jobs.find_jobs(self.es.ledger, self.manifest, frozenset(wanted), known)
        self._jobs = {
            job.reference.entry: _for_its_value(job, is_covered=job.reference.entry in covered)
            for job in found
            if job.reference.entry in wanted
        }
        return bool(self._jobs)

    def _wanted_by_template(self, rendered: Rendered, covered: set[str]) -> frozenset[str]:
        unread = self._all() - self.verdicts.keys() | covered
        return self._whole.wanted(rendered, unread, troubled=self._is_troubled(rendered))

    def to_evaluate(self, rendered: Rendered) -> Mapping[str, Redacted] | None:
        """All entries, where the template must and can be evaluated with them; else None."""
        if not self._whole.is_evaluated or self._is_troubled(rendered):
            return None
        return rendered.entries if self._whole.is_due(rendered) else None

    def outcome(
        self,
        rendered: Rendered,
        writer: SecretWriter,
        made: Mapping[str, Any] | None = None,
    ) -> Outcome:
        """Write the Secret if there is something to write; `made` is the evaluated template, if it
        was to be. Raises HarkError when that fails.
        """
        errors = {**self._errors(), **rendered.errors}
        first = self._live is None or self._is_adopting()
        if first and errors:
            return self._ended(errors, {}, None)
        if first and self._has_open():
            waits = "An announced version cannot be read yet; it is tried again shortly."
            return self.refused(Retry(waits, reason="AwaitingVersion"))
        leaves = leaves_of(self.manifest, self.verdicts, rendered, self._now)
        may_drop = not errors and not self._has_open()
        too_large = fits(self.es, leaves, self.manifest.references.keys() if may_drop else None)
        if too_large is not None:
            return self.refused(too_large)
        troubled = self._is_troubled(rendered)
        change, templated = self._whole.change(rendered, made, troubled=troubled)
        frame = self._whole.frame(made)
        is_written = bool(change.entries or change.removed) or first
        if not is_written and self._live is not None:
            is_written = writer.needs_writing(self.es, frame, self._live)
        is_written = is_written or not self.es.is_settled()
        live = self._live
        if is_written:
            live = writer.write(self.es, frame, change)
            equal = change.entries.keys() - live.owned
            self._note_adoption(change, equal)
            if equal:
                live = writer.claim(self.es, live, equal)
            if lost_entries(self._live, live, change.removed):
                self.patience.wait = 0.0
                live = None
            elif any(_is_failed(self.verdicts[entry][1]) for entry in self._repair):
                # It is not whole yet; recorded as it is now, that would be forgotten.
                live = None
        return self._ended(errors, leaves, live, templated, is_written=is_written)

    def _is_adopting(self) -> bool:
        """Whether the Secret is somebody else's until now."""
        live = self._live
        return live is not None and not live.has_label() and not live.owned

    def _note_adoption(self, change: Change, equal: Collection[str]) -> None:
        if self._is_adopting():
            written = len(change.entries) - len(equal)
            self.news["Adopted"] = (
                "Took over the Secret that was there: "
                f"{len(equal)} of its entries were equal and stay as they are, {written} were "
                "written. What else it holds stays."
            )

    def refused(self, error: HarkError) -> Outcome:
        """The Secret could not be written: nothing is marked as synced."""
        return Outcome(error, entries=list(self.manifest.references), keep_orphans=True)

    def _all(self) -> frozenset[str]:
        return frozenset(self.manifest.references)

    def _is_unrecorded(self) -> bool:
        """Whether the Secret was written since the ledger was: perhaps by a pass of ours that ended
        in between, so that of a key with work to do the ledger does not tell what the Secret holds.
        """
        return self._live is not None and self._live.version != self.es.ledger.secret_version

    def _is_troubled(self, rendered: Rendered) -> bool:
        """Whether some value is missing or bad."""
        return bool(rendered.errors or is_held(self.manifest, rendered)) or any(
            _is_failed(verdict) for _, verdict in self.verdicts.values()
        )

    def _has_open(self) -> bool:
        """Whether a key has neither a value nor an error (its version is not to be seen yet)."""
        return any(isinstance(verdict, Later) for _, verdict in self.verdicts.values())

    def _errors(self) -> dict[str, HarkError]:
        return {
            entry: verdict.error
            for entry, (_, verdict) in self.verdicts.items()
            if isinstance(verdict, Failed)
        }

    def _ended(
        self,
        errors: Mapping[str, HarkError],
        leaves: dict[str, Synced],
        live: LiveSecret | None,
        templated: Templated | None = None,
        *,
        is_written: bool = False,
    ) -> Outcome:
        error = summed_up(errors)
        entries = list(self.manifest.references)
        # What they fed was not taken away while a value is awaited.
        keeps = error is not None or self._has_open()
        remark, sentences = remarks_of(self.es.ledger, leaves, entries)
        missing = told(self.manifest, self.es.ledger, leaves)
        news = (*self.news.values(), *missing, *sentences)
        refreshed = "" if keeps or self._has_open() else self.es.refresh()
        return Outcome(
            error, leaves, entries, keeps, live, is_written, templated, news, refreshed, remark
        )


def _was_overwritten(es: ExternalSecret, live: LiveSecret | None) -> bool:
    """Whether the ledger of this very object has gone: the Secret shows that there was one."""
    is_kes_like = bool(es.status.get("status")) and "uid" not in es.status
    return is_kes_like and live is not None and bool(live.owned) and live.is_owned_by(es)


def _for_its_value(job: Job, *, is_covered: bool) -> Job:
    """A read of what only a neighbour or the template needs. Where a look has just shown that what
    was synced is current, that version will do, whoever has it.
    """
    version = job.synced_version() if is_covered else job.version
    return replace(job, why=Why.REPAIR, verb=Verb.READ, version=version)


def _is_failed(verdict: Verdict) -> bool:
    return isinstance(verdict, Failed | Later)
