import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import pytest
from prometheus_client import CollectorRegistry

from externalsecret.errors import GiveUp, HarkError, Retry
from externalsecret.redacted import Redacted
from externalsecret.reference import Reference, Select, Selector
from fakes.resources import LANE, Clock, entry_of, reference
from reconciler.backends.contract import Backend, Look, Read, Value, Versions
from reconciler.backends.memory import MemoryBackend
from reconciler.cache import Cache
from reconciler.fetch import Fetcher
from reconciler.lane import FLIGHTS_PER_LANE, LaneWork
from reconciler.load import Answers, Load
from reconciler.metrics import ReconcilerMetrics
from reconciler.reads import Answer, Ask, Lane, ReadKey, Verb

READ_DB = (Verb.READ, entry_of("db"))
FAR_LANE = replace(LANE, scope="us-east-1")


class Stepped:
    """A Fetcher whose flights are stepped by the test."""

    def __init__(self, backend: Backend | None = None, cache: Cache | None = None) -> None:
        self.clock = Clock()
        self.backend = MemoryBackend()
        self.lanes: list[LaneWork] = []
        self.registry = CollectorRegistry()
        serving = backend or self.backend
        self.fetcher = Fetcher(
            lambda _lane: serving,
            cache or Cache(100_000),
            ReconcilerMetrics(self.registry),
            clock=self.clock,
            start=lambda lane, _name: self.lanes.append(lane),
        )
        # The first use opens the backend, which tells how much a batch holds.
        self.lane = self.fetcher.lane(LANE)
        self.lane.backend()

    def put(self, *names: str, version: str = "v1") -> None:
        for name in names:
            self.backend.put(name, version.encode(), version)

    def submit(
        self, name: str = "db", *, since: float = 0, version: str | None = None, verb: str = "read"
    ) -> list[Answers]:
        answers: list[Answers] = []
        ask = Ask(Verb(verb), reference(name), since, version)
        self.fetcher.submit(LANE, [ask], answers.append)
        return answers

    def fly(self) -> None:
        load = self.lane.depart()
        assert load is not None
        self.lane.land(load, self.lane.ask(load))

    def reads(self, name: str = "db") -> int:
        return self.backend.reads[entry_of(name)]


def version_in(answers: list[Answers]) -> str:
    result = answers[0][READ_DB].result
    assert isinstance(result, Value)
    return result.version


def test_asks_for_the_same_share_one_answer() -> None:
    stepped = Stepped()
    stepped.put("db")
    first, second = stepped.submit(), stepped.submit()
    stepped.fly()
    assert version_in(first) == version_in(second) == "v1"
    assert stepped.reads() == 1
    assert stepped.lane.depart() is None


def test_a_second_ask_is_answered_from_the_cache_at_once() -> None:
    stepped = Stepped()
    stepped.put("db")
    stepped.submit()
    stepped.fly()
    assert version_in(stepped.submit()) == "v1"
    assert stepped.reads() == 1


class _LateCache(Cache):
    """Between a look into it that finds nothing and what follows, something happens."""

    def __init__(self) -> None:
        super().__init__(100_000)
        self.meanwhile: Callable[[], None] | None = None

    def find(self, ask: Ask, read: ReadKey) -> Answer | None:
        found = super().find(ask, read)
        meanwhile, self.meanwhile = self.meanwhile, None
        if meanwhile is not None:
            meanwhile()
        return found


@pytest.mark.parametrize("others", [(), ("web",)])
def test_a_call_that_lands_just_after_the_look_into_the_cache_is_not_made_again(
    others: tuple[str, ...],
) -> None:
    cache = _LateCache()
    stepped = Stepped(cache=cache)
    stepped.put("db", *others)
    first = stepped.submit()
    cache.meanwhile = stepped.fly
    second: list[Answers] = []
    asks = [Ask(Verb.READ, reference(name), 0) for name in ("db", *others)]
    stepped.fetcher.submit(LANE, asks, second.append)
    assert version_in(first) == "v1"
    if others:
        assert second == []
        stepped.fly()
    assert version_in(second) == "v1"
    assert len(second) == 1
    assert stepped.reads() == 1
    assert stepped.lane.depart() is None


