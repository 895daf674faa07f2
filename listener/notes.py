"""Writes notes: the durable word in an ExternalSecret's status that something changed.

Fed by listener.hear; feeds the ledger in the API server and, by the replies, the index. A few
workers share the connections; notes for one object that come while its patch is under way travel
together in the next one. While the API server is away, or our right to write notes is, all wait;
an object that alone fails waits alone, and keeps no worker from the others (listener.trouble).

Guarantees: `done(True)` is called only after the API server has taken the note (or the object is
gone); a note that fails while the API server is away is tried until it succeeds or the process
stops; an object that refuses its note, or fails alone for a minute, never holds up the others
(`done(False)`, and `on_refused` tells why). A reply that lacks the note means that the CRD prunes
the ledger: `on_pruned` is called and nothing is ever reported as written. A note never hides one
that no read has covered yet (concern.in_place_of), nor one that another replica has written a
moment ago: it is written only to the very state of the object that it was judged by, and judged
anew where that is overtaken. Does not guarantee order between objects.
"""

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import Any

import structlog

from externalsecret.crdcheck import note_came_back
from externalsecret.errors import whereabouts
from externalsecret.kubeapi import MERGE_PATCH, ApiRefusal, ApiRetry, KubeApi
from externalsecret.ledger import Heard
from externalsecret.reflect import Key
from externalsecret.resource import status_path
from listener.concern import in_place_of
from listener.metrics import ListenerMetrics
from listener.pending import Done, Pending
from listener.standing import Standing
from listener.trouble import AWAY, Trouble, delay

log = structlog.get_logger()

_FIELD_MANAGER = "hark-listener"
_OF_NO_OBJECT = "1"
"""A resourceVersion that no ExternalSecret has: one that we do not know yet takes no note, and one
that is gone answers 404 all the same.
"""
_FAULT = "A fault of Hark itself, which its log tells."


