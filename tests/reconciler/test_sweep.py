import itertools
import threading
from collections.abc import Callable
from typing import Any

import pytest
from prometheus_client import CollectorRegistry
from structlog.testing import capture_logs

from externalsecret.errors import GiveUp, Retry
from fakes.resources import (
    DEFAULTS,
    LANE,
    Clock,
    entry_of,
    heard,
    manifest,
    raw,
    reference,
    spec,
    synced,
)
from fakes.times import Times
from reconciler.backends.contract import Backend
from reconciler.backends.memory import MemoryBackend
from reconciler.cache import Cache
from reconciler.fetch import Fetcher
from reconciler.lane import LaneWork
from reconciler.metrics import ReconcilerMetrics
from reconciler.objects import Objects
from reconciler.reads import Lane
from reconciler.sweep import Sweeper
from reconciler.sweepasked import ANSWERED, ASKED, UNANSWERED, SweepAsked
from reconciler.unannounced import Unannounced

DB = (LANE, entry_of("db"))
HOUR = 3600.0


class Lagging(MemoryBackend):
    """Its sweep may see less than its look."""

    def __init__(self) -> None:
        super().__init__()
        self.lag: dict[str, Any] = {}

    def sweep(self, references: Any) -> Any:
        return {**super().sweep(references), **self.lag}


