"""The safety net: slowly compares versions, to find what no event announced.

Fed by the clock and the ledgers of all objects; feeds the work queue (through the cache's current
versions) and two counters. It asks with each ExternalSecret's own identity, because no other may
look.

Guarantees: metadata only, in as few calls as the API allows; a value is read only where there is no
metadata, and then by the shared flights. A difference counts only after a fresh look at that one
secret, since lists lag. One system that fails costs the others nothing, and what got no answer is
asked for again before long (reconciler.sweepplan). Does not guarantee to be on time: it runs at its
interval, give or take a tenth, and after a restart when the last one is that long ago.
"""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

import structlog

from externalsecret.errors import GiveUp, HarkError, Retry, whereabouts
from externalsecret.reference import Reference
from externalsecret.reflect import Key
from reconciler.backends.contract import CannotLook, Look, Value, Versions
from reconciler.cache import Cache
from reconciler.fetch import Fetcher
from reconciler.load import Answers
from reconciler.metrics import ReconcilerMetrics
from reconciler.objects import Objects, Wake
from reconciler.reads import Ask, Lane, ReadKey, Verb
from reconciler.sweepplan import Entries, SweepPlan
from reconciler.tidy import tidy

log = structlog.get_logger()

_ANNOUNCED_WITHIN = 900.0
"""Seconds that an event may come later than the sweep and still count as the announcer."""
_TICK = 30.0
_FOLLOWERS_TICK = 5.0
_NOTHING = ""
"""Stands for the current version where there is none, or where nobody may know it."""


@dataclass(frozen=True, slots=True)
class _Found:
    """A change that the sweep saw, until it is known whether an event told of it too."""

    due: float
    lane: Lane
    entry: str
    heard: dict[Key, str | None]


@dataclass(frozen=True, slots=True)
class SweepTimes:
    """When was last swept, wherever that is kept."""

    last: Callable[[], float | None]
    record: Callable[[float], None]


