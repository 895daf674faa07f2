"""How one source fares: told by the calls to it, and telling metrics, the log and an Event.

Fed by hark.listening while a source is opened and by listener.listen while it is listened to; one
thread at a time. Guarantees: an episode of failures is told by one Event when it is clear that it
will last (a failure that stays until somebody changes something, or the third in a row of others),
and by one more when it is over, if its beginning was told. Readiness hears of none: a source that
fails must not take the others out of service.
"""

from typing import Protocol

import structlog

from externalsecret.errors import GiveUp, HarkError
from listener.metrics import ListenerMetrics

log = structlog.get_logger()

FAILED = "SourceFailed"
RECOVERED = "SourceRecovered"
_SURELY = 3
"""Failures in a row that are no hiccup."""


class Tell(Protocol):
    """Says something where the operator of the installation looks: an Event on our own Pod."""

    def __call__(self, reason: str, message: str, *, is_bad: bool) -> None: ...


class SourceHealth:
    """One source from the first attempt to open it on."""

    def __init__(self, name: str, metrics: ListenerMetrics, tell: Tell) -> None:
        self._name = name
        self._metrics = metrics
        self._tell = tell
        self._failures = 0
        self._is_told = False

    def failed(self, error: HarkError) -> int:
        """A call failed; how many in a row now."""
        self._failures += 1
        self._metrics.source_up.labels(self._name).set(0)
        self._metrics.source_failures.labels(self._name, error.reason).inc()
        if not self._is_told and (isinstance(error, GiveUp) or self._failures >= _SURELY):
            self._is_told = True
            self._tell(FAILED, f"{self._name} cannot be listened to. {error}", is_bad=True)
        return self._failures

    def worked(self) -> None:
        """A call succeeded."""
        self._failures = 0
        self._metrics.source_up.labels(self._name).set(1)
        if self._is_told:
            self._is_told = False
            log.info("source.recovered", source=self._name)
            self._tell(RECOVERED, f"{self._name} is listened to again.", is_bad=False)


def tell_nobody(reason: str, message: str, *, is_bad: bool) -> None:
    """For a listener that is no Pod."""
