"""How long a failing ExternalSecret waits before it is tried again.

Fed by the reconcile story with outcomes; feeds the work queue with delays. A passing failure
doubles from half a second to five minutes; one that lasts until somebody changes something doubles
from half a minute to a quarter of an hour, since a permission that was mended in a cloud is
announced nowhere. Jitter takes up to half off each wait, so the first are a quarter to half a
second and a quarter to half a minute.
"""

import random
import threading
from collections.abc import Callable

from externalsecret.errors import HarkError, Retry
from externalsecret.reflect import Key

_PASSING = (0.5, 300.0)
_LASTING = (30.0, 900.0)


class Backoff:
    """Failures in a row, by object."""

    def __init__(self, jitter: Callable[[float, float], float] = random.uniform) -> None:
        self._jitter = jitter
        self._lock = threading.Lock()
        self._failures: dict[Key, int] = {}

    def delay(self, key: Key, error: HarkError) -> float:
        """Count a failure; seconds to wait. A wait that the other side asked for is honoured."""
        with self._lock:
            failures = self._failures.get(key, 0)
            self._failures[key] = failures + 1
        least, most = _PASSING if isinstance(error, Retry) else _LASTING
        wait = min(most, least * 2.0 ** min(failures, 30)) * self._jitter(0.5, 1.0)
        asked = error.after if isinstance(error, Retry) else None
        return max(wait, asked or 0.0)

    def failures(self, key: Key) -> int:
        """Failures in a row so far."""
        with self._lock:
            return self._failures.get(key, 0)

    def forget(self, key: Key) -> None:
        """It succeeded, or it is gone."""
        with self._lock:
            self._failures.pop(key, None)