def test_who_is_answered_just_after_his_look_may_ask_again_at_once() -> None:
    cache = _LateCache()
    stepped = Stepped(cache=cache)
    stepped.put("db")
    stepped.submit()
    cache.meanwhile = stepped.fly
    again: list[Answers] = []

    def ask_again(_answers: Answers) -> None:
        again.extend(stepped.submit())

    stepped.fetcher.submit(LANE, [Ask(Verb.READ, reference("db"), 0, None)], ask_again)
    assert version_in(again) == "v1"
    assert stepped.reads() == 1


def test_who_asks_for_several_things_is_called_once_with_all() -> None:
    stepped = Stepped()
    stepped.put("db", "web")
    stepped.submit("web")
    stepped.fly()
    answers: list[Answers] = []
    asks = [Ask(Verb.READ, reference(name), 0) for name in ("db", "web")]
    stepped.fetcher.submit(LANE, asks, answers.append)
    assert answers == []
    stepped.fly()
    assert len(answers) == 1
    assert set(answers[0]) == {READ_DB, (Verb.READ, entry_of("web"))}


def test_batches_form_while_earlier_calls_fly_and_hold_what_one_call_holds() -> None:
    stepped = Stepped()
    names = [f"n{number}" for number in range(25)]
    stepped.put("db", *names)
    stepped.submit()
    flying = stepped.lane.depart()
    assert flying is not None
    waiting = [stepped.submit(name) for name in names]
    stepped.fly()
    stepped.fly()
    assert all(waiting)
    assert stepped.backend.calls["read"] == 2


def test_looks_and_reads_do_not_travel_in_one_call() -> None:
    stepped = Stepped()
    stepped.put("db", "web")
    stepped.submit("db", verb="look")
    stepped.submit("web")
    stepped.fly()
    assert (stepped.backend.calls["look"], stepped.backend.calls["read"]) == (1, 0)


def test_who_asks_while_it_flies_shares_the_answer_when_the_call_is_young_enough() -> None:
    stepped = Stepped()
    stepped.put("db")
    stepped.submit()
    load = stepped.lane.depart()
    assert load is not None
    joined = stepped.submit(since=load.began)
    stepped.lane.land(load, stepped.lane.ask(load))
    assert version_in(joined) == "v1"
    assert stepped.reads() == 1


def test_who_joined_for_a_version_that_the_call_did_not_bring_flies_again() -> None:
    stepped = Stepped()
    stepped.put("db")
    stepped.submit()
    load = stepped.lane.depart()
    assert load is not None
    old = stepped.lane.ask(load)
    stepped.put("db", version="v2")
    stepped.clock.seconds += 1
    joined = stepped.submit(since=stepped.clock.seconds, version="v2")
    assert stepped.lane.depart() is None
    stepped.lane.land(load, old)
    assert joined == []
    stepped.fly()
    assert version_in(joined) == "v2"


def test_who_must_know_newer_than_what_flies_is_flown_besides_and_both_land() -> None:
    stepped = Stepped()
    stepped.put("db")
    first = stepped.submit()
    early = stepped.lane.depart()
    assert early is not None
    old = stepped.lane.ask(early)
    stepped.put("db", version="v2")
    stepped.clock.seconds += 1
    second = stepped.submit(since=stepped.clock.seconds)
    late = stepped.lane.depart()
    assert late is not None
    third = stepped.submit(since=stepped.clock.seconds)
    stepped.lane.land(early, old)
    stepped.lane.land(late, stepped.lane.ask(late))
    assert [version_in(answers) for answers in (first, second, third)] == ["v1", "v2", "v2"]
    assert version_in(stepped.submit(since=stepped.clock.seconds)) == "v2"


def test_a_failure_is_told_to_all_and_kept_by_nobody() -> None:
    stepped = Stepped()
    stepped.backend.fail("db", GiveUp("no", reason="Denied"))
    answers = stepped.submit()
    stepped.fly()
    assert isinstance(answers[0][READ_DB].result, GiveUp)
    stepped.backend.fail("db", None)
    stepped.put("db")
    again = stepped.submit()
    stepped.fly()
    assert version_in(again) == "v1"


