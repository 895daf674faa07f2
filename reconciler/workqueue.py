"""The work queue: which ExternalSecret is looked at next.

Fed by the watches, the sweep and by retries; feeds the workers. It holds keys, never events: why a
key was added is not remembered, the ledger tells. It also hands the workers the second halves of
work that waited for a backend (`resume`), before anything else.

Guarantees: a key is worked on by one worker at a time, from `take` to `done`, however long it waits
for a backend in between; adds while it is worked on lead to once more afterwards; many adds are
one. Urgent keys go before the rest, and within each of the two classes the namespaces take turns.
Does not guarantee order within a namespace beyond first come, first served.
"""

import heapq
import itertools
import threading
import time
from collections import OrderedDict, deque
from collections.abc import Callable
from dataclasses import dataclass, field

from externalsecret.reflect import Key

Continuation = Callable[[], None]


@dataclass(slots=True)
class _Turns:
    """Keys of one class: namespaces in turn, first come first served within each."""

    namespaces: OrderedDict[str, deque[Key]] = field(default_factory=OrderedDict)

    def push(self, key: Key) -> None:
        self.namespaces.setdefault(key[0], deque()).append(key)

    def pop(self) -> Key:
        namespace, keys = self.namespaces.popitem(last=False)
        key = keys.popleft()
        if keys:
            self.namespaces[namespace] = keys
        return key

    def drop(self, key: Key) -> None:
        keys = self.namespaces.get(key[0], deque())
        keys.remove(key)
        if not keys:
            del self.namespaces[key[0]]


class WorkQueue:
    """A deduplicating queue with two classes, delays and turns between namespaces."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._changed = threading.Condition()
        self._waiting: dict[Key, bool] = {}
        self._urgent = _Turns()
        self._other = _Turns()
        self._working: set[Key] = set()
        self._again: dict[Key, bool] = {}
        self._later: list[tuple[float, int, Key]] = []
        self._due: dict[Key, float] = {}
        self._order = itertools.count()
        self._continuations: deque[Continuation] = deque()
        self._closed = False

    def __len__(self) -> int:
        return len(self._waiting) + len(self._working)

    def add(self, key: Key, *, urgent: bool) -> None:
        """Have a key looked at; now, or once more if it is being worked on."""
        with self._changed:
            self._add(key, urgent=urgent)
            self._changed.notify()

    def add_after(self, key: Key, delay: float) -> None:
        """Have a key looked at in so many seconds, or earlier if it is added otherwise."""
        with self._changed:
            due = self._clock() + delay
            if self._due.get(key, due + 1) <= due:
                return
            self._due[key] = due
            heapq.heappush(self._later, (due, next(self._order), key))
            self._changed.notify()

    def resume(self, continuation: Continuation) -> None:
        """Have the rest of a key's work done by a worker; the key stays taken."""
        with self._changed:
            self._continuations.append(continuation)
            self._changed.notify()

    def take(self, *, wait: bool = True) -> Key | Continuation | None:
        """The next thing to do. None when the queue is closed, or nothing is due and it shall not
        `wait`.
        """
        with self._changed:
            while not self._closed:
                found = self._next()
                if found is not None or not wait:
                    return found
                self._changed.wait(self._patience())
        return None

    def done(self, key: Key) -> None:
        """The work on a key is over."""
        with self._changed:
            self._working.discard(key)
            if key in self._again:
                self._add(key, urgent=self._again.pop(key))
                self._changed.notify()

    def close(self) -> None:
        """Let all workers end."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def _next(self) -> Key | Continuation | None:
        if self._continuations:
            return self._continuations.popleft()
        self._ripen()
        for turns in (self._urgent, self._other):
            if turns.namespaces:
                key = turns.pop()
                del self._waiting[key]
                self._working.add(key)
                return key
        return None

    def _add(self, key: Key, *, urgent: bool) -> None:
        if key in self._working:
            self._again[key] = urgent or self._again.get(key, False)
            return
        known = self._waiting.get(key)
        if known is None:
            self._waiting[key] = urgent
            (self._urgent if urgent else self._other).push(key)
        elif urgent and not known:
            self._other.drop(key)
            self._waiting[key] = True
            self._urgent.push(key)

    def _ripen(self) -> None:
        """Move what is due from the delays to the queue."""
        now = self._clock()
        while self._later and self._later[0][0] <= now:
            due, _, key = heapq.heappop(self._later)
            if self._due.get(key) == due:
                del self._due[key]
                self._add(key, urgent=False)

    def _patience(self) -> float | None:
        if not self._later:
            return None
        return max(0.0, self._later[0][0] - self._clock())
