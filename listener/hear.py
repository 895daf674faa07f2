"""Hears one message: what it means, whom it concerns, and what is to be noted there.

Fed by listener.listen; feeds listener.notes, and listener.hold once every note is written.

Guarantees: a message that leads to notes is finished only after each of them is written; where one
is refused or given up, the message is let go and comes again. One that nobody can read is told as
such and raises nothing.
"""

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime
from enum import Enum

import structlog

from externalsecret.errors import whereabouts
from externalsecret.ledger import Heard
from externalsecret.reflect import Key
from listener.concern import joined, note_of
from listener.ear import Ear
from listener.errand import Errand
from listener.hold import Hold
from listener.index import Target
from listener.messages.eventbridge import DERIVED
from listener.messages.meaning import (
    ChangeEvent,
    Ignored,
    IgnoredReason,
    Malformed,
    Meaning,
)
from listener.messages.testmessage import mark_of
from listener.sources.contract import Delivery, Source

log = structlog.get_logger()

Parse = Callable[[Delivery], Meaning]

_FAULTS_BORNE = 10
"""Deliveries of a message with which we cannot cope; most queues give up earlier by themselves."""


class Fate(Enum):
    """What becomes of a message once it was looked at."""

    FINISHED = "finished"
    BEING_NOTED = "being noted"
    UNREADABLE = "unreadable"
    FAULT = "fault"
    """Of ours: another time, or another version of us, may cope with it."""


class Hearer:
    """Understands the messages of one source."""

    def __init__(self, source: Source, parse: Parse, hold: Hold, ear: Ear) -> None:
        self._source = source
        self._parse = parse
        self._hold = hold
        self._ear = ear

    def hear(self, delivery: Delivery, slim: Delivery) -> Fate:
        """Deal with one message as far as it can be dealt with at once; `slim` is what is held of
        it. What our own code cannot cope with stops no neighbour either.
        """
        try:
            return self._hear(delivery, slim)
        except Exception as fault:  # noqa: BLE001 - its text may quote the message
            self._ear.metrics.faults.labels(self._source.name).inc()
            log.error(
                "message.fault",
                source=self._source.name,
                fault=whereabouts(fault),
                attempt=delivery.attempts,
            )
            is_hopeless = delivery.attempts >= _FAULTS_BORNE
            return Fate.UNREADABLE if is_hopeless else Fate.FAULT

    def _hear(self, delivery: Delivery, slim: Delivery) -> Fate:
        test_id = mark_of(delivery.body)
        if test_id is not None:
            log.info("test.heard", source=self._source.name, id=test_id, attempt=delivery.attempts)
            return self._ignored(IgnoredReason.TEST_MESSAGE)
        try:
            meaning = self._parse(delivery)
        except Malformed as problem:
            self._ear.metrics.malformed.labels(self._source.name).inc()
            log.warning(
                "message.malformed",
                source=self._source.name,
                problem=str(problem),
                attempt=delivery.attempts,
            )
            return Fate.UNREADABLE
        if isinstance(meaning, Ignored):
            return self._ignored(meaning.reason)
        events = [_identified(event, delivery) for event in meaning]
        notes = self._match(events)
        if notes is None:
            return self._ignored(self._why_unused(events))
        if not notes:
            return self._ignored(IgnoredReason.DUPLICATE)
        self._note(slim, events, notes)
        return Fate.BEING_NOTED

    def _match(self, events: Sequence[ChangeEvent]) -> dict[Key, dict[str, Heard]] | None:
        """What has to be noted where: nothing if all have it, None if the events concern nobody."""
        found: dict[tuple[Key, str], tuple[Target, Heard]] = {}
        for event in events:
            # Before the look-up: a reader that appears in between finds it there.
            self._ear.recent.remember(event, self._source.via)
            for target in self._ear.index.lookup(event):
                place = (target.key, target.reference.entry)
                note = note_of(target.reference, event, self._source.via)
                found[place] = (target, joined(found[place][1], note) if place in found else note)
        if not found:
            return None
        notes: defaultdict[Key, dict[str, Heard]] = defaultdict(dict)
        for (key, entry), (target, note) in found.items():
            if not target.has(note):
                notes[key][entry] = note
        return notes

    def _why_unused(self, events: Sequence[ChangeEvent]) -> IgnoredReason:
        """The reason that says most about them."""
        reasons = {self._ear.index.why_unused(event) for event in events}
        if IgnoredReason.OTHER_VERSION in reasons:
            return IgnoredReason.OTHER_VERSION
        return min(reasons)

    def _note(
        self,
        delivery: Delivery,
        events: Sequence[ChangeEvent],
        notes: dict[Key, dict[str, Heard]],
    ) -> None:
        self._ear.metrics.acted_on.labels(self._source.name).inc()
        errand = Errand(len(notes), lambda noted: self._settle(delivery, events, noted=noted))
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

    def _ignored(self, reason: IgnoredReason) -> Fate:
        self._ear.metrics.ignored.labels(self._source.name, reason).inc()
        return Fate.FINISHED


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
