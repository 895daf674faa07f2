"""The safety net: slowly compares versions, to find what no event announced.

Fed by the clock and the ledgers of all objects; has reconciler.compare look at what is due, by the
interval of the installation (HARK_SWEEP_INTERVAL) or by a shorter or longer one that objects ask
for (`spec.sweepInterval`).

Guarantees: one system that fails costs the others nothing, and what got no answer is asked for
again before long (reconciler.sweepplan). What only suspended objects use is left alone. Does not
guarantee to be on time: it runs at its interval, give or take a tenth, and after a restart when the
last one is that long ago; and one sweep waits for the end of another.
"""

import threading
import time
from collections.abc import Callable

import structlog

from externalsecret.errors import GiveUp, HarkError, whereabouts
from reconciler.cache import Cache
from reconciler.compare import Comparison
from reconciler.fetch import Fetcher
from reconciler.metrics import ReconcilerMetrics
from reconciler.objects import Objects, Wake
from reconciler.paces import Own
from reconciler.reads import Lane
from reconciler.rounds import Rounds
from reconciler.sweepasked import SweepAsked
from reconciler.sweepplan import Entries, SweepPlan
from reconciler.swept import SweepTimes
from reconciler.tidy import tidy
from reconciler.unannounced import WITHIN, TellUnannounced, Unannounced, tell_nobody

log = structlog.get_logger()

_ANY = 1.0
"""In place of an interval where there is none and all are to be swept all the same."""
_TICK = 5.0
"""The longest wait, so that a new interval is soon noticed."""


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
        interval: Own,
        times: SweepTimes,
        clock: Callable[[], float] = time.monotonic,
        now: Callable[[], float] = time.time,
        asked: SweepAsked | None = None,
        tell: TellUnannounced = tell_nobody,
        announced_within: float = WITHIN,
    ) -> None:
        """`interval` in seconds; None: only objects that ask for an own one are swept, and all when
        somebody asks for it now. `announced_within` in seconds, see reconciler.unannounced.
        """
        self._asked = asked or SweepAsked()
        self._objects = objects
        self._fetcher = fetcher
        self._cache = cache
        self._metrics = metrics
        self._interval = interval
        self._now = now
        self._unannounced = Unannounced(objects, metrics, clock, tell, announced_within)
        self._comparison = Comparison(
            objects, fetcher, cache, metrics, wake, unannounced=self._unannounced, clock=clock
        )
        self._rounds = Rounds(interval, times, now)
        metrics.sweep_interval.set(interval or 0.0)

    def run(self, stop: threading.Event, is_leader: Callable[[], bool]) -> None:
        """Sweep whenever it is due, while leading; for a thread of its own."""
        while not stop.wait(self._patience(leads=is_leader())):
            if not is_leader():
                # Whoever leads meanwhile begins anew.
                self._rounds.abandon()
                continue
            self._prepare(self._unannounced.judge)
            self._sweep_as_asked()
            self._prepare(self._use_intervals)
            for own, plan in self._rounds.due():
                self._turn(own, plan)

    def _prepare(self, step: Callable[[], None]) -> None:
        """Do what helps the sweep and must not keep it from coming."""
        try:
            step()
        except Exception as fault:  # noqa: BLE001 - the net below everything else stays up
            log.error("sweep.fault", fault=whereabouts(fault))

    def _use_intervals(self) -> None:
        self._rounds.use(self._objects.own_intervals())

    def _sweep_as_asked(self) -> None:
        question = self._asked.open_question()
        if not question:
            return
        log.info("sweep.asked")
        try:
            rest = self.sweep()
        except Exception as fault:  # noqa: BLE001 - whoever asked may ask again
            log.error("sweep.fault", fault=whereabouts(fault))
            self._asked.answer(question, unanswered=None)
            return
        for lane, entries in rest.items():
            self._rounds.add(lane, entries)
        self._asked.answer(question, unanswered=sum(map(len, rest.values())))

    def sweep(self) -> Entries:
        """Compare every version that is in use now, whatever the intervals; those that got no
        answer. The plans are told of those alone whose answers are still on their way.
        """
        tidy(self._objects, self._fetcher, self._cache)
        everything: dict[Lane, set[str]] = {}
        for lanes in self._objects.swept(self._interval or _ANY).values():
            for lane, entries in lanes.items():
                everything.setdefault(lane, set()).update(entries)
        return self._sweep(everything, self._rounds.add)

    def _patience(self, *, leads: bool) -> float:
        if not leads:
            return max(1.0, min(_TICK, self._interval or _TICK))
        return min(_TICK, max(0.05, min(self._rounds.wait(), self._unannounced.wait())))

    def _turn(self, own: Own, plan: SweepPlan) -> None:
        """Sweep all of one interval, or again what got no answer, if either is due."""
        begun = plan.begin()
        if begun is None:
            return
        try:
            if begun.is_whole and own is None:
                tidy(self._objects, self._fetcher, self._cache)
            entries = begun.entries
            if begun.is_whole:
                entries = self._objects.swept(self._interval).get(own, {})
            rest = self._sweep(entries, plan.add)
        except Exception as fault:  # noqa: BLE001 - the plan knows when to try again
            log.error("sweep.fault", fault=whereabouts(fault))
            return
        if plan.end(rest) and own is None:
            self._metrics.last_sweep.set(self._now())

    def _sweep(self, lanes: Entries, missing: Callable[[Lane, set[str]], None]) -> Entries:
        rest = {}
        for lane, entries in lanes.items():
            unanswered = self._guarded(lane, sorted(entries), missing)
            if unanswered:
                rest[lane] = unanswered
                self._metrics.sweep_unanswered.labels(lane.backend).inc(len(unanswered))
        keys, lost = sum(map(len, lanes.values())), sum(map(len, rest.values()))
        if lost:
            backends = sorted({lane.backend for lane in rest})
            log.warning("sweep.incomplete", backends=backends, keys=keys, unanswered=lost)
        elif keys:
            log.info("sweep.done", lanes=len(lanes), keys=keys)
        return rest

    def _guarded(
        self, lane: Lane, entries: list[str], missing: Callable[[Lane, set[str]], None]
    ) -> set[str]:
        """Sweep one lane, which costs the others nothing; what got no answer."""
        try:
            return self._comparison.compare(lane, entries, missing)
        except GiveUp as error:
            log.warning("sweep.refused", backend=lane.backend, error=str(error))
            self._comparison.refuse(lane, entries)
            return set()
        except HarkError as error:
            log.warning("sweep.failed", backend=lane.backend, error=str(error))
        except Exception as fault:  # noqa: BLE001 - a fault of ours may quote a value
            log.error("sweep.fault", backend=lane.backend, fault=whereabouts(fault))
        return set(entries)
