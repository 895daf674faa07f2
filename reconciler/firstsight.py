"""FirstSight: when this process first saw a note that no read has served yet.

Fed by reconciler.objects with every state of an object; asked when the change is in the Secret, to
tell how long that took since it was heard. For metrics alone: what is covered is decided by ids.

Guarantees: bounded memory; nothing survives a restart, after which a note counts from the first
list on. May be used by several threads.
"""

import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping
from typing import Any

from externalsecret.reflect import Key

_REMEMBERED = 20_000

_Place = tuple[Key, str, str]


class FirstSight:
    """First sight by object, entry and note."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._seen: OrderedDict[_Place, float] = OrderedDict()

    def look(self, key: Key, status: Mapping[str, Any]) -> None:
        """Keep in mind the notes in a raw status that wait to be served."""
        keys = status.get("keys")
        for entry, leaves in keys.items() if isinstance(keys, dict) else ():
            note = _waiting(leaves)
            if not note:
                continue
            with self._lock:
                self._seen.setdefault((key, entry, note), self._clock())
                if len(self._seen) > _REMEMBERED:
                    self._seen.popitem(last=False)

    def seconds_since(self, key: Key, entry: str, note: str) -> float | None:
        """How long ago that was; None where it is not known. Forgets it."""
        with self._lock:
            seen = self._seen.pop((key, entry, note), None)
        return None if seen is None else max(0.0, self._clock() - seen)


def _waiting(leaves: object) -> str:
    """The id of the note of an entry that no read has served; "" for none."""
    if not isinstance(leaves, dict):
        return ""
    heard, synced = leaves.get("heard"), leaves.get("synced")
    note = heard.get("id") if isinstance(heard, dict) else None
    served = synced.get("note") if isinstance(synced, dict) else None
    return note if isinstance(note, str) and note != served else ""
