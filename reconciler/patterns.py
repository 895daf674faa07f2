"""The regular expressions of annotations, answered in JavaScript's dialect.

Fed by reconciler.permissions with an expression and texts; answered by reconciler.plainpattern
where the expression is plain, else by the script engine (reconciler.javascript), whose process
starts with the first such question.

Guarantees: an answer that was given is not asked for again soon. An expression that had to be
stopped is not tried again in its namespace for some minutes, and a namespace whose expressions are
slow is made to wait (reconciler.enginetime): the one engine serves all, one call after another.
"""

import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from functools import lru_cache, partial
from pathlib import Path

from externalsecret.errors import Retry
from reconciler.enginetime import EngineTime
from reconciler.javascript import JavaScript, Limits, Stop, Stopped
from reconciler.plainpattern import read_plain

_REMEMBERED = 2048
_LIMITS = Limits(cpu=0.25, memory=16 << 20)
_STOPPED_SECONDS = 600.0

Matches = tuple[bool, ...] | None
"""For each text whether it matches; None when the expression is malformed."""


class Patterns:
    """Answers for all namespaces; threads share it. Close it to end the engine's process."""

    def __init__(self, *, whole: bool, clock: Callable[[], float] = time.monotonic) -> None:
        """`whole`: an expression must match the whole text, not a part of it."""
        self._whole = whole
        self._clock = clock
        source = Path(__file__).with_name("prelude") / "permitted.js"
        self._engine = JavaScript(lambda: [source.read_text()], _LIMITS)
        self._time = EngineTime(clock)
        self._turn = threading.Lock()
        self._plain = lru_cache(_REMEMBERED)(partial(read_plain, whole=whole))
        self._answers: OrderedDict[tuple[str, tuple[str, ...]], Matches] = OrderedDict()
        self._stopped: dict[tuple[str, str], tuple[float, Stop]] = {}
        """When an expression was stopped in a namespace, and why."""

    def matches(self, namespace: str, pattern: str, texts: tuple[str, ...]) -> Matches:
        """Which texts match. Raises Stopped, and Retry for a namespace that has to wait."""
        plain = self._plain(pattern)
        if plain is not None and all(plain.answers(text) for text in texts):
            return tuple(plain.permits(text) for text in texts)
        # One at a time, as the engine serves them: only so it is known who took how long.
        with self._turn:
            question = (pattern, texts)
            if question in self._answers:
                self._answers.move_to_end(question)
                return self._answers[question]
            self._refuse_the_slow(namespace, pattern)
            answer = self._ask(namespace, pattern, texts)
            self._answers[question] = answer
            if len(self._answers) > _REMEMBERED:
                self._answers.popitem(last=False)
            return answer

    def close(self) -> None:
        """End the engine's process."""
        self._engine.close()

    def _refuse_the_slow(self, namespace: str, pattern: str) -> None:
        now = self._clock()
        since, stop = self._stopped.get((namespace, pattern), (now, None))
        if stop is not None and now - since < _STOPPED_SECONDS:
            raise Stopped(stop)
        wait = self._time.wait(namespace)
        if wait > 0:
            raise Retry(
                f"The regular expressions of namespace {namespace} were so slow that it must wait.",
                reason="NotPermitted",
                after=wait,
            )

    def _ask(self, namespace: str, pattern: str, texts: tuple[str, ...]) -> Matches:
        request = {"pattern": pattern, "texts": texts, "whole": self._whole}
        before = self._engine.spent
        try:
            reply = self._engine.call("permitted", request)
        except Stopped as stopped:
            if stopped.stop is not Stop.WALL:
                self._note_stop(namespace, pattern, stopped.stop)
            raise
        finally:
            self._time.spend(namespace, self._engine.spent - before)
        # This source runs no script of a tenant, so the reply has its form.
        if not reply["valid"]:
            return None
        return tuple(match is True for match in reply["matches"])

    def _note_stop(self, namespace: str, pattern: str, stop: Stop) -> None:
        now = self._clock()
        recent = {
            place: noted
            for place, noted in self._stopped.items()
            if now - noted[0] < _STOPPED_SECONDS
        }
        self._stopped = {**recent, (namespace, pattern): (now, stop)}