class Safety:
    """One object that reads `db`, and the net below it."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.backend = Lagging()
        self.backend.put("db", b"one", "v1")
        self.registry = CollectorRegistry()
        self.woken: list[tuple[str, str]] = []
        self.told: list[tuple[str, str]] = []
        self.kept = Times()
        self.times = self.kept.of[None]
        self.lanes: list[LaneWork] = []
        self.objects = Objects(DEFAULTS, "", self._wake)
        self.cache = Cache(10_000)
        self.trouble: dict[Lane, Exception] = {}
        self.asked = SweepAsked()
        metrics = ReconcilerMetrics(self.registry)
        self.fetcher = Fetcher(self._open, self.cache, metrics, clock=self.clock, start=self._start)
        self.sweeper = Sweeper(
            self.objects,
            self.fetcher,
            self.cache,
            metrics,
            self._wake,
            interval=HOUR,
            times=self.kept,
            clock=self.clock,
            now=self.clock,
            asked=self.asked,
            tell=lambda es, entry: self.told.append((es.key[1], entry)),
        )
        self.version = 0
        self.hear()

    def _wake(self, key: tuple[str, str], _urgent: bool) -> None:  # noqa: FBT001 - as Wake
        self.woken.append(key)

    def _open(self, lane: Lane) -> Backend:
        if lane in self.trouble:
            raise self.trouble[lane]
        return self.backend

    def _start(self, lane: LaneWork, _name: str) -> None:
        self.lanes.append(lane)

    def hear(self, *notes: str) -> None:
        """The object synced v1 and heard these notes since."""
        self.version += 1
        leaves: dict[str, Any] = {"synced": synced(manifest(password="db"), "db", "v1")}
        for note in notes:
            leaves["heard"] = heard(note)
        status = {"uid": "u1", "keys": {DB[1]: leaves}}
        self.objects.replace(raw(status=status, version=self.version))

    def count(self, metric: str) -> float:
        sample = f"hark_reconciler_{metric}_total"
        return self.registry.get_sample_value(sample, {"backend": "secretsmanager"}) or 0.0

    def fly(self) -> None:
        load = self.lanes[0].depart()
        assert load is not None
        self.lanes[0].land(load, self.lanes[0].ask(load))

    def run_until(self, enough: Callable[[], bool], *, leads: bool = True) -> None:
        """Run its loop, with a clock that jumps to whatever it waits for."""
        clock = self.clock

        class Stop(threading.Event):
            def wait(self, timeout: float | None = None) -> bool:
                clock.seconds += timeout or 0.0
                return enough()

        self.sweeper.run(Stop(), lambda: leads)


@pytest.fixture
def net() -> Safety:
    return Safety()


def test_where_nothing_differs_nobody_is_woken_and_no_value_is_read(net: Safety) -> None:
    net.sweeper.sweep()
    assert net.woken == []
    assert (net.backend.calls["sweep"], net.backend.calls["look"]) == (1, 0)
    assert net.backend.reads.total() == 0


def test_a_version_that_nobody_announced_is_found_and_its_readers_are_woken(net: Safety) -> None:
    net.backend.put("db", b"two", "v2")
    net.sweeper.sweep()
    assert net.woken == [("team", "shop")]
    assert net.cache.current(DB) == "v2"
    assert net.count("changes_found_by_sweep") == 1


def test_a_difference_counts_only_after_a_fresh_look(net: Safety) -> None:
    net.backend.put("db", b"two", "v2")
    net.backend.lag = dict(net.backend.look([reference("db")]))
    net.backend.move("db", "AWSCURRENT", "v1")
    net.sweeper.sweep()
    assert net.woken == []
    assert net.count("changes_found_by_sweep") == 0


def test_what_was_found_wakes_once_and_again_when_it_moves_on(net: Safety) -> None:
    net.backend.put("db", b"two", "v2")
    net.sweeper.sweep()
    net.sweeper.sweep()
    assert len(net.woken) == 1
    net.backend.put("db", b"three", "v3")
    net.sweeper.sweep()
    assert len(net.woken) == 2


def test_a_secret_that_is_gone_has_its_readers_say_why(net: Safety) -> None:
    net.backend.mark_deleted("db")
    net.sweeper.sweep()
    assert net.woken == [("team", "shop")]
    assert net.cache.current(DB) == ""
    net.backend.delete("db")
    net.sweeper.sweep()
    assert net.count("changes_found_by_sweep") == 0


def test_where_there_is_no_metadata_the_value_tells(net: Safety) -> None:
    net.backend.blind("db")
    net.backend.put("db", b"two", "v2")
    net.sweeper.sweep()
    assert net.woken == []
    net.fly()
    assert net.woken == [("team", "shop")]
    assert net.count("changes_found_by_sweep") == 1
    assert net.backend.reads[DB[1]] == 1


def test_without_metadata_an_equal_value_wakes_nobody(net: Safety) -> None:
    net.backend.blind("db")
    net.sweeper.sweep()
    net.fly()
    assert net.woken == []


def test_one_system_that_fails_costs_the_others_nothing(net: Safety) -> None:
    role = "arn:aws:iam::123456789012:role/other"
    net.objects.replace(raw("other", wanted={**spec(password="db"), "roleArn": role}))
    lanes = net.objects.lanes()
    (foreign,) = lanes.keys() - {LANE}
    net.trouble[foreign] = Retry("away", reason="BackendUnavailable")
    net.backend.put("db", b"two", "v2")
    net.sweeper.sweep()
    assert ("team", "shop") in net.woken


def test_what_nobody_reads_any_more_is_forgotten(net: Safety) -> None:
    net.cache.confirm((LANE, entry_of("gone")), "v1")
    net.sweeper.sweep()
    assert net.cache.current((LANE, entry_of("gone"))) is None


@pytest.mark.parametrize(("notes", "unannounced"), [((), 1), (("late",), 0)])
def test_a_change_is_unannounced_when_no_note_came_within_a_quarter_of_an_hour(
    net: Safety, notes: tuple[str, ...], unannounced: int
) -> None:
    net.backend.put("db", b"two", "v2")
    net.sweeper.sweep()
    net.times.append(net.clock())
    net.run_until(lambda: net.clock() > 100.0 + 800)
    assert net.count("changes_unannounced") == 0
    net.hear(*notes)
    net.run_until(lambda: net.clock() > 100.0 + 1000)
    assert net.count("changes_unannounced") == unannounced
    assert net.told == [("shop", DB[1])] * unannounced


def test_a_change_whose_note_is_not_served_yet_was_not_found_by_the_sweep(net: Safety) -> None:
    net.backend.put("db", b"two", "v2")
    net.hear("the event of v2")
    net.sweeper.sweep()
    net.times.append(net.clock())
    net.run_until(lambda: net.clock() > 100.0 + 1000)
    assert net.woken == [("team", "shop")]
    assert net.count("changes_found_by_sweep") == 0
    assert net.count("changes_unannounced") == 0
    assert net.told == []


def test_where_a_system_refuses_us_as_a_whole_its_readers_look_and_say_why(net: Safety) -> None:
    net.trouble[LANE] = GiveUp("No such role.", reason="Denied")
    net.sweeper.sweep()
    net.sweeper.sweep()
    assert net.woken == [("team", "shop")]
    del net.trouble[LANE]
    net.sweeper.sweep()
    assert net.woken == [("team", "shop")] * 2
    assert net.count("changes_found_by_sweep") == 0


def test_whoever_asked_is_told_what_got_no_answer_and_that_is_asked_again(net: Safety) -> None:
    net.times.append(net.clock())
    _throttle(net)
    net.asked.learn({ASKED: "q1"})
    net.run_until(lambda: net.asked.open_question() == "")
    assert net.asked.annotations() == {ANSWERED: "q1", UNANSWERED: "1"}
    net.backend.fail("db", None)
    net.backend.put("db", b"two", "v2")
    net.run_until(lambda: net.clock() > 100 + 15 * 60)
    assert net.woken == [("team", "shop")]


def test_it_sweeps_at_its_interval_give_or_take_a_tenth(net: Safety) -> None:
    net.times.append(net.clock())
    net.run_until(lambda: len(net.times) >= 4)
    waits = [later - earlier for earlier, later in zip(net.times, net.times[1:], strict=False)]
    assert all(0.9 * HOUR <= wait <= 1.1 * HOUR + 30 for wait in waits)
    assert net.backend.calls["sweep"] == 3


def test_who_does_not_lead_does_not_sweep(net: Safety) -> None:
    net.run_until(lambda: net.clock() > 3 * HOUR, leads=False)
    assert net.backend.calls["sweep"] == 0


def test_after_a_restart_it_sweeps_when_the_last_one_is_long_ago(net: Safety) -> None:
    net.times.append(net.clock() - 0.5 * HOUR)
    net.run_until(lambda: net.clock() > 0.3 * HOUR)
    assert net.backend.calls["sweep"] == 0
    net.run_until(lambda: net.clock() > 0.8 * HOUR)
    assert net.backend.calls["sweep"] == 1


def _throttle(net: Safety) -> None:
    net.backend.fail("db", Retry("slow down", reason="Throttled"))


def test_a_sweep_that_got_no_answers_is_not_done_and_comes_again_within_minutes(
    net: Safety,
) -> None:
    net.times.append(net.clock() - 2 * HOUR)
    _throttle(net)
    net.run_until(lambda: net.backend.calls["sweep"] >= 3)
    assert len(net.times) == 1
    assert net.clock() < 100 + 15 * 60
    assert net.count("sweep_unanswered") == 3
    net.backend.fail("db", None)
    net.backend.put("db", b"two", "v2")
    net.run_until(lambda: net.clock() > 100 + 30 * 60)
    assert net.woken == [("team", "shop")]
    assert len(net.times) == 2
    assert net.backend.calls["sweep"] == 4


def test_what_gets_no_answer_for_a_whole_interval_ends_the_sweep(net: Safety) -> None:
    net.times.append(net.clock() - 2 * HOUR)
    _throttle(net)
    net.run_until(lambda: net.clock() > 100 + 1.5 * HOUR)
    assert len(net.times) == 2
    assert net.times[1] >= 100 + HOUR


def test_only_what_got_no_answer_is_asked_again(net: Safety) -> None:
    net.backend.put("app", b"one", "v1")
    net.objects.replace(raw("other", wanted=spec(page="app")))
    net.times.append(net.clock() - 2 * HOUR)
    _throttle(net)
    net.run_until(lambda: net.backend.calls["sweep"] >= 3)
    assert (net.backend.looks[entry_of("app")], net.backend.looks[DB[1]]) == (1, 3)


def test_a_value_that_could_not_be_read_for_the_sweep_is_asked_for_again(net: Safety) -> None:
    net.backend.blind("db")
    _throttle(net)
    net.times.append(net.clock() - 2 * HOUR)
    net.run_until(lambda: net.backend.calls["sweep"] >= 1)
    net.fly()
    net.run_until(lambda: net.backend.calls["sweep"] >= 2)
    assert net.clock() < 100 + 10 * 60
    assert len(net.times) == 2
    assert net.count("sweep_unanswered") == 1


def test_a_fault_over_one_system_costs_the_others_nothing_and_is_tried_again(net: Safety) -> None:
    role = "arn:aws:iam::123456789012:role/other"
    net.objects.replace(raw("other", wanted={**spec(password="db"), "roleArn": role}))
    (foreign,) = net.objects.lanes().keys() - {LANE}
    net.trouble[foreign] = ValueError("hunter2")
    net.backend.put("db", b"two", "v2")
    assert net.sweeper.sweep() == {foreign: {DB[1]}}
    assert ("team", "shop") in net.woken


def test_a_sweep_that_breaks_as_a_whole_is_not_run_again_at_once(
    net: Safety, monkeypatch: pytest.MonkeyPatch
) -> None:
    began: list[float] = []

    def broken() -> None:
        began.append(net.clock())
        raise KeyError("hunter2")

    net.times.append(net.clock() - 2 * HOUR)
    monkeypatch.setattr(net.objects, "lanes", broken)
    net.run_until(lambda: net.clock() > 100 + HOUR)
    assert 5 < len(began) < 20
    monkeypatch.undo()
    net.run_until(lambda: net.clock() > 100 + 1.2 * HOUR)
    assert len(net.times) == 2


@pytest.mark.parametrize(("broken", "name"), [(Unannounced, "judge"), (Objects, "own_intervals")])
def test_what_breaks_before_the_sweep_does_not_keep_it_from_coming(
    net: Safety, monkeypatch: pytest.MonkeyPatch, broken: type, name: str
) -> None:
    def fault(_self: object) -> None:
        raise KeyError("hunter2")

    net.times.append(net.clock() - 2 * HOUR)
    net.backend.put("db", b"two", "v2")
    monkeypatch.setattr(broken, name, fault)
    with capture_logs() as logs:
        net.run_until(lambda: len(net.times) >= 2)
    assert net.woken == [("team", "shop")]
    assert "sweep.fault" in {line["event"] for line in logs}
    assert "hunter2" not in str(logs)


def test_a_sweep_lets_go_of_systems_that_nobody_reads(net: Safety) -> None:
    net.sweeper.sweep()
    net.objects.listed(set())
    net.sweeper.sweep()
    assert net.backend.closed


def test_a_value_whose_read_failed_before_the_sweep_was_over_is_asked_for_again_too(
    net: Safety, monkeypatch: pytest.MonkeyPatch
) -> None:
    net.backend.blind("db")
    _throttle(net)
    net.times.append(net.clock() - 2 * HOUR)
    begin = net.fetcher.submit

    def answered_at_once(lane: Lane, asks: Any, done: Any) -> None:
        begin(lane, asks, done)
        net.fly()

    monkeypatch.setattr(net.fetcher, "submit", answered_at_once)
    net.run_until(lambda: net.backend.calls["sweep"] >= 2)
    assert net.clock() < 100 + 10 * 60
    assert len(net.times) == 1


def test_who_asks_for_an_own_interval_is_swept_at_it_and_the_others_are_not(net: Safety) -> None:
    net.backend.put("app", b"one", "v1")
    own = {**spec(page="app"), "sweepInterval": "10m"}
    net.objects.replace(raw("other", wanted=own))
    net.times.append(net.clock())
    net.run_until(lambda: len(net.times) >= 2)
    looks = net.backend.looks
    assert looks[DB[1]] == 1
    assert 5 <= looks[entry_of("app")] <= 8
    waits = [after - before for before, after in itertools.pairwise(net.kept.of[600.0])]
    assert all(0.9 * 600 <= wait <= 1.1 * 600 + 5 for wait in waits)


def test_a_restart_sweeps_nobody_who_was_swept_at_his_own_interval(net: Safety) -> None:
    net.objects.replace(raw(wanted={**spec(password="db"), "sweepInterval": "10m"}, version=9))
    net.times.append(net.clock())
    net.kept.record_sweep(net.clock(), 600.0)
    net.run_until(lambda: net.clock() > 100.0 + 500)
    assert net.backend.calls["sweep"] == 0
    net.run_until(lambda: net.clock() > 100.0 + 700)
    assert net.backend.calls["sweep"] == 1


def test_one_look_serves_all_who_share_a_read_at_the_shortest_interval(net: Safety) -> None:
    for number, interval in enumerate(("10m", "20m")):
        own = {**spec(password="db"), "sweepInterval": interval}
        net.objects.replace(raw(f"other-{number}", wanted=own))
    net.times.append(net.clock())
    net.run_until(lambda: len(net.times) >= 2)
    assert 5 <= net.backend.looks[DB[1]] <= 8


def test_a_suspended_reader_is_not_behind(net: Safety) -> None:
    status = {"uid": "u1", "keys": {DB[1]: {"synced": synced(manifest(password="db"), "db", "v0")}}}
    wanted = {**spec(password="db"), "suspend": True}
    net.objects.replace(raw("asleep", wanted=wanted, status=status))
    net.sweeper.sweep()
    assert net.backend.calls["look"] == 0
    assert net.woken == []


def test_what_only_suspended_objects_use_is_not_swept(net: Safety) -> None:
    net.objects.replace(raw(wanted={**spec(password="db"), "suspend": True}, version=9))
    net.sweeper.sweep()
    assert net.backend.calls["sweep"] == 0
