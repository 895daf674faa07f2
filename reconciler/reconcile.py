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

from collections import defaultdict

import structlog

from externalsecret.errors import GiveUp, HarkError, whereabouts
from externalsecret.reflect import Key
from externalsecret.resource import ExternalSecret
from reconciler import remade
from reconciler.attempt import Attempt
from reconciler.conclude import Conclusion
from reconciler.evaluate import Made
from reconciler.evidence import confirmed, remarked
from reconciler.jobs import Known
from reconciler.load import Answers
from reconciler.pace import read_pace
from reconciler.parts import Parts
from reconciler.reads import Ask, Lane, lane_of
from reconciler.remarked import word_of
from reconciler.render import Rendered
from reconciler.report import Outcome
from reconciler.templateform import check_template
from reconciler.workqueue import Continuation

log = structlog.get_logger()

FRESH_SECONDS = 10.0
"""An answer as young as this serves an object that heard of nothing newer."""


class Reconciler:
    """Works off the queue; several threads may run `work`."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._conclusion = Conclusion(parts)

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
            self._conclusion.end(es, Outcome(error))
            return
        one = Attempt(es, manifest, self._parts.live.get(key), self._parts.timestamp())
        one.find_jobs(self._known(one))
        self._ask(one)

    def _rest(self, es: ExternalSecret) -> None:
        """Say that nothing is done for this object, and do nothing."""
        outcome = Outcome(is_suspended=True)
        if self._conclusion.write_status(es, outcome):
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
            self._conclusion.end(one.es, Outcome(error))
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
        self._conclusion.end(one.es, outcome, one)

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
        for entry, remark, began in remarked(one.verdicts):
            read = (lane_of(one.manifest, one.manifest.references[entry]), entry)
            if self._parts.cache.remarked(read) is not None:
                self._parts.cache.remark(read, word_of(remark) or "", began)
        for entry, version, began in confirmed(one.verdicts):
            read = (lane_of(one.manifest, one.manifest.references[entry]), entry)
            if remade.is_told_by(version, self._parts.cache.current(read)):
                # Others may have read the one before it, which bore the same number.
                continue
            if self._parts.cache.confirm(read, version, began):
                for key in self._parts.objects.readers(read):
                    if key != one.es.key:
                        self._parts.queue.add(key, urgent=True)

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
