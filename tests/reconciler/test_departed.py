from fakes.resources import Clock
from reconciler.departed import Departed


def test_of_many_that_left_the_oldest_are_forgotten() -> None:
    departed = Departed(Clock())
    for number in range(10_001):
        departed.note(("team", f"{number}"), 1)
    assert len(departed) == 10_000
    assert (departed.version(("team", "0")), departed.version(("team", "1"))) == (-1, 1)


def test_who_left_again_is_remembered_from_then_on() -> None:
    clock = Clock()
    departed = Departed(clock)
    departed.note(("team", "shop"), 1)
    clock.seconds += 500
    departed.note(("team", "shop"), 2)
    clock.seconds += 500
    departed.note(("team", "web"), 3)
    assert departed.version(("team", "shop")) == 2
