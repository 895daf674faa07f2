"""The cache: what the last calls to the backends said, bounded in bytes.

Fed and asked by reconciler.fetch. An entry is keyed by lane and read, so by identity: nobody gets
an answer that his own identity was not given. The least recently used values go first when the
bound is reached; what was confirmed as current is remembered beyond that, since a version is small
and no secret.

Guarantees: thread-safe; the values together never weigh more than the bound.
"""

import math
import threading
from collections import OrderedDict
from collections.abc import Mapping

from reconciler.backends.contract import Value, Versions
from reconciler.reads import Answer, Ask, ReadKey, Verb

_OVERHEAD = 500
"""Bytes that an answer weighs beside its values, roughly."""

_Slot = tuple[Verb, ReadKey]


class Cache:
    """Answers by verb and read, and the versions that were confirmed as current."""

    def __init__(self, bound: int) -> None:
        self._bound = bound
        self._lock = threading.Lock()
        self._answers: OrderedDict[_Slot, Answer] = OrderedDict()
        self._weight = 0
        self._current: dict[ReadKey, tuple[str, float]] = {}
        self._remarks: dict[ReadKey, tuple[str, float]] = {}

    def find(self, ask: Ask, read: ReadKey) -> Answer | None:
        """An answer that will do for this ask."""
        slot = (ask.verb, read)
        with self._lock:
            answer = self._answers.get(slot)
            if answer is None or not satisfies(ask, answer):
                return None
            self._answers.move_to_end(slot)
            return answer

    def keep(self, verb: Verb, read: ReadKey, answer: Answer) -> None:
        """Remember an answer, unless a later call's is known."""
        slot = (verb, read)
        weight = _weight(answer)
        if weight > self._bound:
            return
        with self._lock:
            known = self._answers.get(slot)
            if known is not None and known.began > answer.began:
                return
            if known is not None:
                self._weight -= _weight(known)
            self._answers[slot] = answer
            self._answers.move_to_end(slot)
            self._weight += weight
            while self._weight > self._bound:
                _, evicted = self._answers.popitem(last=False)
                self._weight -= _weight(evicted)

    def confirm(self, read: ReadKey, version: str, began: float | None = None) -> bool:
        """This version is current; whether that is news.

        `began` is when the call that told so began; what an older call told changes nothing. None
        stands for just now.
        """
        with self._lock:
            known = self._current.get(read)
            if known is None:
                self._current[read] = (version, began or 0.0)
                return True
            if began is not None and began < known[1]:
                return False
            self._current[read] = (version, known[1] if began is None else began)
            return known[0] != version

    def current(self, read: ReadKey) -> str | None:
        """The version that was last confirmed as current, by anybody."""
        with self._lock:
            known = self._current.get(read)
            return None if known is None else known[0]

    def confirmed(self, read: ReadKey) -> float:
        """When the call began that told what is current, monotonic seconds."""
        with self._lock:
            known = self._current.get(read)
            return 0.0 if known is None else known[1]

    def remark(self, read: ReadKey, word: str, began: float) -> None:
        """The sweep or a reader saw this remark ("": none any more), by a call that began then."""
        with self._lock:
            known = self._remarks.get(read)
            if known is None or known[1] <= began:
                self._remarks[read] = (word, began)

    def remarked(self, read: ReadKey) -> tuple[str, float] | None:
        """The remark that was last seen, and when; None where the sweep has none to tell."""
        with self._lock:
            return self._remarks.get(read)

    def has_value(self, read: ReadKey, since: float = -math.inf) -> bool:
        """Whether some value of this read is kept, however old, or got by a call that began then
        or later.
        """
        with self._lock:
            answer = self._answers.get((Verb.READ, read))
            return answer is not None and answer.began >= since

    def forget(self, read: ReadKey) -> None:
        """There is no such secret: should one come back, its versions may bear the same names."""
        with self._lock:
            for slot in ((Verb.READ, read), (Verb.LOOK, read)):
                answer = self._answers.pop(slot, None)
                if answer is not None:
                    self._weight -= _weight(answer)

    def outdate(self, read: ReadKey, began: float) -> None:
        """The version that is current was made after this: an answer of a call that began before
        may have another one of the same name. In monotonic seconds.
        """
        with self._lock:
            answer = self._answers.get((Verb.READ, read))
            if answer is not None and answer.began < began:
                self._weight -= _weight(self._answers.pop((Verb.READ, read)))

    def retain(self, reads: set[ReadKey]) -> None:
        """Forget what nobody reads any more."""
        with self._lock:
            for told in (self._current, self._remarks):
                for read in told.keys() - reads:
                    del told[read]
            for slot in [slot for slot in self._answers if slot[1] not in reads]:
                self._weight -= _weight(self._answers.pop(slot))


def satisfies(ask: Ask, answer: Answer) -> bool:
    """Whether this answer, got for somebody else, will do."""
    if answer.began >= ask.since:
        return True
    result = answer.result
    return ask.version is not None and isinstance(result, Value) and result.version == ask.version


def _weight(answer: Answer) -> int:
    result = answer.result
    if isinstance(result, Versions):
        return _OVERHEAD + sum(100 for _ in result.known)
    if not isinstance(result, Value):
        return _OVERHEAD
    value = result.value
    parts = list(value.values()) if isinstance(value, Mapping) else [value]
    return _OVERHEAD + sum(map(len, parts))
