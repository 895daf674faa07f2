"""Conclude: what is said at the end of a pass, and when the next one comes.

Fed by reconciler.reconcile with how a pass came out; writes the status (ledger and conditions) to
the API server, tells Events and metrics, and feeds the work queue with what must come again.

Guarantees: a status is written only where it says something new, a failure that will pass is not
shown at once, and what could not be written is tried again with growing delays.
"""

import structlog

from externalsecret.errors import GiveUp, HarkError
from externalsecret.kubeapi import MERGE_PATCH
from externalsecret.kubeevents import EventType, ObjectRef
from externalsecret.resource import API_VERSION, KIND, SUSPENDED, ExternalSecret, status_path
from reconciler.attempt import Attempt
from reconciler.evidence import remarks, served
from reconciler.jobs import seconds_of
from reconciler.overtaken import is_overtaken
from reconciler.pace import read_pace
from reconciler.parts import Parts
from reconciler.reads import lane_of
from reconciler.report import SUSPENDED_MESSAGE, Outcome, outcome_changed, status_patch

log = structlog.get_logger()

_GOOD_NEWS = {"Synced", SUSPENDED, "Adopted"}
_QUIET_FAILURES = 3
"""So many passing failures in a row are not worth a condition."""


class Conclusion:
    """Ends passes; any thread."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    def end(self, es: ExternalSecret, outcome: Outcome, one: Attempt | None = None) -> None:
        """Write the ledger, say what changed, and decide when to come back."""
        error = outcome.error
        if error is not None:
            delay = self._parts.backoff.delay(es.key, error)
            self._parts.queue.add_after(es.key, delay)
        if one is not None and one.patience.wait is not None:
            self._parts.queue.add_after(es.key, one.patience.wait)
        is_quiet = self._is_quiet(es, outcome)
        is_told = is_quiet or self.write_status(es, outcome)
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
        for remark in () if one is None else remarks(one.verdicts):
            self._say(es, remark.reason, remark.message)
        self._parts.ended(es, outcome)
        self._parts.queue.done(es.key)

    def _say_not_found(self, one: Attempt) -> None:
        for reference, version in one.patience.not_found:
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

    def write_status(self, es: ExternalSecret, outcome: Outcome) -> bool:
        """Whether the status says what is to be said."""
        body = status_patch(es, outcome, self._parts.timestamp())
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
        for entry, heard in served(one.verdicts):
            happened = seconds_of(heard.at)
            if happened is not None:
                since_event = max(0.0, self._parts.now() - happened)
                self._parts.metrics.event_to_synced.observe(since_event)
            waited = self._parts.objects.first_sight.seconds_since(one.es.key, entry, heard.id)
            if waited is not None:
                self._parts.metrics.heard_to_synced.observe(waited)
