"""When a note was first seen that waits to be served."""

from typing import Any

import pytest

from reconciler.firstsight import FirstSight

KEY = ("shop", "one")


class Clock:
    seconds = 100.0

    def __call__(self) -> float:
        return self.seconds


def status(note: str, served: str | None = None) -> dict[str, Any]:
    synced = {} if served is None else {"synced": {"note": served}}
    return {"keys": {"db": {"heard": {"id": note}, **synced}}}


def test_the_first_sight_of_a_note_counts_and_is_told_once() -> None:
    clock = Clock()
    sight = FirstSight(clock)
    sight.look(KEY, status("e1"))
    clock.seconds += 2
    sight.look(KEY, status("e1", served="e0"))
    clock.seconds += 3
    assert sight.seconds_since(KEY, "db", "e1") == 5
    assert sight.seconds_since(KEY, "db", "e1") is None


def test_a_served_note_waits_for_nothing() -> None:
    sight = FirstSight(Clock())
    sight.look(KEY, status("e1", served="e1"))
    assert sight.seconds_since(KEY, "db", "e1") is None


@pytest.mark.parametrize(
    "odd",
    [{}, {"keys": None}, {"keys": []}, {"keys": {"db": None}}, {"keys": {"db": {"heard": 1}}}],
)
def test_a_status_that_holds_no_note_says_nothing(odd: dict[str, Any]) -> None:
    FirstSight(Clock()).look(KEY, odd)


def test_memory_is_bounded() -> None:
    sight = FirstSight(Clock())
    for number in range(20_001):
        sight.look(KEY, status(f"e{number}"))
    assert sight.seconds_since(KEY, "db", "e0") is None
    assert sight.seconds_since(KEY, "db", "e1") == 0