def test_what_is_marked_for_deletion_is_looked_at_anew_each_time() -> None:
    stepped = Stepped()
    stepped.put("db")
    stepped.backend.mark_deleted("db")
    for _ in range(2):
        stepped.submit(verb="look")
        stepped.fly()
    assert stepped.backend.calls["look"] == 2


def test_after_a_passing_failure_the_lane_pauses_longer_each_time() -> None:
    stepped = Stepped()
    stepped.backend.fail("db", Retry("away", reason="BackendUnavailable"))
    for least in (0.2, 0.4):
        stepped.submit()
        stepped.fly()
        stepped.submit()
        stepped.clock.seconds += least - 0.01
        assert stepped.lane.depart() is None
        stepped.clock.seconds += 20


def test_a_pause_that_was_asked_for_is_kept() -> None:
    stepped = Stepped()
    stepped.backend.fail("db", Retry("slow", reason="Throttled", after=60))
    stepped.submit()
    stepped.fly()
    stepped.submit()
    stepped.clock.seconds += 59
    assert stepped.lane.depart() is None
    stepped.clock.seconds += 1
    assert stepped.lane.depart() is not None


def test_a_lasting_failure_pauses_nobody() -> None:
    stepped = Stepped()
    stepped.backend.fail("db", GiveUp("no", reason="Denied"))
    stepped.submit()
    stepped.fly()
    stepped.submit()
    assert stepped.lane.depart() is not None


class Odd:
    """A backend that misbehaves."""

    batch_size = 20

    def __init__(self, answer: Callable[[Sequence[Reference]], Mapping[str, Read]]) -> None:
        self._answer = answer

    def read(self, references: Sequence[Reference]) -> Mapping[str, Read]:
        return self._answer(references)

    def look(self, references: Sequence[Reference]) -> Mapping[str, Look]:
        return {one.entry: Versions(None, {}, "") for one in references}

    def sweep(self, references: Sequence[Reference]) -> Mapping[str, Look]:
        return self.look(references)

    def close(self) -> None:
        """Nothing."""


def _faulty(references: Sequence[Reference]) -> Mapping[str, Read]:
    raise KeyError(f"the value of {references[0].key} is hunter2")


def _silent(_references: Sequence[Reference]) -> Mapping[str, Read]:
    return {}


@pytest.mark.parametrize("answer", [_faulty, _silent])
def test_a_faulty_backend_is_an_answer_to_try_again_and_never_the_end_of_a_lane(
    answer: Callable[[Sequence[Reference]], Mapping[str, Read]],
) -> None:
    stepped = Stepped(Odd(answer))
    answers = stepped.submit()
    stepped.fly()
    result = answers[0][READ_DB].result
    assert isinstance(result, Retry)
    assert "hunter2" not in str(result)


def test_a_backend_that_cannot_be_opened_is_tried_again_at_the_next_flight() -> None:
    troubles: list[HarkError] = [GiveUp("no role", reason="Denied")]
    backend = MemoryBackend()
    backend.put("db", b"x", "v1")

    def open_backend(_lane: Lane) -> Backend:
        if troubles:
            raise troubles.pop()
        return backend

    lanes: list[LaneWork] = []
    fetcher = Fetcher(
        open_backend,
        Cache(1000),
        ReconcilerMetrics(CollectorRegistry()),
        start=lambda lane, _name: lanes.append(lane),
    )
    answers: list[Answers] = []
    for _ in range(2):
        fetcher.submit(LANE, [Ask(Verb.READ, reference("db"), 0)], answers.append)
        load = lanes[0].depart()
        assert load is not None
        lanes[0].land(load, lanes[0].ask(load))
    assert isinstance(answers[0][READ_DB].result, GiveUp)
    assert isinstance(answers[1][READ_DB].result, Value)


def test_only_what_was_answered_counts_as_a_value_read() -> None:
    stepped = Stepped()
    stepped.put("db")
    stepped.submit()
    stepped.submit("none")
    stepped.submit("db", verb="look")
    stepped.fly()
    stepped.fly()
    labels = {"backend": "secretsmanager"}
    count = stepped.registry.get_sample_value
    assert count("hark_reconciler_value_reads_total", labels) == 1
    assert count("hark_reconciler_looks_total", labels) == 1


