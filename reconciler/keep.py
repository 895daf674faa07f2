"""Keep: what of a lane's answers the cache remembers and gives back, and how they are counted.

Used by reconciler.lane; feeds reconciler.cache and the metrics. A refusal is never kept: that it
ends is announced nowhere.
"""

import structlog

from externalsecret.errors import HarkError, whereabouts
from reconciler.backends import reasons
from reconciler.backends.contract import CannotLook, Look, Read, Value, Versions
from reconciler.cache import Cache
from reconciler.load import Slot
from reconciler.metrics import ReconcilerMetrics
from reconciler.reads import Answer, Ask, Lane, Verb
from reconciler.remade import SLACK_SECONDS

log = structlog.get_logger()


class Keeper:
    """Of one lane."""

    def __init__(self, lane: Lane, cache: Cache, metrics: ReconcilerMetrics) -> None:
        self._lane = lane
        self._cache = cache
        self._metrics = metrics

    def find(self, ask: Ask) -> Answer | None:
        """What is kept and will do for this ask."""
        return self._cache.find(ask, (self._lane, ask.reference.entry))

    def keep(self, slot: Slot, answer: Answer) -> None:
        """Count an answer, and keep it or forget what it denies; never raises."""
        try:
            self._count(slot[0], answer)
            if isinstance(answer.result, Versions) and answer.result.made is not None:
                made = answer.began - answer.result.age
                self._cache.outdate((self._lane, slot[1]), made - SLACK_SECONDS)
            if _may_be_kept(answer.result):
                self._cache.keep(slot[0], (self._lane, slot[1]), answer)
            elif _has_vanished(answer.result):
                self._cache.forget((self._lane, slot[1]))
        except Exception as fault:  # noqa: BLE001 - who waits shall have the answer all the same
            log.error("cache.fault", fault=whereabouts(fault))

    def _count(self, verb: Verb, answer: Answer) -> None:
        backend = self._lane.backend
        if isinstance(answer.result, HarkError):
            self._metrics.backend_failures.labels(backend, answer.result.reason).inc()
        elif isinstance(answer.result, CannotLook):
            self._metrics.backend_failures.labels(backend, "CannotLook").inc()
        elif verb is Verb.READ:
            self._metrics.value_reads.labels(backend).inc()
        else:
            self._metrics.looks.labels(backend).inc()


def version_in(result: Read | Look) -> str | None:
    """The version that an answer tells of, if it tells of one."""
    if isinstance(result, Versions):
        return result.current
    return result.version if isinstance(result, Value) else None


def _has_vanished(result: Read | Look) -> bool:
    return isinstance(result, HarkError) and result.reason == reasons.NOT_FOUND


def _may_be_kept(result: Read | Look) -> bool:
    """A refusal in whatever form is asked for anew: that it ends is announced nowhere."""
    if isinstance(result, Versions):
        return not result.gone
    return not isinstance(result, HarkError)
