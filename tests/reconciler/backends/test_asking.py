import threading
from collections.abc import Callable

import pytest

from externalsecret.errors import GiveUp, HarkError, Retry
from reconciler.backends.asking import at_once, each

Asking = Callable[[dict[str, int], Callable[[int], int]], dict[str, int | HarkError]]
QUESTIONS = {f"q{number}": number for number in range(20)}


def _four_at_once(
    questions: dict[str, int], ask: Callable[[int], int]
) -> dict[str, int | HarkError]:
    return at_once(questions, ask, 4)


both = pytest.mark.parametrize("asking", [each, _four_at_once])


@both
def test_each_question_gets_its_answer_in_their_order(asking: Asking) -> None:
    answers = asking(QUESTIONS, lambda number: number * 2)
    assert list(answers.items()) == [(name, number * 2) for name, number in QUESTIONS.items()]


@both
def test_nothing_asked_is_nothing_answered(asking: Asking) -> None:
    assert asking({}, lambda number: number) == {}


@both
def test_one_failure_is_not_everybodys(asking: Asking) -> None:
    error = GiveUp("no", reason="NotFound")

    def ask(number: int) -> int:
        if number == 3:
            raise error
        return number

    answers = asking(QUESTIONS, ask)
    assert answers.pop("q3") is error
    assert all(isinstance(answer, int) for answer in answers.values())


@both
def test_a_throttled_identity_is_not_asked_on(asking: Asking) -> None:
    error = Retry("slow", reason="Throttled")
    asked = []

    def ask(number: int) -> int:
        asked.append(number)
        raise error

    answers = asking(QUESTIONS, ask)
    assert set(answers) == set(QUESTIONS)
    assert set(answers.values()) == {error}
    assert len(asked) <= 4


@both
def test_a_fault_is_raised_where_was_asked(asking: Asking) -> None:
    def ask(_number: int) -> int:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        asking(QUESTIONS, ask)


def test_no_more_calls_at_the_same_time_than_are_allowed() -> None:
    all_here = threading.Barrier(4)
    lock = threading.Lock()
    now = 0
    most = 0

    def ask(number: int) -> int:
        nonlocal now, most
        with lock:
            now += 1
            most = max(most, now)
        # Broken, and so a fault, unless four are here at once.
        all_here.wait(10)
        with lock:
            now -= 1
        return number

    assert len(at_once(QUESTIONS, ask, 4)) == 20
    assert most == 4