def test_a_slow_lane_holds_no_other_and_has_a_few_flights_at_once() -> None:
    gate = threading.Event()
    slow, fast = MemoryBackend(gate), MemoryBackend()
    slow.batch_size = 1
    for backend in (slow, fast):
        for name in ["db", *map(str, range(10))]:
            backend.put(name, b"x", "v1")
    fetcher = Fetcher(
        lambda lane: slow if lane == LANE else fast,
        Cache(100_000),
        ReconcilerMetrics(CollectorRegistry()),
    )
    landed = threading.Event()
    ended = threading.Semaphore(0)
    for number in range(10):
        ask = Ask(Verb.READ, reference(f"{number}"), 0)
        fetcher.submit(LANE, [ask], lambda _answers: ended.release())
    fetcher.submit(FAR_LANE, [Ask(Verb.READ, reference("db"), 0)], lambda _answers: landed.set())
    assert landed.wait(10)
    assert slow.calls["read"] <= FLIGHTS_PER_LANE
    gate.set()
    assert all(ended.acquire(timeout=10) for _ in range(10))


def test_a_value_does_not_show_in_what_an_answer_says_of_itself() -> None:
    stepped = Stepped()
    stepped.backend.put("db", b"hunter2", "v1")
    answers = stepped.submit()
    stepped.fly()
    assert "hunter2" not in repr(answers)
    assert Redacted(b"hunter2") == Redacted(b"hunter2")


def _path(name: str) -> Reference:
    return replace(reference(name), selector=Selector(Select.PATH))


def test_paths_fly_alone_and_leave_a_flight_to_single_keys() -> None:
    stepped = Stepped()
    stepped.put("db", "web")
    for number in range(FLIGHTS_PER_LANE):
        ask = Ask(Verb.READ, _path(f"/p{number}"), 0)
        stepped.fetcher.submit(LANE, [ask], lambda _answers: None)
    flying = [stepped.lane.depart() for _ in range(FLIGHTS_PER_LANE - 1)]
    assert [len(load.slots) for load in flying if load is not None] == [1, 1, 1]
    assert stepped.lane.depart() is None
    first, second = stepped.submit("db"), stepped.submit("web")
    stepped.fly()
    assert first
    assert second
    assert stepped.lane.depart() is None
    assert flying[0] is not None
    stepped.lane.land(flying[0], stepped.lane.ask(flying[0]))
    assert stepped.lane.depart() is not None


class Threaded:
    """A Fetcher with real pilots, and every backend that it opened."""

    def __init__(self) -> None:
        self.opened: list[MemoryBackend] = []
        self.pilots: list[threading.Thread] = []
        self.fetcher = Fetcher(
            self._open, Cache(0), ReconcilerMetrics(CollectorRegistry()), start=self._start
        )

    def _open(self, _lane: Lane) -> Backend:
        backend = MemoryBackend()
        backend.put("db", b"x", "v1")
        self.opened.append(backend)
        return backend

    def _start(self, lane: LaneWork, name: str) -> None:
        pilot = threading.Thread(target=lane.fly, name=name, daemon=True)
        self.pilots.append(pilot)
        pilot.start()

    def closed(self) -> list[bool]:
        return [backend.closed for backend in self.opened]

    def read(self, done: Callable[[Answers], None]) -> None:
        self.fetcher.submit(LANE, [Ask(Verb.READ, reference("db"), 0)], done)

    def read_now(self) -> None:
        landed = threading.Event()
        self.read(lambda _answers: landed.set())
        assert landed.wait(10)


def test_who_raises_over_his_answer_costs_neither_the_others_nor_the_lane() -> None:
    threaded = Threaded()
    for _ in range(2 * FLIGHTS_PER_LANE):
        raised = threading.Event()

        def stumble(_answers: Answers, raised: threading.Event = raised) -> None:
            raised.set()
            raise KeyError("hunter2")

        threaded.read(stumble)
        assert raised.wait(10)
    threaded.read_now()


def test_a_pilot_that_is_lost_is_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    stepped = Stepped()
    stepped.submit()

    def lose(_load: Load) -> None:
        raise RuntimeError

    assert len(stepped.lanes) == 1
    with monkeypatch.context() as broken:
        broken.setattr(stepped.lane, "ask", lose)
        stepped.lane.fly()
    stepped.submit("web")
    assert len(stepped.lanes) == 2


