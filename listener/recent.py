"""Recent: the changes that were heard a moment ago, for readers that appear a moment later.

Fed by listener.listen with every change, before it is matched; asked by listener.index for each
reference that is new to it. A change that was announced while its reader was still on the way
through the watch concerned nobody then and was acknowledged; here it is found after all.

Guarantees: bounded in time and number. Does not survive a crash: then the sweep finds what was
missed.
"""

import threading
import time
from collections import OrderedDict, defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from functools import reduce

from externalsecret.identity import SecretId
from externalsecret.ledger import Heard
from externalsecret.reference import Reference
from listener.concern import concerns, joined, note_of
from listener.messages.meaning import ChangeEvent
from listener.slots import Slot, slots_asked, slots_of

_KEPT_SECONDS = 120.0
_MOST = 5_000


@dataclass(frozen=True, slots=True)
class _Remembered:
    event: ChangeEvent
    via: str
    at: float


_Which = tuple[str, SecretId, str | None]
"""Id, secret and label of a change: one message may tell several changes, by one id."""


class Recent:
    """The last two minutes of changes. Threads share it."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._events: OrderedDict[_Which, _Remembered] = OrderedDict()
        self._slots: defaultdict[Slot, list[_Which]] = defaultdict(list)

    def remember(self, event: ChangeEvent, via: str) -> None:
        """Keep a change for a while. Call it before the change is matched."""
        which = (event.id, event.secret, event.label)
        with self._lock:
            self._forget(which)
            self._events[which] = _Remembered(event, via, self._clock())
            for slot in slots_asked(event.secret):
                self._slots[slot].append(which)
            self._forget_old()

    def note_for(self, reference: Reference) -> Heard | None:
        """What the ledger of a new reader should say: the changes that concern it, in one note."""
        with self._lock:
            self._forget_old()
            found = {
                which: self._events[which]
                for slot in slots_of(reference)
                for which in self._slots.get(slot, ())
                if concerns(reference, self._events[which].event)
            }
        in_order = sorted(found.values(), key=lambda remembered: remembered.at)
        notes = [note_of(reference, one.event, one.via) for one in in_order]
        return reduce(joined, notes) if notes else None

    def _forget_old(self) -> None:
        oldest = self._clock() - _KEPT_SECONDS
        while self._events:
            which, first = next(iter(self._events.items()))
            if first.at >= oldest and len(self._events) <= _MOST:
                return
            self._forget(which)

    def _forget(self, which: _Which) -> None:
        forgotten = self._events.pop(which, None)
        if forgotten is None:
            return
        for slot in slots_asked(forgotten.event.secret):
            self._slots[slot].remove(which)
            if not self._slots[slot]:
                del self._slots[slot]
