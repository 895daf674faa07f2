"""The listener's story: receive, parse, match, note, acknowledge.

Fed by one source of messages and the index; feeds the ledger (through listener.notes) and then the
source with acknowledgements (through listener.hold).

Guarantees: a message is acknowledged only after every ExternalSecret that it concerns carries the
note, or when it concerns none. It receives only while the index is fresh and notes can be written;
meanwhile it keeps what it holds. A message that nobody can read is left to the dead-letter queue
and never stops its neighbours. Nothing here ends the process: a failing source is tried again with
backoff. It does not guarantee that a message is handled once: it may come again, and then costs
nothing.
"""

import random
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import Enum

import structlog

from externalsecret.errors import HarkError, whereabouts
from externalsecret.ledger import Heard
from externalsecret.reflect import Key
from listener.concern import note_of
from listener.hold import Hold
from listener.index import Index, Target
from listener.messages.eventbridge import DERIVED
from listener.messages.meaning import (
    ChangeEvent,
    Ignored,
    IgnoredReason,
    Malformed,
    Meaning,
)
from listener.metrics import ListenerMetrics
from listener.notes import NoteWriter
from listener.recent import Recent
from listener.sources.contract import Delivery, Origin, Source

log = structlog.get_logger()

Parse = Callable[[str, Origin], Meaning]
MOST_HELD = 500
"""Messages in hand at once per source: what a crash makes the queue deliver again."""
_LONGEST_BACKOFF = 30.0
_PAUSE = 0.2
_HEAD_START = 0.001


class _Fate(Enum):
    """What becomes of a message once it was looked at."""

    FINISHED = "finished"
    BEING_NOTED = "being noted"
    UNREADABLE = "unreadable"


@dataclass(frozen=True, slots=True)
class Ear:
    """The collaborators that every source of one listener shares."""

    index: Index
    recent: Recent
    notes: NoteWriter
    metrics: ListenerMetrics
    is_fresh: Callable[[], bool]
    stop: threading.Event
    now: Callable[[], float] = time.time


