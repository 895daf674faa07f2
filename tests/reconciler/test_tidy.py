import threading

from prometheus_client import CollectorRegistry

from fakes.resources import DEFAULTS, LANE, entry_of, raw
from reconciler.backends.memory import MemoryBackend
from reconciler.cache import Cache
from reconciler.fetch import Fetcher
from reconciler.metrics import ReconcilerMetrics
from reconciler.objects import Objects
from reconciler.tidy import keep_tidy

DB = (LANE, entry_of("db"))


class Hours(threading.Event):
    """Waits pass at once, until so many have passed."""

    def __init__(self, hours: int) -> None:
        super().__init__()
        self._seconds = 3600.0 * hours

    def wait(self, timeout: float | None = None) -> bool:
        self._seconds -= timeout or 0.0
        return self._seconds < 0


def test_without_any_sweep_what_nobody_reads_any_more_goes_within_the_hour() -> None:
    backend = MemoryBackend()
    objects = Objects(DEFAULTS, "", lambda _key, _urgent: None)
    cache = Cache(1000)
    metrics = ReconcilerMetrics(CollectorRegistry())
    fetcher = Fetcher(lambda _lane: backend, cache, metrics)
    objects.replace(raw())
    cache.confirm(DB, "v1")
    fetcher.lane(LANE).backend()
    keep_tidy(objects, fetcher, cache, Hours(1))
    assert (cache.current(DB), backend.closed) == ("v1", False)
    objects.listed(set())
    keep_tidy(objects, fetcher, cache, Hours(1))
    assert (cache.current(DB), backend.closed) == (None, True)
