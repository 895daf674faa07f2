"""Writes notes: the durable word in an ExternalSecret's status that something changed.

Fed by listener.listen; feeds the ledger in the API server and, by the replies, the index. A few
workers share the connections; notes for one object that come while its patch is under way travel
together in the next one.

Guarantees: `done(True)` is called only after the API server has taken the note (or the object is
gone); a note that fails for a passing reason is tried until it succeeds or the process stops; an
object that refuses its note never holds up the others (`done(False)`). A reply that lacks the note
means that the CRD prunes the ledger: `on_pruned` is called and nothing is ever reported as written.
Does not guarantee order between objects.
"""

import random
import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

import structlog

from externalsecret.crdcheck import note_came_back
from externalsecret.kubeapi import MERGE_PATCH, ApiRefusal, ApiRetry, KubeApi
from externalsecret.ledger import Heard
from externalsecret.reflect import Key
from externalsecret.resource import status_path
from listener.metrics import ListenerMetrics

log = structlog.get_logger()

Done = Callable[[bool], None]
_FIELD_MANAGER = "hark-listener"


@dataclass(slots=True)
class _Pending:
    """Notes for one object that no request carries yet, and who waits for them."""

    notes: dict[str, Heard] = field(default_factory=dict)
    waiting: list[Done] = field(default_factory=list)
    failures: int = 0


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
    ) -> None:
        self._api = api
        self._metrics = metrics
        self._stop = stop
        self._on_reply = on_reply
        self._on_pruned = on_pruned
        self._ready = threading.Condition()
        self._pending: OrderedDict[Key, _Pending] = OrderedDict()
        self._flying: set[Key] = set()
        self._failing = False

    def is_stuck(self) -> bool:
        """Whether the API server took none of the last attempts: stop receiving meanwhile."""
        return self._failing

    def backlog(self) -> int:
        """How many objects wait for a note."""
        with self._ready:
            return len(self._pending) + len(self._flying)

    def submit(self, key: Key, notes: Mapping[str, Heard], done: Done) -> None:
        """Have these notes written; `done` is called from a worker's thread."""
        with self._ready:
            pending = self._pending.setdefault(key, _Pending())
            pending.notes.update(notes)
            pending.waiting.append(done)
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
                for key in self._pending:
                    if key not in self._flying:
                        self._flying.add(key)
                        return key, self._pending.pop(key)
                self._ready.wait()
        return None

    def _write(self, key: Key, pending: _Pending) -> None:
        try:
            written = self._attempt(key, pending)
        except ApiRetry as error:
            self._again(key, pending, error)
            return
        self._failing = False
        self._land(key)
        for done in pending.waiting:
            done(written)

    def _attempt(self, key: Key, pending: _Pending) -> bool:
        keys = {entry: {"heard": heard.leaf()} for entry, heard in pending.notes.items()}
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
        for entry, heard in pending.notes.items():
            if not note_came_back(reply, entry, heard.id):
                self._on_pruned()
                return False
        self._on_reply(reply)
        self._metrics.notes.inc(len(pending.notes))
        return True

    def _again(self, key: Key, pending: _Pending, error: ApiRetry) -> None:
        self._failing = True
        self._metrics.notes_retried.inc()
        pending.failures += 1
        delay = error.after or min(10.0, 0.1 * 2 ** min(pending.failures, 10))
        log.warning("note.failed", namespace=key[0], name=key[1], error=str(error))
        self._stop.wait(delay * random.uniform(0.5, 1.0))  # noqa: S311 - jitter, no secrecy
        with self._ready:
            newer = self._pending.get(key, _Pending())
            merged = _Pending(
                {**pending.notes, **newer.notes},
                pending.waiting + newer.waiting,
                pending.failures,
            )
            self._pending[key] = merged
            self._flying.discard(key)
            self._ready.notify()

    def _land(self, key: Key) -> None:
        with self._ready:
            self._flying.discard(key)
            if key in self._pending:
                self._ready.notify()
