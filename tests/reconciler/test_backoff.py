import itertools

import pytest

from externalsecret.errors import GiveUp, HarkError, Retry
from reconciler.backoff import Backoff

KEY = ("team", "shop")
PASSING = Retry("away", reason="BackendUnavailable")
LASTING = GiveUp("no", reason="Denied")


def _without_jitter(_least: float, most: float) -> float:
    return most


@pytest.mark.parametrize(
    ("error", "delays"),
    [(PASSING, [0.5, 1, 2, 4]), (LASTING, [30, 60, 120, 240])],
)
def test_the_wait_doubles_with_each_failure_in_a_row(error: HarkError, delays: list[float]) -> None:
    backoff = Backoff(_without_jitter)
    assert [backoff.delay(KEY, error) for _ in delays] == delays
    assert backoff.failures(KEY) == len(delays)


@pytest.mark.parametrize(("error", "most"), [(PASSING, 300), (LASTING, 900)])
def test_the_wait_has_an_end(error: HarkError, most: float) -> None:
    backoff = Backoff(_without_jitter)
    delays = [backoff.delay(KEY, error) for _ in range(2000)]
    assert delays[-1] == most
    assert all(one <= other for one, other in itertools.pairwise(delays))


def test_success_begins_anew_and_others_do_not_count() -> None:
    backoff = Backoff(_without_jitter)
    backoff.delay(KEY, PASSING)
    assert backoff.delay(("team", "other"), PASSING) == 0.5
    backoff.forget(KEY)
    assert backoff.failures(KEY) == 0
    assert backoff.delay(KEY, PASSING) == 0.5


def test_a_wait_that_was_asked_for_is_the_least() -> None:
    backoff = Backoff(_without_jitter)
    assert backoff.delay(KEY, Retry("slow", reason="Throttled", after=7)) == 7
    assert backoff.delay(KEY, Retry("slow", reason="Throttled", after=0.1)) == 1


def test_the_jitter_takes_up_to_a_half() -> None:
    delays = {Backoff().delay(KEY, LASTING) for _ in range(50)}
    assert len(delays) > 1
    assert all(15 <= delay <= 30 for delay in delays)
