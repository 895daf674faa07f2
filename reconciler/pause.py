"""Pause: how long a lane waits after passing failures of its backend.

Used by reconciler.lane, under its lock. Longer each time, with jitter, and never shorter than the
backend asks for; one answer without a failure ends it.
"""

import random
from collections.abc import Callable, Sequence

from externalsecret.errors import Retry

_LONGEST = 20.0


class Pause:
    """Of one lane."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._failures = 0
        self.until = 0.0
        """No flight departs before this time of the clock."""

    def pace(self, failures: Sequence[Retry]) -> None:
        """A flight has landed with these passing failures."""
        if not failures:
            self._failures = 0
            return
        self._failures += 1
        asked = max((failure.after or 0.0) for failure in failures)
        wait = min(_LONGEST, 0.2 * 2 ** min(self._failures, 10))
        wait = max(asked, wait * random.uniform(0.5, 1.0))  # noqa: S311 - jitter, no secrecy
        self.until = max(self.until, self._clock() + wait)
