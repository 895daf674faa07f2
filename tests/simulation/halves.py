"""Both halves of the product as they are composed in a process, but stepped instead of threaded."""

import hashlib
import json
import random
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from prometheus_client import CollectorRegistry

from externalsecret.dialect.contract import Defaults
from externalsecret.kubeapi import GROUP_PATH, KubeApi
from externalsecret.kubeevents import Recorder
from externalsecret.ledger import Heard
from externalsecret.redacted import Redacted
from externalsecret.reflect import Key
from externalsecret.resource import MANAGED_LABEL, MANAGED_VALUE
from fakes.kubeapi import FakeKubeApi
from listener.ear import Ear
from listener.hold import Hold
from listener.index import Index
from listener.listen import Listener
from listener.metrics import ListenerMetrics
from listener.notes import NoteWriter
from listener.recent import Recent
from reconciler.apply import SecretWriter
from reconciler.backends.contract import Look, Read
from reconciler.backoff import Backoff
from reconciler.cache import Cache
from reconciler.evaluate import Done, Evaluator
from reconciler.fetch import Fetcher
from reconciler.guard import Guard
from reconciler.lane import LaneWork, OpenBackend
from reconciler.live import LiveSecrets
from reconciler.load import Load
from reconciler.metrics import ReconcilerMetrics
from reconciler.objects import Objects
from reconciler.parts import Parts
from reconciler.reconcile import Reconciler
from reconciler.rereads import Rereads
from reconciler.sweep import Sweeper
from reconciler.swept import Swept
from reconciler.workqueue import WorkQueue
from simulation.cloud import Queue, parse
from simulation.feed import Feed

DEFAULTS = Defaults(region="eu-central-1")
EXTERNAL_SECRETS = f"{GROUP_PATH}/externalsecrets"
ALL = "<%= all %>"
_EPOCH = 1_800_000_000.0


@dataclass(slots=True)
class Clock:
    """Seconds that pass only when told."""

    seconds: float = 1000.0

    def __call__(self) -> float:
        return self.seconds

    def time(self) -> float:
        return _EPOCH + self.seconds


class _Stop(threading.Event):
    """Waits pass at once: who waits for a backoff shall be asked again later."""

    def wait(self, timeout: float | None = None) -> bool:
        assert timeout is not None
        return False


class ListenerHalf:
    """The listener's memory and its steps."""

    def __init__(self, fake: FakeKubeApi, api: KubeApi, queue: Queue, clock: Clock) -> None:
        metrics = ListenerMetrics(CollectorRegistry())
        recent = Recent(clock)
        self.index = Index(DEFAULTS, "", recent, self._note_missed)
        stop = _Stop()
        self._patience = Clock()
        self.notes = NoteWriter(
            api,
            metrics,
            stop=stop,
            on_reply=self.index.refresh,
            on_pruned=_pruned,
            on_refused=lambda _key, _why: None,
            may_note=lambda: True,
            standing=self.index.standing,
            clock=self._patience,
        )
        self.feed = Feed(fake, EXTERNAL_SECRETS, self.index)
        self._queue = queue
        self._hold = Hold(queue, metrics, clock=clock)
        ear = Ear(self.index, recent, self.notes, metrics, lambda: True, stop, clock.time)
        self._listener = Listener(queue, parse, self._hold, ear)
        self.feed.relist()

    def receive(self) -> bool:
        if not self._queue.waiting():
            return False
        deliveries = self._queue.receive()
        for delivery in deliveries:
            known = self._queue.messages[int(delivery.receipt.partition("/")[0])].known
            while self.feed.seen < known and self.feed.step():
                pass
        self._listener.take(deliveries)
        return True

    def write_notes(self) -> bool:
        # Nothing waits for its backoff when its turn comes.
        self._patience.seconds += 1000.0
        return self.notes.write_due()

    def acknowledge(self) -> bool:
        held = len(self._hold)
        return held > 0 and self._hold.work_once() and len(self._hold) < held

    def steps(self) -> list[Callable[[], bool]]:
        return [self.feed.step, self.receive, self.write_notes, self.acknowledge]

    def _note_missed(self, key: Key, missed: Mapping[str, Heard]) -> None:
        self.notes.submit(key, missed, None)


def _pruned() -> None:
    raise AssertionError("the note did not come back")


