import os
import queue
import subprocess
import sys
import threading
from typing import Any

from externalsecret.errors import GiveUp
from externalsecret.redacted import Redacted
from reconciler.evaluate import Evaluator, Made

TEMPLATE = {"stringData": {"x": "<%= data.user %>"}}


class Engine:
    """Gives what it is asked, when it may."""

    def __init__(self) -> None:
        self.may_go = threading.Semaphore(0)
        self.asked: queue.Queue[str] = queue.Queue()
        self.closed = False

    def call(self, _function: str, argument: Any) -> Any:
        user = argument["entries"]["user"]
        self.asked.put(user)
        assert self.may_go.acquire(timeout=10)
        if user == "fault":
            raise RuntimeError(user)
        return {"made": [user for _ in argument["texts"]]}

    def close(self) -> None:
        self.closed = True
        self.may_go.release(100)


def submit(evaluator: Evaluator, namespace: str, user: str) -> "queue.Queue[Made]":
    answers: queue.Queue[Made] = queue.Queue()
    data = {"user": Redacted(user.encode())}
    evaluator.submit((namespace, user), TEMPLATE, data, answers.put)
    return answers


def test_namespaces_take_turns() -> None:
    engine = Engine()
    evaluator = Evaluator(engine)
    for number in range(4):
        submit(evaluator, "busy", f"busy{number}")
    assert engine.asked.get(timeout=10) == "busy0"
    submit(evaluator, "quiet", "quiet0")
    engine.may_go.release(10)
    order = [engine.asked.get(timeout=10) for _ in range(4)]
    assert order.index("quiet0") <= 1
    evaluator.close()


def test_a_fault_of_ours_is_an_answer_too_and_holds_no_value() -> None:
    engine = Engine()
    engine.may_go.release(10)
    evaluator = Evaluator(engine)
    answer = submit(evaluator, "team", "fault").get(timeout=10)
    assert isinstance(answer, GiveUp)
    assert answer.reason == "InternalFault"
    assert "RuntimeError" not in answer.message
    made = submit(evaluator, "team", "anna").get(timeout=10)
    assert made == {"stringData": {"x": Redacted(b"anna")}}
    evaluator.close()


def test_it_starts_with_the_first_template_and_ends_with_its_engine() -> None:
    engine = Engine()
    engine.may_go.release(10)
    before = threading.active_count()
    evaluator = Evaluator(engine)
    assert threading.active_count() == before
    submit(evaluator, "team", "anna").get(timeout=10)
    evaluator.close()
    assert engine.closed


def test_who_has_no_template_loads_no_engine() -> None:
    asks = (
        "import sys, hark.reconciling; print([name for name in sys.modules if 'quickjs' in name])"
    )
    said = subprocess.run(
        [sys.executable, "-c", asks],
        capture_output=True,
        text=True,
        check=True,
        env=dict(os.environ),
    )
    assert said.stdout == "[]\n"
