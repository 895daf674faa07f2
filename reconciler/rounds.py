"""Rounds: one plan (reconciler.sweepplan) for the installation's sweep, and one for each interval
that objects ask for.

Fed by the sweep with the intervals in use; tells it which plans are due. The times of the last
rounds are kept elsewhere (reconciler.swept), so that they outlast the process.
"""

import itertools
from collections.abc import Callable, Collection, Iterator

from reconciler.paces import Own
from reconciler.reads import Lane
from reconciler.sweepplan import SweepPlan
from reconciler.swept import SweepTimes


class Rounds:
    """The plans that are in use."""

    def __init__(self, general: Own, times: SweepTimes, now: Callable[[], float]) -> None:
        """`general` in seconds; None: nobody is swept who does not ask for it."""
        self._times = times
        self._now = now
        self._plans: dict[Own, SweepPlan] = {}
        if general is not None:
            self._plans[None] = self._plan(None, general)
        self._general = general

    def use(self, intervals: Collection[float]) -> None:
        """Plan for these intervals of objects, and no others."""
        own = set(intervals) - {self._general}
        for interval in own - self._plans.keys():
            self._plans[interval] = self._plan(interval, interval)
        for unused in self._plans.keys() - own - {None}:
            del self._plans[unused]

    def due(self) -> Iterator[tuple[Own, SweepPlan]]:
        """The plans whose time has come; the installation's last, since it may take long."""
        for own, plan in sorted(self._plans.items(), key=lambda one: (one[0] is None, one[0])):
            if plan.wait() <= 0:
                yield own, plan

    def add(self, lane: Lane, entries: set[str]) -> None:
        """A sweep outside of all plans got no answer to these: the first plan asks again."""
        for plan in itertools.islice(self._plans.values(), 1):
            plan.add(lane, entries)

    def wait(self) -> float:
        """Seconds until something is due; infinite where nothing ever is."""
        return min((plan.wait() for plan in self._plans.values()), default=float("inf"))

    def abandon(self) -> None:
        """Another leads: what was begun is no longer ours to finish."""
        for plan in self._plans.values():
            plan.abandon()

    def _plan(self, own: Own, interval: float) -> SweepPlan:
        return SweepPlan(
            interval,
            lambda: self._times.last_sweep(own),
            lambda epoch: self._times.record_sweep(epoch, own),
            self._now,
        )
