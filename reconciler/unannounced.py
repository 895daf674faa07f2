"""Which changes that the sweep found were announced by nobody: counted some time later.

Fed by reconciler.compare; feeds a metric, and has its readers told. An event may be slower than
the sweep, so a change counts only when none of its readers has heard anything new of it in that
time.
"""

import math
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from externalsecret.reflect import Key
from externalsecret.resource import ExternalSecret
from reconciler.metrics import ReconcilerMetrics
from reconciler.objects import Objects
from reconciler.reads import Lane

WITHIN = 900.0
"""Seconds that an event may come later than the sweep and still count as the announcer, if nobody
says otherwise.
"""

TellUnannounced = Callable[[ExternalSecret, str], None]
"""(object, entry of the ledger): say on the object that nobody announced this change."""


def tell_nobody(_es: ExternalSecret, _entry: str) -> None:
    """Where only the metric is wanted."""


@dataclass(frozen=True, slots=True)
class _Found:
    """A change that the sweep saw, until it is known whether an event told of it too."""

    due: float
    lane: Lane
    entry: str
    heard: dict[Key, str | None]


class Unannounced:
    """Changes that wait for their announcement."""

    def __init__(
        self,
        objects: Objects,
        metrics: ReconcilerMetrics,
        clock: Callable[[], float] = time.monotonic,
        tell: TellUnannounced = tell_nobody,
        within: float = WITHIN,
    ) -> None:
        """`within` in seconds, as WITHIN."""
        self._tell = tell
        self._within = within
        self._objects = objects
        self._metrics = metrics
        self._clock = clock
        self._lock = threading.Lock()
        self._found: list[_Found] = []

    def await_note(self, lane: Lane, entry: str, heard: dict[Key, str | None]) -> None:
        """A change was found, when its readers had heard these notes (ids)."""
        with self._lock:
            self._found.append(_Found(self._clock() + self._within, lane, entry, heard))

    def wait(self) -> float:
        """Seconds until something is to be judged; infinite where nothing is."""
        with self._lock:
            return min((found.due for found in self._found), default=math.inf) - self._clock()

    def judge(self) -> None:
        """Count what no event told of in time."""
        now = self._clock()
        with self._lock:
            due = [found for found in self._found if found.due <= now]
            self._found = [found for found in self._found if found.due > now]
        for found in due:
            if not self._was_announced(found):
                self._metrics.unannounced.labels(found.lane.backend).inc()
                for key in found.heard:
                    es = self._objects.get(key)
                    if es is not None:
                        self._tell(es, found.entry)

    def _was_announced(self, found: _Found) -> bool:
        for key, before in found.heard.items():
            es = self._objects.get(key)
            heard = None if es is None else es.ledger.entry(found.entry).heard
            if heard is not None and heard.id != before:
                return True
        return False
