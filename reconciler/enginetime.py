"""Engine time: how much of the script engine each namespace may use for its permissions.

Fed by reconciler.patterns with the seconds of processor time that each namespace's took; tells
it when a namespace has had its share. One engine serves all, one call after another, so a tenant
whose keys make an expression slow would hold up everybody's checks.

Guarantees: quick answers cost nothing; of slow ones a namespace gets a second in each window.
"""

import threading
import time
from collections.abc import Callable

_SLOW = 0.05
"""Seconds from which on an answer counts; an honest one takes three thousandths."""
_SHARE = 1.0
_WINDOW = 30.0


class EngineTime:
    """Slow seconds by namespace; threads share it."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._spent: dict[str, tuple[float, float]] = {}

    def spend(self, namespace: str, seconds: float) -> None:
        """An answer took so much."""
        if seconds < _SLOW:
            return
        now = self._clock()
        with self._lock:
            self._spent = {
                name: spent for name, spent in self._spent.items() if now - spent[0] < _WINDOW
            }
            began, before = self._spent.get(namespace, (now, 0.0))
            self._spent[namespace] = (began, before + seconds)

    def wait(self, namespace: str) -> float:
        """Seconds until the namespace may ask again; 0 when it may now."""
        with self._lock:
            began, spent = self._spent.get(namespace, (0.0, 0.0))
        if spent < _SHARE:
            return 0.0
        return max(0.0, began + _WINDOW - self._clock())
