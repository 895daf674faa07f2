"""A sweep that is asked for now."""

from reconciler.sweepasked import ANSWERED, ASKED, UNANSWERED, SweepAsked
from reconciler.swept import Swept


def test_a_question_is_open_until_it_is_answered() -> None:
    asked = SweepAsked()
    asked.learn({ASKED: "q1"})
    assert asked.open_question() == "q1"
    asked.answer("q1", unanswered=3)
    assert asked.open_question() == ""
    assert asked.annotations() == {ANSWERED: "q1", UNANSWERED: "3"}
    # The Lease may be read before our answer is written.
    asked.learn({ASKED: "q1"})
    assert asked.open_question() == ""
    asked.learn({ASKED: "q2", ANSWERED: "q1"})
    assert asked.open_question() == "q2"


def test_what_was_answered_before_is_not_asked_again_after_a_restart() -> None:
    asked = SweepAsked()
    asked.learn({ASKED: "q1", ANSWERED: "q1"})
    assert asked.open_question() == ""


def test_who_asks_nonsense_asks_nothing() -> None:
    asked = SweepAsked()
    many: list[object] = [None, 5, {}, "x" * 201]
    for nonsense in many:
        asked.learn({ASKED: nonsense})
        assert asked.open_question() == ""
    assert asked.annotations() == {}


def test_it_travels_with_the_times_of_the_sweeps() -> None:
    swept = Swept(lambda: 1.7e9)
    swept.learn({ASKED: "q1"})
    swept.asked.answer(swept.asked.open_question(), unanswered=None)
    assert swept.annotations() == {ANSWERED: "q1", UNANSWERED: "all"}
