import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from externalsecret.errors import Retry
from fakes.resources import Clock
from reconciler.enginetime import EngineTime
from reconciler.javascript import JavaScript, Stop, Stopped
from reconciler.patterns import Patterns

ENDLESS = ("^(a+)+$", ("a" * 50 + "b",))


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def patterns(clock: Clock) -> Iterator[Patterns]:
    patterns = Patterns(whole=False, clock=clock)
    yield patterns
    patterns.close()


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What the engine is asked."""
    asked: list[str] = []
    call = JavaScript.call

    def counted(self: JavaScript, function: str, argument: dict[str, str]) -> object:
        asked.append(argument["pattern"])
        return call(self, function, argument)

    monkeypatch.setattr(JavaScript, "call", counted)
    return asked


def _children() -> set[str]:
    return set(Path(f"/proc/{os.getpid()}/task/{os.getpid()}/children").read_text().split())


def test_a_plain_expression_starts_no_process(patterns: Patterns) -> None:
    before = _children()
    assert patterns.matches("team", "^team-a/.*", ("team-a/db", "db")) == (True, False)
    assert _children() == before


def test_one_process_serves_all_and_an_answer_is_asked_for_once(
    patterns: Patterns, calls: list[str]
) -> None:
    before = _children()
    for namespace in ("one", "two", "one"):
        assert patterns.matches(namespace, "^(a|b)$", ("a", "c")) == (True, False)
    assert patterns.matches("one", "(", ("a",)) is None
    assert patterns.matches("one", "(", ("a",)) is None
    assert calls == ["^(a|b)$", "("]
    assert len(_children() - before) == 1


def test_an_odd_text_is_judged_by_the_engine_whatever_the_expression(
    patterns: Patterns, calls: list[str]
) -> None:
    assert patterns.matches("team", "^a$", ("a\n", "a")) == (False, True)
    assert calls == ["^a$"]


def test_what_had_to_be_stopped_is_not_tried_again_in_its_namespace_for_minutes(
    patterns: Patterns, calls: list[str], clock: Clock
) -> None:
    pattern, texts = ENDLESS
    assert patterns.matches("team", pattern, ("aaa",)) == (True,)
    for asked in (texts, texts, ("another",)):
        with pytest.raises(Stopped) as stopped:
            patterns.matches("team", pattern, asked)
        assert stopped.value.stop is Stop.TIME
    assert len(calls) == 2
    # What is known stays known, and another namespace has its own say.
    assert patterns.matches("team", pattern, ("aaa",)) == (True,)
    assert patterns.matches("other", pattern, ("b",)) == (False,)
    clock.seconds += 601
    assert patterns.matches("team", pattern, ("b",)) == (False,)


def test_a_namespace_that_used_its_share_waits_and_the_others_do_not(clock: Clock) -> None:
    share = EngineTime(clock)
    for _ in range(1000):
        share.spend("quick", 0.003)
    for _ in range(5):
        share.spend("slow", 0.24)
    assert share.wait("quick") == 0
    assert share.wait("unknown") == 0
    assert share.wait("slow") == 30
    clock.seconds += 29
    assert share.wait("slow") == pytest.approx(1)
    clock.seconds += 1
    assert share.wait("slow") == 0
    share.spend("slow", 0.24)
    assert share.wait("slow") == 0


def test_whoever_must_wait_is_told_how_long(
    patterns: Patterns, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(EngineTime, "wait", lambda _self, name: 12.0 if name == "slow" else 0.0)
    assert patterns.matches("other", "(a|b)", ("c",)) == (False,)
    assert patterns.matches("slow", "(a|b)", ("c",)) == (False,)
    with pytest.raises(Retry) as refused:
        patterns.matches("slow", "(a|b)", ("d",))
    assert refused.value.after == 12
