"""The reconciler's story: what is needed, read it, render it, write the Secret, write the ledger.

Fed by the work queue with keys; feeds the backends with asks, the API server with Secrets and
ledgers. It ignores why a key was queued: the ledger, the manifest and the live Secret tell what is
to be done.

Guarantees: a note is covered only by a read that began after it was seen or that carries its
version. The Secret is written before the ledger says so, so a crash costs one read more and never a
change. A first sync writes nothing until every key was read; later a changed key is written
although another one fails. A result is dropped when the object was changed or replaced meanwhile.
Nothing is asked for, and nothing of it written, that the object's namespace does not allow. Nothing
is written unless `may_write` says so.
"""

import time
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

import structlog

from externalsecret.errors import GiveUp, HarkError, whereabouts
from externalsecret.kubeapi import MERGE_PATCH, KubeApi
from externalsecret.kubeevents import EventType, ObjectRef, Recorder
from externalsecret.reflect import Key
from externalsecret.resource import API_VERSION, KIND, SUSPENDED, ExternalSecret, status_path
from reconciler import remade
from reconciler.apply import SecretWriter
from reconciler.attempt import Attempt
from reconciler.backoff import Backoff
from reconciler.cache import Cache
from reconciler.evaluate import Evaluator, Made
from reconciler.fetch import Fetcher
from reconciler.guard import Guard
from reconciler.jobs import Known, seconds_of
from reconciler.live import LiveSecrets
from reconciler.load import Answers
from reconciler.metrics import ReconcilerMetrics
from reconciler.objects import Objects
from reconciler.overtaken import is_overtaken
from reconciler.pace import read_pace
from reconciler.reads import Ask, Lane, lane_of
from reconciler.remarked import word_of
from reconciler.render import Rendered
from reconciler.report import SUSPENDED_MESSAGE, Outcome, outcome_changed, status_patch
from reconciler.rereads import Rereads
from reconciler.templateform import check_template
from reconciler.workqueue import Continuation, WorkQueue

log = structlog.get_logger()

FRESH_SECONDS = 10.0
"""An answer as young as this serves an object that heard of nothing newer."""
_GOOD_NEWS = {"Synced", SUSPENDED, "Adopted"}
_QUIET_FAILURES = 3
"""So many passing failures in a row are not worth a condition."""


Ended = Callable[[ExternalSecret, Outcome], None]


def nobody_asks(_es: ExternalSecret, _outcome: Outcome) -> None:
    """Where nobody wants to know how a pass ended."""


@dataclass(frozen=True, slots=True)
class Parts:
    """The collaborators of the story."""

    api: KubeApi
    queue: WorkQueue
    objects: Objects
    live: LiveSecrets
    fetcher: Fetcher
    cache: Cache
    writer: SecretWriter
    evaluator: Evaluator
    rereads: Rereads
    backoff: Backoff
    recorder: Recorder
    metrics: ReconcilerMetrics
    guard: Guard
    may_write: Callable[[], bool]
    clock: Callable[[], float] = time.monotonic
    now: Callable[[], float] = time.time
    ended: Ended = nobody_asks
    """Told how each pass came out that was not dropped."""
    service_account_tokens: bool = False
    """Whether a Secret may be of the type that Kubernetes fills with credentials."""


