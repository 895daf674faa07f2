from typing import Any

import pytest

from externalsecret.errors import GiveUp
from reconciler.pace import Pace, read_pace


@pytest.mark.parametrize(
    ("spec", "pace"),
    [
        ({}, Pace()),
        ({"suspend": False, "sweepInterval": None}, Pace()),
        ({"suspend": True}, Pace(is_suspended=True)),
        ({"sweepInterval": "10s"}, Pace(interval=10.0)),
        ({"sweepInterval": "1h30m"}, Pace(interval=5400.0)),
        ({"sweepInterval": "30d"}, Pace(interval=30 * 86400.0)),
    ],
)
def test_a_spec_may_say_its_pace(spec: dict[str, Any], pace: Pace) -> None:
    assert read_pace(spec) == pace


@pytest.mark.parametrize(
    ("spec", "sentence"),
    [
        ({"sweepInterval": "9999ms"}, "not between 10s and 30d"),
        ({"sweepInterval": "31d"}, "not between 10s and 30d"),
        ({"sweepInterval": "10m1h"}, "the greatest first"),
        ({"sweepInterval": "30"}, "is no duration"),
        ({"sweepInterval": 30}, "is no text"),
        ({"suspend": "true"}, "neither true nor false"),
        ({"suspend": 1}, "neither true nor false"),
    ],
)
def test_a_pace_that_makes_no_sense_is_refused_in_a_sentence(
    spec: dict[str, Any], sentence: str
) -> None:
    with pytest.raises(GiveUp, match=sentence) as refused:
        read_pace(spec)
    assert refused.value.reason == "InvalidSpec"


def test_an_interval_below_a_minute_is_warned_of_with_its_price() -> None:
    assert "about 259,200 calls a month to look at 1 key." in Pace(interval=10.0).warning(1)
    assert "518,400 calls a month to look at 4 keys" in Pace(interval=20.0).warning(4)
    assert not Pace(interval=60.0).warning(1000)
    assert not Pace().warning(1)