@dataclass(slots=True)
class _Flight:
    lane: LaneWork
    load: Load
    results: Mapping[str, Read | Look] | None = None


@dataclass(slots=True)
class Flights:
    """What the pilots of all lanes do, one step at a time."""

    rng: random.Random
    lanes: list[LaneWork] = field(default_factory=list)
    flying: list[_Flight] = field(default_factory=list)

    def start(self, lane: LaneWork, _name: str) -> None:
        if lane not in self.lanes:
            self.lanes.append(lane)

    def depart(self) -> bool:
        self.rng.shuffle(self.lanes)
        for lane in self.lanes:
            load = lane.depart()
            if load is not None:
                self.flying.append(_Flight(lane, load))
                return True
        return False

    def ask(self) -> bool:
        for flight in self.flying:
            if flight.results is None:
                flight.results = flight.lane.ask(flight.load)
                return True
        return False

    def land(self) -> bool:
        if not self.flying:
            return False
        flight = self.flying.pop(self.rng.randrange(len(self.flying)))
        results = flight.results
        flight.lane.land(flight.load, flight.lane.ask(flight.load) if results is None else results)
        return True


class _Engine:
    """Evaluates every expression to all entries."""

    def call(self, _function: str, argument: Any) -> Any:
        every = all_of(argument["entries"])
        return {"made": [text.replace(ALL, every) for text in argument["texts"]]}

    def close(self) -> None:
        """There is nothing to end."""


def all_of(entries: Mapping[str, str]) -> str:
    """What the one expression of the schedules stands for; base64 as well as text."""
    return hashlib.sha224(json.dumps(sorted(entries.items())).encode()).hexdigest()


class _AtOnce(Evaluator):
    """Without a thread."""

    def submit(
        self, key: Key, template: Mapping[str, Any], data: Mapping[str, Redacted], done: Done
    ) -> None:
        done(self._made(key, template, data))


class ReconcilerHalf:
    """The reconciler's memory and its steps."""

    def __init__(
        self,
        fake: FakeKubeApi,
        api: KubeApi,
        open_backend: OpenBackend,
        guard: Guard,
        clock: Clock,
        rng: random.Random,
    ) -> None:
        self._registry = CollectorRegistry()
        self.metrics = ReconcilerMetrics(self._registry)
        self.queue = WorkQueue(clock)
        self.flights = Flights(rng)
        objects = Objects(DEFAULTS, "", self._wake)
        live = LiveSecrets(self._wake)
        cache = Cache(1_000_000)
        fetcher = Fetcher(open_backend, cache, self.metrics, clock=clock, start=self.flights.start)
        self._reconciler = Reconciler(
            Parts(
                api,
                self.queue,
                objects,
                live,
                fetcher,
                cache,
                SecretWriter(api, live, self.metrics),
                _AtOnce(_Engine()),
                Rereads((1.0, 2.0, 4.0, 8.0)),
                Backoff(rng.uniform),
                Recorder(FakeKubeApi(), "hark-reconciler", clock.time),
                self.metrics,
                guard,
                lambda: True,
                clock,
                clock.time,
            )
        )
        self.sweeper = Sweeper(
            objects,
            fetcher,
            cache,
            self.metrics,
            self._wake,
            interval=3600.0,
            times=Swept(clock.time),
            clock=clock,
            now=clock.time,
        )
        self.objects = Feed(fake, EXTERNAL_SECRETS, objects)
        selector = f"{MANAGED_LABEL}={MANAGED_VALUE}"
        self.secrets = Feed(fake, "/api/v1/secrets", live, selector)
        self.secrets.relist()
        self.objects.relist()

    def work(self) -> bool:
        task = self.queue.take(wait=False)
        if task is None:
            return False
        self._reconciler.do(task)
        return True

    def steps(self) -> list[Callable[[], bool]]:
        flights = self.flights
        return [
            self.objects.step,
            self.secrets.step,
            self.work,
            flights.depart,
            flights.ask,
            flights.land,
        ]

    def faults(self) -> float:
        """Exceptions that nobody expected."""
        sample = "hark_reconciler_reconciles_total"
        return self._registry.get_sample_value(sample, {"outcome": "InternalFault"}) or 0.0

    def _wake(self, key: Key, urgent: bool) -> None:  # noqa: FBT001 - the shape of Wake
        self.queue.add(key, urgent=urgent)