class Reconciler:
    """Works off the queue; several threads may run `work`."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    def work(self) -> None:
        """One worker, until the queue is closed."""
        while True:
            task = self._parts.queue.take()
            if task is None:
                return
            self.do(task)

    def do(self, task: Key | Continuation) -> None:
        """One thing that the queue gave."""
        if isinstance(task, tuple):
            self._guarded(task, lambda: self.begin(task))
        else:
            task()

    def begin(self, key: Key) -> None:
        """Look at an object and ask the backends for what it needs."""
        es = self._parts.objects.get(key)
        if es is None or es.is_going or not self._parts.may_write():
            self._parts.backoff.forget(key)
            self._parts.queue.done(key)
            return
        try:
            pace = read_pace(es.spec)
            if pace.is_suspended:
                self._rest(es)
                return
            manifest = self._parts.objects.manifest(es)
            allowed = self._parts.service_account_tokens
            check_template(manifest, key[0], service_account_tokens=allowed)
            self._parts.writer.refuse_stranger(es)
        except HarkError as error:
            self._end(es, Outcome(error))
            return
        one = Attempt(es, manifest, self._parts.live.get(key), self._now())
        one.find_jobs(self._known(one))
        self._ask(one)

    def _rest(self, es: ExternalSecret) -> None:
        """Say that nothing is done for this object, and do nothing."""
        outcome = Outcome(is_suspended=True)
        if self._write_status(es, outcome):
            self._parts.backoff.forget(es.key)
        self._parts.metrics.reconciles.labels("suspended").inc()
        self._parts.ended(es, outcome)
        self._parts.queue.done(es.key)

    def _ask(self, one: Attempt) -> None:
        """Ask for the next step of every open job, or finish when there is none.

        Each time, since a permission may have gone while the last answers were on their way.
        """
        try:
            self._parts.guard.check(one.es)
        except HarkError as error:
            self._end(one.es, Outcome(error))
            return
        lanes: defaultdict[Lane, list[Ask]] = defaultdict(list)
        for ask in one.asks():
            lanes[lane_of(one.manifest, ask.reference)].append(ask)
        if not lanes:
            self._finish(one)
            return
        one.expect(len(lanes))
        for lane, asks in lanes.items():
            self._parts.fetcher.submit(lane, asks, lambda found: self._answered(one, found))

    def _answered(self, one: Attempt, answers: Answers) -> None:
        """Called from a lane's thread: hand the rest to a worker."""
        if one.take(answers):
            key = one.es.key
            resume = self._parts.queue.resume
            resume(lambda: self._guarded(key, lambda: self._go_on(one)))

    def _go_on(self, one: Attempt) -> None:
        one.advance(self._parts.rereads)
        self._ask(one)

    def _finish(self, one: Attempt) -> None:
        """Render what was read; have the template evaluated where it must be."""
        if self._was_overtaken(one):
            return
        rendered = one.render()
        if one.needs(rendered, self._known(one)):
            self._ask(one)
            return
        data = one.to_evaluate(rendered)
        if data is None:
            self._write(one, rendered, None)
            return
        key, resume = one.es.key, self._parts.queue.resume
        self._parts.evaluator.submit(
            key,
            one.manifest.template,
            data,
            lambda made: resume(
                lambda: self._guarded(key, lambda: self._write(one, rendered, made))
            ),
        )

    def _write(self, one: Attempt, rendered: Rendered, made: Made | None) -> None:
        """Write the Secret, with the template if it was evaluated."""
        if self._was_overtaken(one):
            return
        try:
            if isinstance(made, HarkError):
                raise made
            outcome = one.outcome(rendered, self._parts.writer, made)
        except HarkError as error:
            outcome = one.refused(error)
        self._confirm(one)
        self._end(one.es, outcome, one)

    def _was_overtaken(self, one: Attempt) -> bool:
        """Whether the object, or what it may have, has changed or gone meanwhile; then the pass is
        over.
        """
        latest = self._parts.objects.get(one.es.key)
        is_as_before = latest is not None and one.is_about(latest)
        if is_as_before and self._parts.may_write() and self._parts.guard.permits(one.es):
            return False
        self._parts.queue.done(one.es.key)
        if latest is not None:
            self._parts.queue.add(one.es.key, urgent=True)
        return True

    def _confirm(self, one: Attempt) -> None:
        """Tell the other readers of a key which version is current, if that is news to them."""
        for entry, remark, began in one.remarked():
            read = (lane_of(one.manifest, one.manifest.references[entry]), entry)
            if self._parts.cache.remarked(read) is not None:
                self._parts.cache.remark(read, word_of(remark) or "", began)
        for entry, version, began in one.confirmed():
            read = (lane_of(one.manifest, one.manifest.references[entry]), entry)
            if remade.is_told_by(version, self._parts.cache.current(read)):
                # Others may have read the one before it, which bore the same number.
                continue
            if self._parts.cache.confirm(read, version, began):
                for key in self._parts.objects.readers(read):
                    if key != one.es.key:
                        self._parts.queue.add(key, urgent=True)

    def _end(self, es: ExternalSecret, outcome: Outcome, one: Attempt | None = None) -> None:
        """Write the ledger, say what changed, and decide when to come back."""
        error = outcome.error
        if error is not None:
            delay = self._parts.backoff.delay(es.key, error)
            self._parts.queue.add_after(es.key, delay)
        if one is not None and one.wait is not None:
            self._parts.queue.add_after(es.key, one.wait)
        is_quiet = self._is_quiet(es, outcome)
        is_told = is_quiet or self._write_status(es, outcome)
        if is_told and not is_quiet:
            self._parts.metrics.sync_calls.count(es, is_success=error is None)
        if error is None and is_told:
            # Not before: a status that is refused again and again waits longer each time.
            self._parts.backoff.forget(es.key)
        self._parts.metrics.reconciles.labels("ok" if error is None else error.reason).inc()
        self._observe(one)
        if one is not None:
            said = one.warnings if error is not None else {**one.warnings, **one.news}
            for reason, sentence in said.items():
                self._say(es, reason, sentence)
        if one is not None and is_told and not es.is_observed():
            self._warn_of_pace(one)
        if one is not None:
            self._say_not_found(one)
        for remark in () if one is None else one.remarks():
            self._say(es, remark.reason, remark.message)
        self._parts.ended(es, outcome)
        self._parts.queue.done(es.key)

    def _say_not_found(self, one: Attempt) -> None:
        for reference, version in one.not_found:
            lane = lane_of(one.manifest, reference)
            if not is_overtaken(self._parts.fetcher, lane, reference, version):
                key = reference.key
                message = f"The announced version of {key} was not to be seen; it is let go."
                self._say(one.es, "AnnouncedVersionNotFound", message)

    def _is_quiet(self, es: ExternalSecret, outcome: Outcome) -> bool:
        """A failure that will pass is not shown at once, unless there is something to record."""
        return (
            outcome.error is not None
            and not isinstance(outcome.error, GiveUp)
            and not outcome.synced
            and self._parts.backoff.failures(es.key) < _QUIET_FAILURES
        )

    def _write_status(self, es: ExternalSecret, outcome: Outcome) -> bool:
        """Whether the status says what is to be said."""
        body = status_patch(es, outcome, self._now())
        if body is None:
            return True
        try:
            reply = self._parts.api.request(
                "PATCH",
                status_path(es.key),
                query={"fieldManager": "hark-reconciler"},
                body=body,
                content_type=MERGE_PATCH,
            )
        except HarkError as error:
            log.warning("status.failed", object="/".join(es.key), error=str(error))
            self._parts.queue.add_after(es.key, self._parts.backoff.delay(es.key, error))
            return False
        self._parts.metrics.status_writes.inc()
        self._parts.objects.replace(reply)
        latest = self._parts.objects.get(es.key)
        if latest is not None and not es.is_same_task(latest):
            # The watch will not tell of it: its news are older than the reply.
            self._parts.queue.add(es.key, urgent=True)
        if outcome_changed(es, outcome):
            if outcome.is_suspended:
                self._say(es, SUSPENDED, SUSPENDED_MESSAGE)
            elif outcome.error is None and not outcome.remark:
                self._say(es, "Synced", "The Secret is in step with the manifest and the backend.")
            elif outcome.error is not None:
                self._say(es, outcome.error.reason, outcome.error.message)
        return True

    def _say(self, es: ExternalSecret, reason: str, message: str) -> None:
        about = ObjectRef(*es.key, es.uid, API_VERSION, KIND)
        kind: EventType = "Normal" if reason in _GOOD_NEWS else "Warning"
        log.info("outcome", object="/".join(es.key), reason=reason, message=message)
        self._parts.recorder.record(about, kind, reason, message)

    def _warn_of_pace(self, one: Attempt) -> None:
        """Once for each new spec."""
        warning = read_pace(one.es.spec).warning(len(one.manifest.references))
        if warning:
            self._say(one.es, "SweepIsDear", warning)

    def _observe(self, one: Attempt | None) -> None:
        if one is None:
            return
        self._parts.metrics.reads_for_templates.inc(one.for_template)
        for entry, heard in one.served():
            happened = seconds_of(heard.at)
            if happened is not None:
                since_event = max(0.0, self._parts.now() - happened)
                self._parts.metrics.event_to_synced.observe(since_event)
            waited = self._parts.objects.first_sight.seconds_since(one.es.key, entry, heard.id)
            if waited is not None:
                self._parts.metrics.heard_to_synced.observe(waited)

    def _known(self, one: Attempt) -> Known:
        cache, manifest = self._parts.cache, one.manifest

        def read_of(entry: str) -> tuple[Lane, str]:
            return (lane_of(manifest, manifest.references[entry]), entry)

        now, refresh = self._parts.clock(), one.es.refresh()
        asked = self._parts.rereads.first_seen(f"{one.es.uid} {refresh}", now) if refresh else None
        return Known(
            now=now,
            fresh_since=now - FRESH_SECONDS,
            noted=lambda heard: self._parts.rereads.first_seen(heard.id, now),
            current=lambda entry: cache.current(read_of(entry)),
            confirmed=lambda entry: cache.confirmed(read_of(entry)),
            has_value=lambda entry: cache.has_value(read_of(entry)),
            refresh=asked,
            is_resumed=one.es.was_suspended(),
            remarked=lambda entry: cache.remarked(read_of(entry)),
            was_read=lambda entry, since: cache.has_value(read_of(entry), since),
        )

    def _guarded(self, key: Key, task: Continuation) -> None:
        """A fault of ours costs one object a delay, and never the worker."""
        try:
            task()
        except Exception as fault:  # noqa: BLE001 - its text is not logged: it might quote a value
            log.error("reconcile.fault", object="/".join(key), fault=whereabouts(fault))
            self._parts.metrics.reconciles.labels("InternalFault").inc()
            error = GiveUp("fault", reason="InternalFault")
            self._parts.queue.add_after(key, self._parts.backoff.delay(key, error))
            self._parts.queue.done(key)

    def _now(self) -> str:
        at = datetime.fromtimestamp(self._parts.now(), UTC)
        return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")