def test_what_nobody_needs_any_more_is_closed_and_its_pilots_end() -> None:
    threaded = Threaded()
    threaded.read_now()
    threaded.fetcher.retain({LANE})
    assert threaded.closed() == [False]
    work = threaded.fetcher.lane(LANE)
    while not work.is_at_rest():
        threading.Event().wait(0.001)
    threaded.fetcher.retain(set())
    assert threaded.closed() == [True]
    threaded.pilots[0].join(5)
    assert not threaded.pilots[0].is_alive()
    threaded.read_now()
    assert threaded.closed() == [True, False]


def test_a_lane_in_which_somebody_waits_is_not_closed() -> None:
    stepped = Stepped()
    stepped.put("db")
    answers = stepped.submit()
    stepped.fetcher.retain(set())
    assert stepped.fetcher.lane(LANE) is stepped.lane
    stepped.fly()
    assert answers
    stepped.fetcher.retain(set())
    assert stepped.backend.closed


class Hasty(Clock):
    """A quarter of a second passes with each look at it."""

    def __call__(self) -> float:
        self.seconds += 0.25
        return self.seconds


def test_a_pause_that_ends_while_a_pilot_makes_up_its_mind_is_not_slept_through() -> None:
    backend = MemoryBackend()
    backend.fail("db", Retry("slow", reason="Throttled", after=0.3))
    pilots: list[threading.Thread] = []

    def start_one(lane: LaneWork, _name: str) -> None:
        if not pilots:
            pilots.append(threading.Thread(target=lane.fly, daemon=True))
            pilots[0].start()

    fetcher = Fetcher(
        lambda _lane: backend,
        Cache(1000),
        ReconcilerMetrics(CollectorRegistry()),
        clock=Hasty(),
        start=start_one,
    )
    ask = Ask(Verb.READ, reference("db"), 0)
    landed = threading.Event()

    def again(_answers: Answers) -> None:
        fetcher.submit(LANE, [ask], lambda _answers: landed.set())

    fetcher.submit(LANE, [ask], again)
    assert landed.wait(5)


def test_a_flood_over_one_key_waits_shares_a_call_and_holds_no_other_key() -> None:
    stepped = Stepped()
    stepped.put("db", "app")
    for number in range(11):
        # Each must know newer than the last.
        stepped.submit(since=stepped.clock() + 0.001 * number)
        stepped.clock.seconds += 0.01
        stepped.fly()
    waiting = [stepped.submit(since=stepped.clock() + 0.001) for _ in range(50)]
    other = stepped.submit("app", since=stepped.clock())
    stepped.fly()
    assert len(other) == 1
    assert stepped.lane.depart() is None
    assert (stepped.reads(), waiting[0]) == (11, [])
    sample = "hark_reconciler_asks_held_back_total"
    assert stepped.registry.get_sample_value(sample, {"backend": "secretsmanager"}) == 50
    stepped.clock.seconds += 6.1
    stepped.fly()
    assert stepped.reads() == 12
    assert all(version_in(one) == "v1" for one in waiting)


def test_a_key_that_changes_is_read_however_often_it_does() -> None:
    stepped = Stepped()
    for number in range(50):
        stepped.put("db", version=f"v{number}")
        stepped.clock.seconds += 0.01
        told = stepped.submit(since=stepped.clock())
        stepped.fly()
        assert version_in(told) == f"v{number}"


def test_the_first_flights_of_a_lane_are_as_full_as_its_backend_allows() -> None:
    backend = MemoryBackend()
    names = [f"k{number}" for number in range(backend.batch_size + 5)]
    for name in names:
        backend.put(name, b"x", "v1")
    metrics = ReconcilerMetrics(CollectorRegistry())
    fetcher = Fetcher(lambda _lane: backend, Cache(100_000), metrics)
    answered = threading.Event()
    asks = [Ask(Verb.READ, reference(name), 0.0) for name in names]
    fetcher.submit(LANE, asks, lambda _found: answered.set())
    assert answered.wait(10)
    assert backend.calls["read"] == 2
    fetcher.lane(LANE).close()
