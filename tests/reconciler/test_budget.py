"""A flood of notes cannot make a bill."""

from reconciler.budget import CALLS, PERIOD, Budget
from reconciler.reads import Verb

DB, WEB = (Verb.READ, "db"), (Verb.READ, "web")


def _spent(times: int) -> Budget:
    budget = Budget()
    for _ in range(times):
        assert budget.wait(DB, 0.0) <= 0
        budget.spend(DB, 0.0)
        budget.brought(DB, "v1")
    return budget


def test_ten_calls_that_bring_nothing_new_are_free_and_the_next_one_waits() -> None:
    budget = _spent(CALLS + 1)  # The first brought a version.
    assert 0 < budget.wait(DB, 0.0) <= PERIOD / CALLS
    assert budget.wait(DB, PERIOD / CALLS + 0.01) <= 0


def test_another_key_and_another_question_wait_for_nobody() -> None:
    budget = _spent(CALLS + 1)
    assert budget.wait(WEB, 0.0) <= 0
    assert budget.wait((Verb.LOOK, "db"), 0.0) <= 0


def test_a_secret_that_changes_is_read_as_often_as_it_does() -> None:
    budget = Budget()
    for number in range(100):
        assert budget.wait(DB, 0.0) <= 0
        budget.spend(DB, 0.0)
        budget.brought(DB, f"v{number}")


def test_a_version_that_comes_back_is_as_new_as_any() -> None:
    budget = Budget()
    for number in range(100):
        budget.spend(DB, 0.0)
        budget.brought(DB, f"v{number % 2}")
    assert budget.wait(DB, 0.0) <= 0


def test_calls_that_tell_nothing_are_spent() -> None:
    budget = Budget()
    for _ in range(CALLS):
        budget.spend(DB, 0.0)
        budget.brought(DB, None)
    assert budget.wait(DB, 0.0) > 0


def test_a_minute_later_all_is_given_back() -> None:
    budget = _spent(CALLS + 1)
    for _ in range(CALLS):
        assert budget.wait(DB, PERIOD) <= 0
        budget.spend(DB, PERIOD)
    assert budget.wait(DB, PERIOD) > 0


def test_many_keys_are_forgotten_when_they_rest() -> None:
    budget = Budget()
    for number in range(20_000):
        budget.spend((Verb.READ, str(number)), float(number))
    assert len(budget._accounts) < 2500
