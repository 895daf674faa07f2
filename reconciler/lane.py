"""Lane: the asks of one system, identity and region, and the flights that carry them to the
backend.

Fed by reconciler.fetch; asks one backend (reconciler.backends) and feeds the cache and whoever
waits. While calls fly, new asks gather, and the next free flight takes as many as one call holds.

Guarantees: a lane has a few flights at once and waits after a passing failure, longer each time.
Paths, which may take many calls, fly alone and never in all flights at once: a single key waits for
none of them. An ask is never answered by a call that began before `since`, unless that call carried
the version asked for. A key that is asked for again and again with nothing new to tell waits
(reconciler.budget). Failures are never kept. A fault in a backend is a passing failure of these
reads, and a fault of who waits is his own: neither is the end of the lane.
"""

import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from itertools import islice

import structlog

from externalsecret.errors import HarkError, Retry, whereabouts
from reconciler.backends.contract import Backend, CannotLook, Look, Read
from reconciler.budget import Budget
from reconciler.cache import Cache, satisfies
from reconciler.keep import Keeper, version_in
from reconciler.load import Load, Party, Slot, Waiting
from reconciler.metrics import ReconcilerMetrics
from reconciler.pause import Pause
from reconciler.reads import Answer, Ask, Lane, Verb

log = structlog.get_logger()

OpenBackend = Callable[[Lane], Backend]
Start = Callable[["LaneWork", str], None]
"""Give a lane one more pilot, which calls `fly` or its parts, under this name."""

FLIGHTS_PER_LANE = 4
_PATHS_AT_ONCE = FLIGHTS_PER_LANE - 1
_IDLE_SECONDS = 30.0


