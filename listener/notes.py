"""Writes notes: the durable word in an ExternalSecret's status that something changed.

Fed by listener.listen; feeds the ledger in the API server and, by the replies, the index. A few
workers share the connections; notes for one object that come while its patch is under way travel
together in the next one. While the API server is away all wait; an object that alone fails waits
alone, and keeps no worker from the others.

Guarantees: `done(True)` is called only after the API server has taken the note (or the object is
gone); a note that fails for a passing reason is tried until it succeeds or the process stops; an
object that refuses its note never holds up the others (`done(False)`). A reply that lacks the note
means that the CRD prunes the ledger: `on_pruned` is called and nothing is ever reported as written.
A note never hides one that no read has covered yet (concern.in_place_of). Does not guarantee order
between objects.
"""

import random
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
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

log = structlog.get_logger()

Done = Callable[[bool], None]
Standing = Callable[[Key], Mapping[str, Heard]]
"""The notes of an object that no read has covered yet, by entry."""
_FIELD_MANAGER = "hark-listener"
_AWAY = {0, HTTPStatus.UNAUTHORIZED, HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE}
"""What speaks of the API server; other failures may be about one object: an admission webhook that
fails in one namespace is told as 500.
"""
_LONGEST_WAIT = 10.0


@dataclass(slots=True)
class _Pending:
    """Notes for one object that no request carries yet, and who waits for them."""

    notes: dict[str, Heard] = field(default_factory=dict)
    waiting: list[Done] = field(default_factory=list)
    failures: int = 0
    due: float = 0.0

    def add(self, notes: Mapping[str, Heard], waiting: Iterable[Done]) -> None:
        for entry, note in notes.items():
            self.notes[entry] = in_place_of(self.notes.get(entry), note)
        self.waiting.extend(waiting)


def _nothing_stands(_key: Key) -> Mapping[str, Heard]:
    return {}


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
        standing: Standing = _nothing_stands,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._api = api
        self._metrics = metrics
        self._stop = stop
        self._on_reply = on_reply
        self._on_pruned = on_pruned
        self._standing = standing
        self._clock = clock
        self._ready = threading.Condition()
        self._pending: OrderedDict[Key, _Pending] = OrderedDict()
        self._flying: set[Key] = set()
        self._failing = False
        self._outage = 0
        self._paused_until = 0.0

    def is_stuck(self) -> bool:
        """Whether the API server was away at the last attempt: stop receiving meanwhile."""
        return self._failing

    def backlog(self) -> int:
        """How many objects have a note that can be written now, or is being written."""
        with self._ready:
            now = self._clock()
            if self._paused_until > now:
                return len(self._flying)
            return len(self._flying | {key for key, one in self._pending.items() if one.due <= now})

    def submit(self, key: Key, notes: Mapping[str, Heard], done: Done) -> None:
        """Have these notes written; `done` is called from a worker's thread."""
        with self._ready:
            self._pending.setdefault(key, _Pending()).add(notes, [done])
            self._ready.notify()

    def run(self) -> None:
        """One worker; start several threads with it."""
        while self.write_next():
            pass

    def write_next(self) -> bool:
        """Write the notes of one object; wait until there are some. False when stopped."""
        taken = self._take()
        if taken is None:
            return False
        key, pending = taken
        self._write(key, pending)
        return True

    def wake(self) -> None:
        """Let the workers see that `stop` is set."""
        with self._ready:
            self._ready.notify_all()

    def _take(self) -> tuple[Key, _Pending] | None:
        with self._ready:
            while not self._stop.is_set():
                now = self._clock()
                if self._pending and self._paused_until > now:
                    self._ready.wait(self._paused_until - now)
                    continue
                dues = []
                for key, pending in self._pending.items():
                    if key in self._flying:
                        continue
                    if pending.due <= now:
                        self._flying.add(key)
                        return key, self._pending.pop(key)
                    dues.append(pending.due)
                self._ready.wait(min(dues) - now if dues else None)
        return None

    def _write(self, key: Key, pending: _Pending) -> None:
        try:
            written = self._attempt(key, pending)
        except ApiRetry as error:
            log.warning("note.failed", namespace=key[0], name=key[1], error=str(error))
            self._again(key, pending, error)
            return
        except Exception as fault:  # noqa: BLE001 - its text may quote what it worked on
            log.error("note.fault", namespace=key[0], name=key[1], fault=whereabouts(fault))
            self._again(key, pending, None)
            return
        self._land(key)
        for done in pending.waiting:
            done(written)

    def _attempt(self, key: Key, pending: _Pending) -> bool:
        standing = self._standing(key)
        notes = {
            entry: in_place_of(standing.get(entry), note) for entry, note in pending.notes.items()
        }
        keys = {entry: {"heard": heard.leaf()} for entry, heard in notes.items()}
        try:
            reply = self._api.request(
                "PATCH",
                status_path(key),
                query={"fieldManager": _FIELD_MANAGER},
                body={"status": {"keys": keys}},
                content_type=MERGE_PATCH,
            )
        except ApiRefusal as error:
            if error.status == HTTPStatus.NOT_FOUND:
                return True
            self._metrics.notes_refused.labels(str(error.status)).inc()
            log.error("note.refused", namespace=key[0], name=key[1], error=str(error))
            return False
        for entry, heard in notes.items():
            if not note_came_back(reply, entry, heard.id):
                self._on_pruned()
                return False
        self._on_reply(reply)
        self._metrics.notes.inc(len(notes))
        return True

    def _again(self, key: Key, pending: _Pending, error: ApiRetry | None) -> None:
        """Put it back, to be tried later; `error` is None where the fault is ours."""
        self._metrics.notes_retried.inc()
        pending.failures += 1
        with self._ready:
            now = self._clock()
            if error is None or error.status not in _AWAY:
                pending.due = now + _delay(error, pending.failures)
            else:
                self._failing = True
                # Several workers notice one outage at the same time.
                if self._paused_until <= now:
                    self._outage += 1
                    self._paused_until = now + _delay(error, self._outage)
            newer = self._pending.get(key)
            if newer is not None:
                pending.add(newer.notes, newer.waiting)
            self._pending[key] = pending
            self._flying.discard(key)
            self._ready.notify()

    def _land(self, key: Key) -> None:
        with self._ready:
            self._failing = False
            self._outage = 0
            self._flying.discard(key)
            if key in self._pending:
                self._ready.notify()


def _delay(error: ApiRetry | None, failures: int) -> float:
    """Seconds until the next attempt, with jitter."""
    asked = None if error is None else error.after
    longest = asked or min(_LONGEST_WAIT, 0.1 * 2 ** min(failures, 10))
    return longest * random.uniform(0.5, 1.0)  # noqa: S311 - jitter needs no secrecy
