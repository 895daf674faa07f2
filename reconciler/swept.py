"""When was last swept: of the installation's sweep, and of each interval that objects ask for.

Fed by the sweep; kept by externalsecret.lease in annotations of the Lease, so that a restart
neither repeats a sweep nor needs a write to any object, and feeds the sweep of the next process.

Guarantees: bounded: at most fifty intervals of objects are kept, the longest, and none that is
overdue anyway or shorter than a minute. What is forgotten costs one sweep that comes early, no
more.
"""

import json
import threading
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, Protocol

from externalsecret.duration import format_duration, parse_duration
from externalsecret.lease import micro_time
from reconciler.sweepasked import SweepAsked

LAST_SWEEP = "externalsecrets.kubernetes-client.io/last-sweep"
OWN_SWEEPS = "externalsecrets.kubernetes-client.io/own-sweeps"
_MOST = 50
_SHORT = 60.0


class SweepTimes(Protocol):
    """When was last swept, wherever that is kept. `own` is an interval in seconds that objects ask
    for, None the sweep of the installation; times are seconds since 1970.
    """

    def last_sweep(self, own: float | None = None) -> float | None:
        """The last one, by any replica; None if nobody knows."""

    def record_sweep(self, epoch: float, own: float | None = None) -> None:
        """Remember one."""


class Swept:
    """The times themselves. Threads may share it."""

    def __init__(self, now: Callable[[], float]) -> None:
        """`now` is the time of day in seconds since 1970."""
        self._now = now
        self._lock = threading.Lock()
        self._times: dict[float | None, float] = {}
        self.asked = SweepAsked()
        """What somebody asked for; it travels in the same annotations."""

    def last_sweep(self, own: float | None = None) -> float | None:
        """As SweepTimes."""
        with self._lock:
            return self._times.get(own)

    def record_sweep(self, epoch: float, own: float | None = None) -> None:
        """As SweepTimes; an older time replaces none."""
        with self._lock:
            known = self._times.get(own)
            # A clock that stepped back left a time that no sweep can have had.
            if known is None or known < epoch or known > self._now():
                self._times[own] = epoch

    def learn(self, annotations: Mapping[str, Any]) -> None:
        """Take over what another process wrote."""
        self.asked.learn(annotations)
        texts = {None: annotations.get(LAST_SWEEP), **_own(annotations.get(OWN_SWEEPS))}
        for own, text in texts.items():
            written = _epoch(text)
            if written is not None:
                # From a clock that was ahead: it must not keep off the sweep until then.
                self.record_sweep(min(written, self._now()), own)

    def annotations(self) -> dict[str, str]:
        """For the next process to learn."""
        with self._lock:
            times = dict(self._times)
        general = times.pop(None, None)
        found = {} if general is None else {LAST_SWEEP: micro_time(general)}
        kept = self._worth_keeping(times)
        if kept or times:
            found[OWN_SWEEPS] = json.dumps(kept, separators=(",", ":"))
        return {**found, **self.asked.annotations()}

    def _worth_keeping(self, times: Mapping[float | None, float]) -> dict[str, str]:
        now = self._now()
        kept = sorted(
            own
            for own, epoch in times.items()
            if own is not None and own >= _SHORT and now - epoch < 2 * own
        )
        return {format_duration(own): micro_time(times[own]) for own in kept[-_MOST:]}


def _own(text: Any) -> dict[float | None, Any]:
    """What stands in the annotation, as far as it can be read: others may write there."""
    try:
        written = json.loads(text)
        return {parse_duration(own): at for own, at in written.items()}
    except (TypeError, ValueError, AttributeError, RecursionError):
        return {}


def _epoch(text: Any) -> float | None:
    try:
        return datetime.fromisoformat(text).timestamp()
    except (TypeError, ValueError, OverflowError):
        return None
