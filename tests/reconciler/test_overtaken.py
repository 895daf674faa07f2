"""What is said of an announced version that no look shows."""

import pytest
from prometheus_client import CollectorRegistry

from externalsecret.errors import HarkError, Retry
from externalsecret.reference import Reference
from fakes.resources import LANE, reference
from reconciler.backends.contract import Backend
from reconciler.backends.memory import MemoryBackend
from reconciler.cache import Cache
from reconciler.fetch import Fetcher
from reconciler.metrics import ReconcilerMetrics
from reconciler.overtaken import is_overtaken

DB = reference("db")


class Recalling(MemoryBackend):
    """It knows versions that its look does not show."""

    def __init__(self, error: HarkError | None = None) -> None:
        super().__init__()
        self._error = error

    def has_version(self, one: Reference, version: str) -> bool:
        if self._error is not None:
            raise self._error
        return (one.key, version) == ("db", "v1")


def _fetcher(backend: Backend) -> Fetcher:
    return Fetcher(lambda _lane: backend, Cache(1), ReconcilerMetrics(CollectorRegistry()))


def test_a_version_without_label_was_overtaken_and_one_that_never_was_is_not_found() -> None:
    fetcher = _fetcher(Recalling())
    assert is_overtaken(fetcher, LANE, DB, "v1")
    assert not is_overtaken(fetcher, LANE, DB, "v9")


@pytest.mark.parametrize(
    "backend", [MemoryBackend(), Recalling(Retry("away", reason="BackendUnavailable"))]
)
def test_where_nobody_can_tell_it_counts_as_not_found(backend: Backend) -> None:
    assert not is_overtaken(_fetcher(backend), LANE, DB, "v1")


def test_a_note_without_version_cannot_be_overtaken() -> None:
    assert not is_overtaken(_fetcher(Recalling()), LANE, DB, None)