class NoteWriter:
    """A queue of objects with something to be noted, and the workers that write it."""

    def __init__(
        self,
        api: KubeApi,
        metrics: ListenerMetrics,
        *,
        stop: threading.Event,
        on_reply: Callable[[dict[str, Any]], None],
        on_pruned: Callable[[], None],
        on_refused: Callable[[Key, str], None],
        may_note: Callable[[], bool],
        standing: Callable[[Key], Standing],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`on_refused` is told why the notes of one object are not tried any more; `may_note` asks
        whether we have the right to write any.
        """
        self._api = api
        self._metrics = metrics
        self._stop = stop
        self._on_reply = on_reply
        self._on_pruned = on_pruned
        self._on_refused = on_refused
        self._may_note = may_note
        self._standing = standing
        self._clock = clock
        self._ready = threading.Condition()
        self._pending: OrderedDict[Key, Pending] = OrderedDict()
        self._flying: set[Key] = set()
        self._trouble = Trouble()

    def is_stuck(self) -> bool:
        """Whether the API server was away at the last attempt: stop receiving meanwhile."""
        return self._trouble.is_away

    def submit(self, key: Key, notes: Mapping[str, Heard], done: Done | None) -> None:
        """Have these notes written; `done` is called from a worker's thread. None where no message
        would bring them again: these are given up only where they are refused.
        """
        with self._ready:
            self._pending.setdefault(key, Pending()).add(notes, done)
            self._ready.notify()

    def run(self) -> None:
        """One worker; start several threads with it."""
        while self._await_due():
            self.write_due()

    def write_due(self) -> bool:
        """Write the notes of one object; False when none can be written now."""
        with self._ready:
            key = self._due()
            if key is None:
                return False
            self._flying.add(key)
            pending = self._pending.pop(key)
        self._write(key, pending)
        return True

    def wake(self) -> None:
        """Let the workers see that `stop` is set."""
        with self._ready:
            self._ready.notify_all()

    def _await_due(self) -> bool:
        """Wait until something can be written; False when stopped."""
        with self._ready:
            while not self._stop.is_set():
                if self._due() is not None:
                    return True
                self._ready.wait(self._until_due())
        return False

    def _due(self) -> Key | None:
        now = self._clock()
        if self._stop.is_set() or self._trouble.paused_until > now:
            return None
        for key, pending in self._pending.items():
            if pending.due <= now and key not in self._flying:
                return key
        return None

    def _until_due(self) -> float | None:
        dues = [one.due for key, one in self._pending.items() if key not in self._flying]
        if not dues:
            return None
        return max(min(dues), self._trouble.paused_until) - self._clock()

    def _write(self, key: Key, pending: Pending) -> None:
        try:
            written = self._attempt(key, pending)
        except ApiRefusal as error:
            self._refuse(key, pending, error)
        except ApiRetry as error:
            if error.status == HTTPStatus.CONFLICT:
                log.debug("note.overtaken", namespace=key[0], name=key[1])
            else:
                log.warning("note.failed", namespace=key[0], name=key[1], error=str(error))
            self._again(key, pending, error)
        except Exception as fault:  # noqa: BLE001 - its text may quote what it worked on
            log.error("note.fault", namespace=key[0], name=key[1], fault=whereabouts(fault))
            self._again(key, pending, None)
        else:
            with self._ready:
                self._trouble.worked(key, self._clock())
                self._land(key)
            _tell(pending, written)

    def _attempt(self, key: Key, pending: Pending) -> bool:
        standing = self._standing(key)
        notes = {
            entry: in_place_of(standing.uncovered.get(entry), note)
            for entry, note in pending.notes.items()
        }
        keys = {entry: {"heard": heard.leaf()} for entry, heard in notes.items()}
        try:
            reply = self._api.request(
                "PATCH",
                status_path(key),
                query={"fieldManager": _FIELD_MANAGER},
                body={
                    "metadata": {"resourceVersion": standing.version or _OF_NO_OBJECT},
                    "status": {"keys": keys},
                },
                content_type=MERGE_PATCH,
            )
        except ApiRefusal as error:
            if error.status == HTTPStatus.NOT_FOUND:
                return True
            if error.status == HTTPStatus.FORBIDDEN and self._is_right_lost(key):
                raise ApiRetry(str(error), error.status) from error
            raise
        for entry, heard in notes.items():
            if not note_came_back(reply, entry, heard.id):
                self._on_pruned()
                return False
        self._on_reply(reply)
        self._metrics.notes.inc(len(notes))
        return True

    def _is_right_lost(self, key: Key) -> bool:
        with self._ready:
            if not self._trouble.is_widely_forbidden(key):
                return False
        return not self._may_note()

    def _refuse(self, key: Key, pending: Pending, error: ApiRefusal) -> None:
        self._metrics.notes_refused.labels(str(error.status)).inc()
        log.error("note.refused", namespace=key[0], name=key[1], error=str(error))
        with self._ready:
            self._trouble.refused(key, error.status)
            self._land(key)
        _tell(pending, written=False)
        self._on_refused(key, str(error))

    def _again(self, key: Key, pending: Pending, error: ApiRetry | None) -> None:
        """Put it back, to be tried later, or give it up; `error` is None if the fault is ours."""
        self._metrics.notes_retried.inc()
        pending.failures += 1
        with self._ready:
            now = self._clock()
            newer = self._pending.pop(key, None)
            if newer is not None:
                pending.take_in(newer)
            if error is not None and error.status in AWAY:
                self._trouble.away(error, now)
                is_given_up = False
            else:
                is_given_up = self._trouble.failed(key, error, now)
                pending.due = now + delay(error, pending.failures)
            kept = pending.without_messages() if is_given_up else pending
            if kept.notes:
                self._pending[key] = kept
            self._land(key)
        if is_given_up:
            log.error("note.given_up", namespace=key[0], name=key[1])
            _tell(pending, written=False)
            self._on_refused(key, _FAULT if error is None else str(error))

    def _land(self, key: Key) -> None:
        self._flying.discard(key)
        if key in self._pending:
            self._ready.notify()


def _tell(pending: Pending, written: bool) -> None:  # noqa: FBT001 - the shape of Done
    for done in pending.waiting:
        try:
            done(written)
        except Exception as fault:  # noqa: BLE001 - the others wait to be told too
            log.error("note.untold", fault=whereabouts(fault))
