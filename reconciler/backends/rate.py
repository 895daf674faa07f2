"""Rate: no more calls a second than a service allows, after a first few at once.

Used by backends whose sweep is one call for each secret. Guarantees an upper bound over every
stretch of time: `at_once` calls plus `a_second` for each second. Safe to use from several threads.
"""

import threading
import time
from collections.abc import Callable


class Rate:
    """Lets its callers pass one by one."""

    def __init__(
        self,
        a_second: float,
        at_once: int,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        """`clock` gives seconds and never goes back; `sleep` waits for that many."""
        self._gap = 1.0 / a_second
        self._slack = self._gap * (at_once - 1)
        self._clock = clock
        self._sleep = sleep
        self._lock = threading.Lock()
        self._next = clock() - self._slack

    def wait(self) -> None:
        """Return when it is the caller's turn."""
        with self._lock:
            now = self._clock()
            turn = max(self._next, now - self._slack)
            self._next = turn + self._gap
        if turn > now:
            self._sleep(turn - now)