class Sweeper:
    """Compares every version in use, now and then."""

    def __init__(
        self,
        objects: Objects,
        fetcher: Fetcher,
        cache: Cache,
        metrics: ReconcilerMetrics,
        wake: Wake,
        *,
        interval: float,
        times: SweepTimes,
        clock: Callable[[], float] = time.monotonic,
        now: Callable[[], float] = time.time,
    ) -> None:
        """`interval` in seconds."""
        self._objects = objects
        self._fetcher = fetcher
        self._cache = cache
        self._metrics = metrics
        self._wake = wake
        self._interval = interval
        self._clock = clock
        self._now = now
        self._lock = threading.Lock()
        self._found: list[_Found] = []
        self._plan = SweepPlan(interval, times.last, times.record, now)

    def run(self, stop: threading.Event, is_leader: Callable[[], bool]) -> None:
        """Sweep whenever it is due, while leading; for a thread of its own."""
        while not stop.wait(self._patience(leads=is_leader())):
            if not is_leader():
                # Whoever leads meanwhile begins anew.
                self._plan.abandon()
                continue
            self._judge_found()
            self._turn()

    def sweep(self) -> Entries:
        """Compare every version that is in use now; those that got no answer."""
        return self._sweep(tidy(self._objects, self._fetcher, self._cache))

    def _patience(self, *, leads: bool) -> float:
        if not leads:
            return max(1.0, min(_FOLLOWERS_TICK, self._interval))
        return min(_TICK, max(0.05, self._plan.wait()))

    def _turn(self) -> None:
        """Sweep all, or again what got no answer, if either is due."""
        begun = self._plan.begin()
        if begun is None:
            return
        try:
            rest = self.sweep() if begun.is_whole else self._sweep(begun.entries)
        except Exception as fault:  # noqa: BLE001 - the plan knows when to try again
            log.error("sweep.fault", fault=whereabouts(fault))
            return
        if self._plan.end(rest):
            self._metrics.last_sweep.set(self._now())

    def _sweep(self, lanes: Entries) -> Entries:
        rest = {}
        for lane, entries in lanes.items():
            unanswered = self._guarded_sweep(lane, sorted(entries))
            if unanswered:
                rest[lane] = unanswered
                self._metrics.sweep_unanswered.labels(lane.backend).inc(len(unanswered))
        keys, missing = sum(map(len, lanes.values())), sum(map(len, rest.values()))
        if missing:
            log.warning("sweep.incomplete", lanes=len(lanes), keys=keys, unanswered=missing)
        else:
            log.info("sweep.done", lanes=len(lanes), keys=keys)
        return rest

    def _guarded_sweep(self, lane: Lane, entries: list[str]) -> set[str]:
        """Sweep one lane, which costs the others nothing; what got no answer."""
        try:
            return self._sweep_lane(lane, entries)
        except GiveUp as error:
            log.warning("sweep.refused", backend=lane.backend, error=str(error))
            return set()
        except HarkError as error:
            log.warning("sweep.failed", backend=lane.backend, error=str(error))
        except Exception as fault:  # noqa: BLE001 - a fault of ours may quote a value
            log.error("sweep.fault", backend=lane.backend, fault=whereabouts(fault))
        return set(entries)

    def _sweep_lane(self, lane: Lane, entries: list[str]) -> set[str]:
        references = []
        for entry in entries:
            reference = self._objects.reference((lane, entry))
            if reference is not None:
                references.append(reference)
        if not references:
            return set()
        backend = self._fetcher.lane(lane).backend()
        seen = backend.sweep(references)
        doubtful = [one for one in references if self._differs((lane, one.entry), seen[one.entry])]
        fresh = backend.look(doubtful) if doubtful else {}
        for reference in doubtful:
            self._take(lane, reference, fresh[reference.entry])
        self._read_unseen(lane, [one for one in references if _is_unseen(seen[one.entry])])
        looks = {**seen, **fresh}
        return {one.entry for one in references if isinstance(looks[one.entry], Retry)}

    def _differs(self, read: ReadKey, seen: Look) -> bool:
        """Whether a reader's Secret may hold something else than what was seen."""
        if isinstance(seen, GiveUp):
            return True
        if not isinstance(seen, Versions):
            return False
        if seen.gone or self._is_given_up(read):
            return True
        return bool(self._behind(read, seen.current))

    def _is_given_up(self, read: ReadKey) -> bool:
        """Whether an earlier sweep found that there is nothing to be had."""
        return self._cache.current(read) == _NOTHING

    def _behind(self, read: ReadKey, current: str | None) -> dict[Key, str | None]:
        """The readers that synced another version, with the note that each has."""
        behind: dict[Key, str | None] = {}
        for key in self._objects.readers(read):
            es = self._objects.get(key)
            if es is None:
                continue
            leaves = es.ledger.entry(read[1])
            if leaves.synced is not None and leaves.synced.version != current:
                behind[key] = None if leaves.heard is None else leaves.heard.id
        return behind

    def _take(self, lane: Lane, reference: Reference, seen: Look) -> None:
        """A difference, looked at afresh."""
        read = (lane, reference.entry)
        if isinstance(seen, Versions) and not seen.gone:
            if seen.current is not None:
                self._take_version(lane, reference, seen.current)
            return
        if isinstance(seen, GiveUp) or (isinstance(seen, Versions) and seen.gone):
            # What it is that stands in the way is said by the read that follows.
            self._change(read, _NOTHING)

    def _take_version(self, lane: Lane, reference: Reference, current: str) -> None:
        read = (lane, reference.entry)
        behind = self._behind(read, current)
        if behind:
            self._found_change(lane, reference, current, behind)
        elif self._is_given_up(read):
            # It is back as it was: whoever complains may stop.
            self._change(read, current)

    def _found_change(
        self, lane: Lane, reference: Reference, current: str, behind: dict[Key, str | None]
    ) -> None:
        """Count it once, although its readers may need longer than until the next sweep."""
        if not self._change((lane, reference.entry), current):
            return
        log.info("sweep.found", key=reference.key, backend=lane.backend, objects=len(behind))
        self._metrics.found_by_sweep.labels(lane.backend).inc()
        due = self._clock() + _ANNOUNCED_WITHIN
        with self._lock:
            self._found.append(_Found(due, lane, reference.entry, behind))

    def _change(self, read: ReadKey, current: str) -> bool:
        """Have the readers look if this is news; whether it was."""
        is_news = self._cache.confirm(read, current)
        for key in self._objects.readers(read) if is_news else ():
            self._wake(key, False)
        return is_news

    def _read_unseen(self, lane: Lane, references: list[Reference]) -> None:
        """Where there is no metadata only the value tells."""
        since = self._clock()
        asks = [Ask(Verb.READ, reference, since) for reference in references]
        if asks:
            self._fetcher.submit(lane, asks, lambda answers: self._take_values(lane, answers))

    def _take_values(self, lane: Lane, answers: Answers) -> None:
        missing = {slot[1] for slot, one in answers.items() if isinstance(one.result, Retry)}
        if missing:
            self._metrics.sweep_unanswered.labels(lane.backend).inc(len(missing))
            log.warning("sweep.incomplete", backend=lane.backend, unanswered=len(missing))
            self._plan.add(lane, missing)
        for (_, entry), answer in answers.items():
            read = (lane, entry)
            result = answer.result
            reference = self._objects.reference(read)
            if reference is None:
                continue
            if isinstance(result, GiveUp):
                self._change(read, _NOTHING)
            elif isinstance(result, Value):
                self._take_version(lane, reference, result.version)

    def _judge_found(self) -> None:
        """Count what no event told of in time."""
        now = self._clock()
        with self._lock:
            due = [found for found in self._found if found.due <= now]
            self._found = [found for found in self._found if found.due > now]
        for found in due:
            if not self._was_announced(found):
                self._metrics.unannounced.labels(found.lane.backend).inc()

    def _was_announced(self, found: _Found) -> bool:
        for key, before in found.heard.items():
            es = self._objects.get(key)
            heard = None if es is None else es.ledger.entry(found.entry).heard
            if heard is not None and heard.id != before:
                return True
        return False


def _is_unseen(seen: Look) -> bool:
    return isinstance(seen, CannotLook)
