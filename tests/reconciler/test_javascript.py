import os
import signal
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from externalsecret.errors import GiveUp, Retry
from reconciler import javascript
from reconciler.javascript import JavaScript, Limits, Stop, Stopped

SOURCE = """
globalThis.evaluate = (argument) => {
  const { code, value } = JSON.parse(argument);
  return { value: new Function('value', code)(value) };
};
globalThis.text = () => 'no object';
"""


@pytest.fixture
def engine() -> Iterator[JavaScript]:
    engine = JavaScript(lambda: [SOURCE], Limits(cpu=20, wall=60))
    yield engine
    engine.close()


@pytest.fixture
def impatient() -> Iterator[JavaScript]:
    engine = JavaScript(lambda: [SOURCE], Limits(cpu=0.3, wall=60))
    yield engine
    engine.close()


def evaluate(engine: JavaScript, code: str, value: object = None) -> object:
    return engine.call("evaluate", {"code": code, "value": value}).get("value")


def stop_of(engine: JavaScript, code: str) -> Stop:
    with pytest.raises(Stopped) as stopped:
        evaluate(engine, code)
    return stopped.value.stop


def processes_below(process: int) -> list[int]:
    children = Path(f"/proc/{process}/task/{process}/children").read_text()
    return [int(child) for child in children.split()]


@pytest.mark.parametrize(
    "value", [None, 1, "é\0\n😀\u2028", [1, {"a": []}], {"__proto__": 1}, "x" * 3_000_000]
)
def test_values_come_back_as_they_went(engine: JavaScript, value: object) -> None:
    assert evaluate(engine, "return value", value) == value


def test_nothing_is_started_before_the_first_call() -> None:
    asked: list[str] = []

    def sources() -> Sequence[str]:
        asked.append("asked")
        return [SOURCE]

    engine = JavaScript(sources)
    assert asked == []
    engine.close()
    assert evaluate(engine, "return 1") == 1
    assert evaluate(engine, "return 2") == 2
    assert asked == ["asked"]
    engine.close()
    assert evaluate(engine, "return 3") == 3
    engine.close()


def test_a_call_leaves_no_trace(engine: JavaScript) -> None:
    evaluate(engine, "globalThis.kept = 1; Object.prototype.kept = 1; JSON.parse = null")
    assert evaluate(engine, "return typeof kept") == "undefined"


@pytest.mark.parametrize(
    ("code", "stop"),
    [
        ("while (true) {}", Stop.TIME),
        ("new Array(2 ** 32 - 1).join('x')", Stop.TIME),
        ("return 'x'.repeat(9e6)", Stop.OUTPUT),
        ("const a = []; for (;;) a.push('x'.repeat(1e5) + a.length)", Stop.MEMORY),
        ("let a = []; for (;;) a = [a]", Stop.MEMORY),
        ("let a = []; for (let i = 0; i < 1e5; i++) a = [a]; return a", Stop.MEMORY),
        ("let a = []; for (let i = 0; i < 2e3; i++) a = [a]; return a", Stop.CRASH),
        ("throw value", Stop.MEMORY),
    ],
)
def test_a_call_is_ended_and_the_next_one_works(
    engine: JavaScript, impatient: JavaScript, code: str, stop: Stop
) -> None:
    asked = impatient if stop is Stop.TIME else engine
    assert stop_of(asked, code) is stop
    assert evaluate(asked, "return 1") == 1


def test_a_function_that_returns_no_object_is_a_stop(engine: JavaScript) -> None:
    with pytest.raises(Stopped):
        engine.call("text", None)
    with pytest.raises(Stopped):
        engine.call("absent", None)


def test_time_that_others_use_does_not_count(impatient: JavaScript) -> None:
    done = threading.Event()

    def burn() -> None:
        while not done.is_set():
            sum(range(1000))

    burner = threading.Thread(target=burn)
    burner.start()
    try:
        assert all(evaluate(impatient, "return 1") == 1 for _ in range(10))
    finally:
        done.set()
        burner.join()


def test_a_machine_that_is_too_busy_is_another_stop_than_a_script_that_is_too_slow() -> None:
    engine = JavaScript(lambda: [SOURCE], Limits(cpu=60, wall=0.2))
    try:
        assert stop_of(engine, "while (true) {}") is Stop.WALL
        assert evaluate(engine, "return 1") == 1
    finally:
        engine.close()


def test_threads_share_an_engine(engine: JavaScript) -> None:
    seen: list[object] = []
    threads = [
        threading.Thread(target=lambda n=n: seen.append(evaluate(engine, "return value", n)))
        for n in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(map(str, seen)) == [str(n) for n in range(8)]


def test_a_lost_process_is_replaced_without_a_word(engine: JavaScript) -> None:
    before = set(processes_below(os.getpid()))
    assert evaluate(engine, "return 1") == 1
    (jail,) = set(processes_below(os.getpid())) - before
    os.kill(jail, signal.SIGKILL)
    assert evaluate(engine, "return 2") == 2


def test_the_process_has_no_environment_and_ends_with_its_engine() -> None:
    before = set(processes_below(os.getpid()))
    engine = JavaScript(lambda: [SOURCE])
    evaluate(engine, "return 1")
    (jail,) = set(processes_below(os.getpid())) - before
    assert Path(f"/proc/{jail}/environ").read_bytes() == b""
    engine.close()
    assert not Path(f"/proc/{jail}").exists()


def test_a_missing_engine_is_told_with_its_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(javascript, "_PACKAGE", "no_such_package_of_hark")
    with pytest.raises(GiveUp, match="Install Hark with its extra `templates`"):
        evaluate(JavaScript(lambda: [SOURCE]), "return 1")


def test_sources_that_do_not_load_are_tried_again_later() -> None:
    with pytest.raises(Retry, match="could not be started"):
        evaluate(JavaScript(lambda: ["syntax error"]), "return 1")


def test_the_time_that_calls_take_is_told_whether_they_end_or_are_ended(
    impatient: JavaScript,
) -> None:
    evaluate(impatient, "return 1")
    assert 0 < impatient.spent < 0.2
    before = impatient.spent
    stop_of(impatient, "while (true) {}")
    assert 0.25 < impatient.spent - before < 2
