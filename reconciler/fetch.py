"""Fetch: shared flights to the backends.

Fed by the reconcile story and the sweep with asks; feeds them with answers, from the cache or by
the lane of the asks' system, identity and region (reconciler.lane).

Guarantees: no caller waits: `submit` returns at once and `done` is called when every ask is
answered, from a lane's thread or the caller's own. What nobody needs any more is let go by
`retain`. Asks for the same thing share one answer; a slow
or throttled identity neither starves the others nor is hammered.
"""

import threading
import time
from collections.abc import Callable, Collection, Sequence

from reconciler.cache import Cache
from reconciler.lane import LaneWork, OpenBackend, Start
from reconciler.load import Done, Party
from reconciler.metrics import ReconcilerMetrics
from reconciler.reads import Ask, Lane


def _start_thread(work: LaneWork, name: str) -> None:
    threading.Thread(target=work.fly, name=name, daemon=True).start()


class Fetcher:
    """All lanes."""

    def __init__(
        self,
        open_backend: OpenBackend,
        cache: Cache,
        metrics: ReconcilerMetrics,
        *,
        clock: Callable[[], float] = time.monotonic,
        start: Start = _start_thread,
    ) -> None:
        self._open_backend = open_backend
        self._cache = cache
        self._metrics = metrics
        self._clock = clock
        self._start = start
        self._lock = threading.Lock()
        self._lanes: dict[Lane, LaneWork] = {}

    def submit(self, lane: Lane, asks: Sequence[Ask], done: Done) -> None:
        """Answer these asks and call `done` once."""
        party = Party(len(asks), done)
        missing = []
        for ask in asks:
            slot = (ask.verb, ask.reference.entry)
            answer = self._cache.find(ask, (lane, ask.reference.entry))
            if answer is None:
                missing.append(ask)
            else:
                party.answers[slot] = answer
        party.open = len(missing)
        if not missing:
            done(party.answers)
            return
        with self._lock:
            # Under the lock, so that no lane is closed between being found and being used.
            is_complete = self._lane(lane).gather(missing, party)
        if is_complete:
            done(party.answers)

    def lane(self, lane: Lane) -> LaneWork:
        """The lane's work; opened when it is first used."""
        with self._lock:
            return self._lane(lane)

    def retain(self, lanes: Collection[Lane]) -> None:
        """Close the lanes that nobody needs any more, unless somebody waits in one."""
        with self._lock:
            unused = [
                lane
                for lane, work in self._lanes.items()
                if lane not in lanes and work.is_at_rest()
            ]
            closing = [self._lanes.pop(lane) for lane in unused]
        for work in closing:
            work.close()

    def _lane(self, lane: Lane) -> LaneWork:
        work = self._lanes.get(lane)
        if work is None:
            work = LaneWork(
                lane,
                self._open_backend,
                self._cache,
                self._metrics,
                clock=self._clock,
                start=self._start,
            )
            self._lanes[lane] = work
        return work