class LaneWork:
    """The asks of one lane, and the flights that carry them."""

    def __init__(
        self,
        lane: Lane,
        open_backend: OpenBackend,
        cache: Cache,
        metrics: ReconcilerMetrics,
        *,
        clock: Callable[[], float],
        start: Start,
    ) -> None:
        self._lane = lane
        self._open_backend = open_backend
        self._keeper = Keeper(lane, cache, metrics)
        self._metrics = metrics
        self._clock = clock
        self._start = start
        self._changed = threading.Condition()
        self._backend: Backend | None = None
        self._waiting: OrderedDict[Slot, Waiting] = OrderedDict()
        self._flying: dict[Slot, Load] = {}
        self._flights = 0
        self._paths = 0
        self._idle = 0
        self._is_closed = False
        self._budget = Budget()
        self._pause = Pause(clock)

    def gather(self, asks: Sequence[Ask], party: Party) -> bool:
        """Take asks on board; whether there was nothing left to ask, so that the party is complete.

        A call may have landed since the asker looked into the cache: under the lock in which calls
        land it is looked for once more, or the same would be read again.
        """
        is_complete = False
        with self._changed:
            for ask in asks:
                answer = self._keeper.find(ask)
                if answer is None:
                    self._board(ask, party)
                else:
                    is_complete = _settle(party, (ask.verb, ask.reference.entry), answer)
            self._call_pilots()
        return is_complete

    def backend(self) -> Backend:
        """The lane's backend, opened when first used. Raises Retry or GiveUp."""
        with self._changed:
            backend = self._backend
        if backend is not None:
            return backend
        opened = self._open_backend(self._lane)
        with self._changed:
            if self._backend is None:
                self._backend = opened
            return self._backend

    def is_at_rest(self) -> bool:
        """Whether nobody waits for anything and nothing flies."""
        with self._changed:
            return not self._waiting and not self._flying

    def close(self) -> None:
        """Let go of the backend and the pilots; what is asked nevertheless opens it anew."""
        with self._changed:
            self._is_closed = True
            backend, self._backend = self._backend, None
            self._changed.notify_all()
        if backend is not None:
            backend.close()

    def _call_pilots(self) -> None:
        """Have as many pilots as there is work for; under the lock."""
        wanted = min(FLIGHTS_PER_LANE, len(self._waiting))
        for _ in range(wanted - self._idle):
            if self._flights >= FLIGHTS_PER_LANE:
                break
            self._start(self, f"lane-{self._lane.backend}-{self._flights + 1}")
            self._flights += 1
        self._changed.notify(max(1, wanted))

    def _board(self, ask: Ask, party: Party) -> None:
        slot = (ask.verb, ask.reference.entry)
        load = self._flying.get(slot)
        if load is not None and (load.began >= ask.since or ask.version is not None):
            load.joined.setdefault(slot, []).append((ask, party))
        else:
            if self._budget.wait(slot, self._clock()) > 0:
                self._metrics.held_back.labels(self._lane.backend).inc()
            self._waiting.setdefault(slot, Waiting()).asks.append((ask, party))

    def fly(self) -> None:
        """One flight after the other, until nothing came for a while; for a thread of its own."""
        has_left = False
        try:
            while self._await_load():
                self._open()
                load = self.depart()
                if load is not None:
                    self.land(load, self.ask(load))
            has_left = True
        except Exception as fault:  # noqa: BLE001 - a fault of ours must not kill the lane
            log.error("lane.fault", backend=self._lane.backend, fault=whereabouts(fault))
        finally:
            if not has_left:
                self._replace_pilot()

    def _open(self) -> None:
        """Only the backend knows how much one call holds. The flight tells why it cannot be had."""
        with suppress(Exception):
            self.backend()

    def _replace_pilot(self) -> None:
        with self._changed:
            self._flights -= 1
            if self._waiting:
                self._call_pilots()

    def _await_load(self) -> bool:
        """Wait for something to carry; False, and a pilot less, when nothing comes."""
        with self._changed:
            self._idle += 1
            try:
                while not self._may_depart():
                    is_closed = self._is_closed and not self._waiting
                    was_called = not is_closed and self._changed.wait(self._patience())
                    if not was_called and not self._waiting:
                        self._flights -= 1
                        return False
            finally:
                self._idle -= 1
            return True

    def _patience(self) -> float:
        """Seconds until there may be something to do although nobody says so."""
        now = self._clock()
        if self._next() is not None:
            return max(0.001, self._pause.until - now)
        waits = (self._budget.wait(slot, now) for slot in self._waiting)
        return min((max(0.001, wait) for wait in waits if wait > 0), default=_IDLE_SECONDS)

    def _may_depart(self) -> bool:
        return self._next() is not None and self._clock() >= self._pause.until

    def _next(self) -> Slot | None:
        """The first that may fly, pause aside."""
        now = self._clock()
        for slot, waiting in self._waiting.items():
            may_fly = self._paths < _PATHS_AT_ONCE or not waiting.is_path()
            if may_fly and self._budget.wait(slot, now) <= 0:
                return slot
        return None

    def depart(self) -> Load | None:
        """Take on board what one call holds; None when nothing may fly now."""
        with self._changed:
            first = self._next()
            if first is None or not self._may_depart():
                return None
            is_path = self._waiting[first].is_path()
            slots = [first] if is_path else self._batch(first[0])
            self._paths += is_path
            taken = {slot: self._waiting.pop(slot) for slot in slots}
            load = Load(first[0], self._clock(), taken, is_path=is_path)
            self._flying.update(dict.fromkeys(slots, load))
            for slot in slots:
                self._budget.spend(slot, load.began)
            return load

    def _batch(self, verb: Verb) -> list[Slot]:
        size = 1 if self._backend is None else self._backend.batch_size
        singles = (
            slot
            for slot, waiting in self._waiting.items()
            if slot[0] is verb
            and not waiting.is_path()
            and self._budget.wait(slot, self._clock()) <= 0
        )
        return list(islice(singles, size))

    def ask(self, load: Load) -> Mapping[str, Read | Look]:
        """The backend's answers; a call that fails as a whole fails for each."""
        references = load.references()
        try:
            backend = self.backend()
            if load.verb is Verb.READ:
                return dict(backend.read(references))
            return dict(backend.look(references))
        except HarkError as error:
            return {reference.entry: error for reference in references}
        except Exception as error:  # noqa: BLE001 - a fault of ours must not kill the lane
            return {reference.entry: _fault(error) for reference in references}

    def land(self, load: Load, results: Mapping[str, Read | Look]) -> None:
        """Hand out answers, and keep them."""
        settled: list[tuple[Party, Slot, Answer]] = []
        with self._changed:
            self._paths -= load.is_path
            passing = [result for result in results.values() if isinstance(result, Retry)]
            self._pause.pace(passing)
            for slot, waiting in load.slots.items():
                answer = Answer(results.get(slot[1]) or _unanswered(), load.began)
                # The same may have departed once more meanwhile, for somebody who must know newer.
                if self._flying.get(slot) is load:
                    del self._flying[slot]
                settled.extend((party, slot, answer) for _, party in waiting.asks)
                for ask, party in load.joined.get(slot, ()):
                    failed = isinstance(answer.result, HarkError | CannotLook)
                    if failed or satisfies(ask, answer):
                        settled.append((party, slot, answer))
                    else:
                        self._waiting.setdefault(slot, Waiting()).asks.append((ask, party))
                self._budget.brought(slot, version_in(answer.result))
                self._keeper.keep(slot, answer)
            if self._waiting:
                self._changed.notify()
            finished = [party for party, slot, answer in settled if _settle(party, slot, answer)]
        for party in finished:
            _tell(party)


def _settle(party: Party, slot: Slot, answer: Answer) -> bool:
    """Hand a party its answer; whether it was the last one."""
    party.answers[slot] = answer
    party.open -= 1
    return party.open == 0


def _tell(party: Party) -> None:
    """What a party makes of its answers is nothing that may hurt the others."""
    try:
        party.done(party.answers)
    except Exception as fault:  # noqa: BLE001 - its text might quote a value
        log.error("answer.fault", fault=whereabouts(fault))


def _unanswered() -> Retry:
    return Retry("The backend left this read without an answer.", reason="BackendUnavailable")


def _fault(error: Exception) -> Retry:
    """A fault of ours, without its text: that might quote a value."""
    log.error("backend.fault", fault=whereabouts(error))
    return Retry(
        f"A fault inside Hark ({type(error).__name__}) stopped this read. It is tried again; "
        "please report it with the log of the reconciler.",
        reason="InternalFault",
    )