class Listener:
    """One source, listened to until the stop."""

    def __init__(self, source: Source, parse: Parse, hold: Hold, ear: Ear) -> None:
        self._source = source
        self._parse = parse
        self._hold = hold
        self._ear = ear

    def run(self) -> None:
        """Receive for ever; for a thread of its own."""
        failures = 0
        while not self._ear.stop.is_set():
            if not self._may_receive():
                self._ear.stop.wait(_PAUSE)
                continue
            try:
                deliveries = self._source.receive()
            except HarkError as error:
                failures += 1
                self._complain(error, failures)
                continue
            failures = 0
            self._ear.metrics.source_up.labels(self._source.name).set(1)
            self.take(deliveries)
            if deliveries:
                # One thread runs at a time: the notes shall be on the wire before the next receive
                # is prepared.
                self._ear.stop.wait(_HEAD_START)

    def take(self, deliveries: Sequence[Delivery]) -> None:
        """Deal with messages that were just received."""
        if not deliveries:
            return
        name = self._source.name
        self._ear.metrics.received.labels(name).inc(len(deliveries))
        self._ear.metrics.last_message.labels(name).set(self._ear.now())
        # Without the body, of which nothing is needed once it was parsed: hundreds may be held.
        held = [replace(delivery, body="") for delivery in deliveries]
        self._hold.take(held)
        if not self._await_fresh():
            self._hand_back(held)
            return
        sorted_out: dict[_Fate, list[Delivery]] = {fate: [] for fate in _Fate}
        for delivery, slim in zip(deliveries, held, strict=True):
            sorted_out[self._take_safely(delivery, slim)].append(slim)
        if sorted_out[_Fate.FINISHED]:
            self._hold.finish(sorted_out[_Fate.FINISHED])
        if sorted_out[_Fate.UNREADABLE]:
            self._reject(sorted_out[_Fate.UNREADABLE])

    def _take_safely(self, delivery: Delivery, slim: Delivery) -> _Fate:
        """As `_take_one`; what our own code cannot cope with stops no neighbour either."""
        try:
            return self._take_one(delivery, slim)
        except Exception as fault:  # noqa: BLE001 - its text may quote the message
            self._ear.metrics.malformed.labels(self._source.name).inc()
            log.error("message.fault", source=self._source.name, fault=whereabouts(fault))
            return _Fate.UNREADABLE

    def _take_one(self, delivery: Delivery, slim: Delivery) -> _Fate:
        """Deal with one message as far as it can be dealt with at once."""
        try:
            meaning = self._parse(delivery.body, delivery.origin)
        except Malformed as problem:
            self._ear.metrics.malformed.labels(self._source.name).inc()
            log.warning(
                "message.malformed",
                source=self._source.name,
                problem=str(problem),
                attempt=delivery.attempts,
            )
            return _Fate.UNREADABLE
        if isinstance(meaning, Ignored):
            return self._ignored(meaning.reason)
        events = [_identified(event, delivery) for event in meaning]
        notes = self._match(events)
        if notes is None:
            return self._ignored(IgnoredReason.UNUSED_SECRET)
        self._note(slim, events, notes)
        return _Fate.BEING_NOTED

    def _match(self, events: Sequence[ChangeEvent]) -> dict[Key, dict[str, Heard]] | None:
        """What has to be noted where; None when the events concern nobody."""
        found: dict[tuple[Key, str], tuple[Target, Heard]] = {}
        for event in events:
            # Before the look-up: a reader that appears in between finds it there.
            self._ear.recent.remember(event, self._source.via)
            for target in self._ear.index.lookup(event):
                note = note_of(target.reference, event, self._source.via)
                found[target.key, target.reference.entry] = (target, note)
        if not found:
            return None
        notes: defaultdict[Key, dict[str, Heard]] = defaultdict(dict)
        for (key, entry), (target, note) in found.items():
            if not target.has(note):
                notes[key][entry] = note
        return notes

    def _note(
        self,
        delivery: Delivery,
        events: Sequence[ChangeEvent],
        notes: dict[Key, dict[str, Heard]],
    ) -> None:
        self._ear.metrics.acted_on.labels(self._source.name).inc()
        errand = _Errand(len(notes), lambda noted: self._settle(delivery, events, noted=noted))
        if not notes:
            self._settle(delivery, events, noted=True)
        for key, heard in notes.items():
            self._ear.notes.submit(key, heard, errand.part_done)
        log.info(
            "change.heard",
            source=self._source.name,
            secrets=[event.secret.name for event in events],
            ids=[event.id for event in events],
            objects=len(notes),
        )

    def _settle(self, delivery: Delivery, events: Sequence[ChangeEvent], *, noted: bool) -> None:
        """Every note of a message is written (acknowledge it), or one was refused (do not)."""
        if not noted:
            self._hold.drop([delivery])
            return
        for event in events:
            happened = _epoch(event.at)
            if happened is not None:
                self._ear.metrics.event_to_heard.observe(max(0.0, self._ear.now() - happened))
        self._hold.finish([delivery])

    def _ignored(self, reason: IgnoredReason) -> _Fate:
        self._ear.metrics.ignored.labels(self._source.name, reason).inc()
        return _Fate.FINISHED

    def _reject(self, deliveries: Sequence[Delivery]) -> None:
        self._hold.drop(deliveries)
        try:
            self._source.reject(deliveries)
        except HarkError as error:
            log.warning("reject.failed", source=self._source.name, error=str(error))

    def _await_fresh(self) -> bool:
        """Wait while the watch is down, which it may have become during a long poll; False when
        stopped.
        """
        while not self._ear.stop.is_set():
            if self._ear.is_fresh():
                return True
            self._ear.stop.wait(_PAUSE)
        return False

    def _hand_back(self, deliveries: Sequence[Delivery]) -> None:
        """Let others have at once what came while we were stopping."""
        self._hold.drop(deliveries)
        try:
            self._source.retry(deliveries, 0.0)
        except HarkError as error:
            log.warning("retry.failed", source=self._source.name, error=str(error))

    def _may_receive(self) -> bool:
        return (
            self._ear.is_fresh() and not self._ear.notes.is_stuck() and len(self._hold) < MOST_HELD
        )

    def _complain(self, error: HarkError, failures: int) -> None:
        name = self._source.name
        self._ear.metrics.source_up.labels(name).set(0)
        self._ear.metrics.source_failures.labels(name, error.reason).inc()
        delay = min(_LONGEST_BACKOFF, 0.5 * 2 ** min(failures, 10))
        delay *= random.uniform(0.5, 1.0)  # noqa: S311 - jitter needs no secrecy
        log.warning("source.failed", source=name, error=str(error), retry_in=round(delay, 1))
        self._ear.stop.wait(delay)


class _Errand:
    """Counts down the notes of one message and then tells whether all were written."""

    def __init__(self, parts: int, settle: Callable[[bool], None]) -> None:
        self._open = parts
        self._all = True
        self._settle = settle
        self._lock = threading.Lock()

    def part_done(self, written: bool) -> None:  # noqa: FBT001 - the shape of notes.Done
        with self._lock:
            self._open -= 1
            self._all = self._all and written
            last = self._open == 0
        if last:
            self._settle(self._all)


def _identified(event: ChangeEvent, delivery: Delivery) -> ChangeEvent:
    """An id that was derived from the body is the same for two equal changes; the time at which
    the queue took the message tells them apart, and stays the same at each redelivery.
    """
    if not event.id.startswith(DERIVED):
        return event
    return replace(event, id=f"{event.id}@{delivery.sent_at:.3f}")


def _epoch(at: str) -> float | None:
    try:
        return datetime.fromisoformat(at).timestamp()
    except (ValueError, OverflowError):
        return None
