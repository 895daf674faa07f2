"""When was last swept, kept where the next process finds it."""

import json
from typing import Any

import pytest

from reconciler.swept import LAST_SWEEP, OWN_SWEEPS, Swept

NOW = 1_700_000_000.0
HOUR = 3600.0


def _swept() -> Swept:
    return Swept(lambda: NOW)


def test_what_was_recorded_is_known_to_who_learns_it() -> None:
    before, after = _swept(), _swept()
    before.record_sweep(NOW - 10.5)
    before.record_sweep(NOW - 20, 1800.0)
    after.learn(before.annotations())
    assert after.last_sweep() == NOW - 10.5
    assert after.last_sweep(1800.0) == NOW - 20
    assert after.last_sweep(60.0) is None


def test_nothing_known_is_nothing_written() -> None:
    assert _swept().annotations() == {}


def test_an_interval_of_an_object_costs_nothing_of_note_however_many_there_are() -> None:
    swept = _swept()
    for number in range(2000):
        swept.record_sweep(NOW - 1, 60.0 + number)
    text = swept.annotations()[OWN_SWEEPS]
    assert len(json.loads(text)) == 50
    assert len(text) < 4096
    assert "34m19s" in text


@pytest.mark.parametrize(("own", "age"), [(30.0, 1.0), (HOUR, 2 * HOUR)])
def test_what_is_short_or_overdue_is_not_kept(own: float, age: float) -> None:
    swept = _swept()
    swept.record_sweep(NOW - age, own)
    assert json.loads(swept.annotations()[OWN_SWEEPS]) == {}


@pytest.mark.parametrize(
    "text", [None, "", "[]", "{", '"a"', '{"1": "x"}', '{"1h": 5}', '{"1h": null}', "[" * 100_000]
)
def test_what_nobody_can_read_counts_as_unknown(text: Any) -> None:
    swept = _swept()
    swept.learn({OWN_SWEEPS: text, LAST_SWEEP: text})
    assert swept.last_sweep() is None
    assert swept.last_sweep(HOUR) is None


def test_a_time_in_the_future_counts_as_now() -> None:
    ahead, swept = Swept(lambda: 2 * NOW), _swept()
    ahead.record_sweep(2 * NOW - 1, HOUR)
    swept.learn(ahead.annotations())
    assert swept.last_sweep(HOUR) == NOW
