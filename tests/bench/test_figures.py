"""How the bench judges."""

import pytest

from bench.figures import Row, percentile, table


@pytest.mark.parametrize(
    ("share", "expected"), [(0.5, 50.0), (0.99, 99.0), (1.0, 100.0), (0.0, 1.0)]
)
def test_a_percentile_is_a_value_that_was_measured(share: float, expected: float) -> None:
    assert percentile([float(number) for number in range(100, 0, -1)], share) == expected


def test_a_percentile_of_one_value_is_that_value() -> None:
    assert percentile([7.0], 0.99) == 7.0


def test_a_figure_may_reach_its_goal_and_not_more() -> None:
    assert Row("s", "n", 6.0, "", 6.0).verdict == "ok"
    assert Row("s", "n", 6.01, "", 6.0).verdict == "BEYOND"
    assert Row("s", "n", 6.01, "").verdict == ""


def test_the_table_names_goal_and_verdict() -> None:
    last = table([Row("restart", "reads", 2.0, "calls", 0.0)]).splitlines()[-1]
    assert last.split() == ["restart", "reads", "2.00", "calls", "<=", "0", "BEYOND"]
