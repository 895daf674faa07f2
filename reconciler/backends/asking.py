"""Asking a backend many questions, one by one or some together, so that one failure is not
everybody's.

Used by the backends for what they cannot ask in one call. Guarantees that once the identity itself
is refused, throttled or cut off, the rest are not asked but get that answer: they would only feed a
throttle, or wait for a timeout each. `each` gives an answer to each question, `together` to those
that a batch settles.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar

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
