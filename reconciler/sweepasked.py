"""A sweep that somebody asks for now: the question and its answer, both in the Lease.

Asked by `hark sweep --now`, which writes an annotation with the rights of its user; learnt by the
leader with the Lease, answered by reconciler.sweep. The Lease is the one object that the reconciler
reads all the time and may write without a right more.

Guarantees: a question is an id, and compared as such: no clock decides. One is answered once, by
whoever leads when the sweep has ended; a restart in between asks again. Threads may share it.
"""

import threading
from collections.abc import Mapping
from typing import Any

ASKED = "externalsecrets.kubernetes-client.io/sweep-now"
ANSWERED = "externalsecrets.kubernetes-client.io/swept-for"
UNANSWERED = "externalsecrets.kubernetes-client.io/swept-but-for"
"""Beside the answer: how many keys their backends did not answer for; "all" after a fault."""
_LONGEST = 200


class SweepAsked:
    """The last question, and the last answer."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._asked = ""
        self._answered = ""
        self._unanswered = "0"

    def open_question(self) -> str:
        """The id of the question that is still to be answered; "" for none."""
        with self._lock:
            return "" if self._asked == self._answered else self._asked

    def answer(self, question: str, *, unanswered: int | None) -> None:
        """All was swept since it was asked, but for so many keys (None: the sweep broke off);
        written with the next renewal.
        """
        with self._lock:
            self._answered = question
            self._unanswered = "all" if unanswered is None else str(unanswered)

    def learn(self, annotations: Mapping[str, Any]) -> None:
        """What stands in the Lease."""
        asked, answered = _text(annotations.get(ASKED)), _text(annotations.get(ANSWERED))
        unanswered = _text(annotations.get(UNANSWERED))
        with self._lock:
            self._asked = asked
            # Ours may not be written yet.
            if self._answered != asked:
                self._answered, self._unanswered = answered, unanswered

    def annotations(self) -> dict[str, str]:
        """For whoever asked, and for the next process."""
        with self._lock:
            if not self._answered:
                return {}
            return {ANSWERED: self._answered, UNANSWERED: self._unanswered}


def _text(found: Any) -> str:
    """An id as it was written, as far as it is one: others may write there."""
    return found if isinstance(found, str) and len(found) <= _LONGEST else ""
