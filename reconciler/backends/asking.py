"""Asking a backend many questions, one by one or some together, so that one failure is not
everybody's.

Used by the backends for what they cannot ask in one call. Guarantees that once the identity itself
is refused, throttled or cut off, the rest are not asked but get that answer: they would only feed a
throttle, or wait for a timeout each. `each` and `at_once` give an answer to each question,
`together` to those that a batch settles.
"""

import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Generic, TypeVar

from externalsecret.errors import HarkError, Retry
from reconciler.backends import reasons

Question = TypeVar("Question")
Answer = TypeVar("Answer")

_DENIAL_SECONDS = 600.0


def each(
    questions: Mapping[str, Question], ask: Callable[[Question], Answer]
) -> dict[str, Answer | HarkError]:
    """The answer to each question, by the question's name; a HarkError stands as an answer."""
    answers: dict[str, Answer | HarkError] = {}
    stopped: HarkError | None = None
    for name, question in questions.items():
        if stopped is not None:
            answers[name] = stopped
            continue
        try:
            answers[name] = ask(question)
        except HarkError as error:
            answers[name] = error
            if error.reason in reasons.OF_THE_IDENTITY:
                stopped = error
    return answers


def at_once(
    questions: Mapping[str, Question], ask: Callable[[Question], Answer], most: int
) -> dict[str, Answer | HarkError]:
    """As `each`, where every question is a call of its own: at most `most` calls at the same time.

    The caller's thread takes its part, so one question costs no thread. What `ask` raises beside
    HarkError is raised here.
    """
    round_ = _Round(questions, ask)
    others = [
        threading.Thread(target=round_.work, name=f"asking-{number}", daemon=True)
        for number in range(1, min(most, len(questions)))
    ]
    for one in others:
        one.start()
    round_.work()
    for one in others:
        one.join()
    return round_.answers()


class _Round(Generic[Question, Answer]):
    """Questions that several threads take from, one after the other."""

    def __init__(
        self, questions: Mapping[str, Question], ask: Callable[[Question], Answer]
    ) -> None:
        self._questions = questions
        self._open: Iterator[tuple[str, Question]] = iter(questions.items())
        self._ask = ask
        self._lock = threading.Lock()
        self._found: dict[str, Answer | HarkError] = {}
        self._stopped: HarkError | None = None
        self._fault: Exception | None = None

    def work(self) -> None:
        """Ask until nothing is open; for several threads."""
        while True:
            with self._lock:
                taken = None if self._stopped or self._fault else next(self._open, None)
            if taken is None:
                return
            self._ask_one(*taken)

    def answers(self) -> dict[str, Answer | HarkError]:
        """All of them, in the order of the questions, once every thread has ended."""
        if self._fault is not None:
            raise self._fault
        found = self._found
        if self._stopped is not None:
            for name in self._questions:
                found.setdefault(name, self._stopped)
        return {name: found[name] for name in self._questions}

    def _ask_one(self, name: str, question: Question) -> None:
        try:
            answer: Answer | HarkError = self._ask(question)
        except HarkError as error:
            answer = error
        except Exception as fault:  # noqa: BLE001 - raised again in the caller's thread
            with self._lock:
                self._fault = fault
            return
        with self._lock:
            self._found[name] = answer
            if isinstance(answer, HarkError) and answer.reason in reasons.OF_THE_IDENTITY:
                self._stopped = self._stopped or answer


class Denial:
    """Remembers for ten minutes that a cheaper call is not permitted."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        """`clock` gives seconds and never goes back."""
        self._clock = clock
        self._until: float | None = None

    def remember(self) -> None:
        self._until = self._clock() + _DENIAL_SECONDS

    def holds(self) -> bool:
        return self._until is not None and self._clock() < self._until


def together(
    keys: Sequence[str],
    size: int,
    denial: Denial,
    ask: Callable[[Sequence[str]], Mapping[str, Answer | HarkError]],
) -> dict[str, Answer | HarkError]:
    """Answers by key, asked for in batches of `size`; whatever is open must be asked alone.

    A denied batch says nothing of its keys: it is remembered in `denial` and not tried for a while.
    """
    found: dict[str, Answer | HarkError] = {}
    for start in range(0, len(keys), size):
        batch = keys[start : start + size]
        if len(batch) == 1 or denial.holds():
            break
        try:
            found |= ask(batch)
        except HarkError as error:
            if isinstance(error, Retry) or error.reason in reasons.OF_THE_IDENTITY:
                return found | dict.fromkeys(keys[start:], error)
            if error.reason == reasons.DENIED:
                denial.remember()
    return found
