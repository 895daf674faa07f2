"""When to sweep what: all at each interval, and sooner again what got no answer.

Fed by the time of day, by the time of the last sweep wherever that is kept, and by what each sweep
left without an answer; feeds reconciler.sweep.

Guarantees: a sweep counts as done when every key was answered, or when the rest got no answer for a
whole interval; what fails is tried again after some minutes, not at once; a last sweep in the
future counts as now. Threads may add what remained.
"""

import random
import threading
from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from reconciler.reads import Lane

Entries = Mapping[Lane, set[str]]

_FIRST = 60.0
"""The longest wait before the first sweep where nobody knows of an earlier one."""
_AGAIN = 300.0
"""The longest wait, jitter aside, before the next try of what got no answer."""


@dataclass(frozen=True, slots=True)
class Begun:
    """A sweep of all, or again of these entries."""

    is_whole: bool
    entries: Entries


class SweepPlan:
    """The next sweep."""

    def __init__(
        self,
        interval: float,
        last: Callable[[], float | None],
        record: Callable[[float], None],
        now: Callable[[], float],
    ) -> None:
        """`interval` in seconds; `last` and `record` keep the time of the last sweep."""
        self._interval = interval
        self._kept_last = last
        self._record = record
        self._now = now
        self._lock = threading.Lock()
        self._rest: defaultdict[Lane, set[str]] = defaultdict(set)
        self._again_at = 0.0
        self._began: float | None = None
        """When the sweep of all began that is not over yet."""
        self._is_whole = False
        """Whether all are still to be tried, as the last try broke off."""
        self._in_part = _jitter()
        self._first_due: float | None = None
        self._future = (0.0, 0.0)

    def wait(self) -> float:
        """Seconds until something is due; not above zero when it is."""
        with self._lock:
            return min(self._whole_due(), self._rest_due()) - self._now()

    def begin(self) -> Begun | None:
        """What to sweep now; None when nothing is due. One of all that breaks off comes again."""
        with self._lock:
            now = self._now()
            is_whole = self._whole_due() <= now
            if not is_whole and self._rest_due() > now:
                return None
            if is_whole:
                self._began = now
                self._is_whole = True
            entries = dict(self._rest)
            self._rest.clear()
            self._again_at = now + self._delay()
            return Begun(self._is_whole, entries)

    def end(self, rest: Entries) -> bool:
        """A sweep ended, but for this rest; whether the sweep of all counts as done with it."""
        with self._lock:
            now = self._now()
            self._is_whole = False
            for lane, entries in rest.items():
                self._rest[lane] |= entries
            self._again_at = now + self._delay()
            if self._began is None:
                return False
            if self._rest and now - self._began < self._interval:
                return False
            self._rest.clear()
            self._began = None
            self._in_part = _jitter()
            self._record(now)
            return True

    def add(self, lane: Lane, entries: set[str]) -> None:
        """Answers that came later were none."""
        with self._lock:
            if not self._rest:
                self._again_at = self._now() + self._delay()
            self._rest[lane] |= entries

    def abandon(self) -> None:
        """Another leads: it is no longer ours to finish."""
        with self._lock:
            self._rest.clear()
            self._began = None
            self._is_whole = False

    def _whole_due(self) -> float:
        """When all are due; the jitter is drawn once for each."""
        if self._began is not None:
            return float("inf")
        last = self._last()
        if last is None:
            if self._first_due is None:
                self._first_due = self._now() + min(_FIRST, self._interval)
            return self._first_due
        return last + self._interval * self._in_part

    def _rest_due(self) -> float:
        return self._again_at if self._rest or self._is_whole else float("inf")

    def _last(self) -> float | None:
        """The last sweep; one in the future counts as of when it was first seen."""
        last, now = self._kept_last(), self._now()
        if last is None or last <= now:
            return last
        if self._future[0] != last:
            self._future = (last, now)
        return min(self._future[1], now)

    def _delay(self) -> float:
        return min(self._interval, _AGAIN) * _jitter()


def _jitter() -> float:
    return random.uniform(0.9, 1.1)  # noqa: S311 - jitter needs no secrecy
