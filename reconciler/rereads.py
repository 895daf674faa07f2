"""How often an announced version was looked for in vain, and when notes were first seen.

Fed and asked by the reconcile story. Clouds are eventually consistent: a version that an event
names may not be readable yet. It is looked for a few times with growing delays and then let go.

Guarantees: bounded memory; what is forgotten costs some tries more, nothing else. Nothing survives
a restart.
"""

import threading
from collections import OrderedDict

from externalsecret.reflect import Key

_REMEMBERED = 20_000


class Rereads:
    """Tries by object and entry; first sight by note."""

    def __init__(self, delays: tuple[float, ...]) -> None:
        """`delays` are the waits before each further try, in seconds."""
        self._delays = delays
        self._lock = threading.Lock()
        self._tries: OrderedDict[tuple[Key, str, str], int] = OrderedDict()
        self._seen: OrderedDict[str, float] = OrderedDict()

    def next_delay(self, key: Key, entry: str, note: str, most: int | None = None) -> float | None:
        """How long to wait before the next try; None when it was tried often enough (`most` times
        where that is given).

        The next try shall ask anew: what was answered since the note was first seen was too old.
        """
        with self._lock:
            self._seen.pop(note, None)
            place = (key, entry, note)
            tries = self._tries.pop(place, 0)
            if tries >= min(len(self._delays), most or len(self._delays)):
                return None
            self._tries[place] = tries + 1
            if len(self._tries) > _REMEMBERED:
                self._tries.popitem(last=False)
            return self._delays[tries]

    def first_seen(self, note: str, now: float) -> float:
        """When this process first saw the note (after a try in vain: since then); else now."""
        with self._lock:
            seen = self._seen.setdefault(note, now)
            if len(self._seen) > _REMEMBERED:
                self._seen.popitem(last=False)
            return seen
