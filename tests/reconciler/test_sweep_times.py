"""When is swept. What is swept, and what becomes of it, is tested beside the backends."""

import threading
from collections.abc import Callable

import pytest
from prometheus_client import CollectorRegistry

from externalsecret.dialect.contract import Defaults
from fakes.times import Times
from reconciler.backends.contract import Backend
from reconciler.cache import Cache
from reconciler.fetch import Fetcher
from reconciler.metrics import ReconcilerMetrics
from reconciler.objects import Objects
from reconciler.reads import Lane
from reconciler.sweep import Sweeper

HOUR = 3600.0


class Day(threading.Event):
    """A clock that waiting moves, and that stops everything when the day is over."""

    def __init__(self, hours: float) -> None:
        super().__init__()
        self.now = 0.0
        self._end = hours * HOUR
        self.waits = 0

    def wait(self, timeout: float | None = None) -> bool:
        self.waits += 1
        self.now += timeout or 0.0
        return self.now > self._end


def swept_at(interval: float | None, hours: float, last: float | None = None) -> list[float]:
    """The times of all sweeps over no object at all, in seconds from the start."""
    return run_through(Day(hours), interval, last)


def run_through(
    day: Day, interval: float | None, last: float | None, leads: Callable[[], bool] = lambda: True
) -> list[float]:
    times = Times()
    kept = times.of[None]
    kept += [] if last is None else [last]
    metrics = ReconcilerMetrics(CollectorRegistry())
    cache = Cache(1)
    sweeper = Sweeper(
        Objects(Defaults(), "", lambda _key, _urgent: None),
        Fetcher(_no_backend, cache, metrics),
        cache,
        metrics,
        lambda _key, _urgent: None,
        interval=interval,
        times=times,
        clock=lambda: day.now,
        now=lambda: day.now,
    )
    sweeper.run(day, leads)
    return kept if last is None else kept[1:]


def _no_backend(lane: Lane) -> Backend:
    raise AssertionError(lane)


@pytest.mark.parametrize("_again", range(10))
def test_where_nobody_knows_of_a_sweep_the_first_comes_after_a_minute(_again: int) -> None:
    first, *later = swept_at(6 * HOUR, hours=8)
    assert 60 <= first <= 61
    assert len(later) == 1


@pytest.mark.parametrize("_again", range(10))
def test_a_sweep_comes_at_its_interval_give_or_take_a_tenth(_again: int) -> None:
    times = swept_at(HOUR, hours=24, last=0.0)
    waits = [after - before for before, after in zip([0.0, *times], times, strict=False)]
    assert len(times) > 20
    assert all(0.9 * HOUR <= wait <= 1.1 * HOUR + 31 for wait in waits)


def test_what_is_swept_more_often_than_every_minute_does_not_wait_a_minute_first() -> None:
    assert swept_at(5.0, hours=0.01)[0] == pytest.approx(5.0, abs=0.1)


def test_a_last_sweep_in_the_future_delays_the_next_by_no_more_than_an_interval() -> None:
    times = swept_at(HOUR, hours=3.5, last=1000 * HOUR)
    assert len(times) in {2, 3}
    assert times[0] <= 1.1 * HOUR + 31


def test_a_follower_does_not_look_at_the_clock_all_the_time() -> None:
    day = Day(hours=1)
    assert run_through(day, HOUR, -10 * HOUR, lambda: False) == []
    assert day.waits <= HOUR / 5 + 1


def test_who_begins_to_lead_when_a_sweep_is_overdue_sweeps_within_seconds() -> None:
    day = Day(hours=1)
    (only,) = run_through(day, HOUR, -10 * HOUR, lambda: day.now > 1000)
    assert only <= 1010


def test_where_the_installation_does_not_sweep_nothing_is_ever_due() -> None:
    assert swept_at(None, hours=24) == []
