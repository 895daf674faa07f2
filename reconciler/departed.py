"""What has departed: the versions at which objects were deleted, each remembered for a while.

Fed and asked by reconciler.objects and reconciler.live, under their locks: it has none of its own.

Guarantees: bounded in time and number, however long no list comes. Does not guarantee to know of a
deletion for longer than a reply to a write that was sent before it can be under way.
"""

import time
from collections import OrderedDict
from collections.abc import Callable

from externalsecret.reflect import Key

_REMEMBERED = 600.0
"""In seconds; no reply is under way for that long."""
_MOST = 10_000


class Departed:
    """The versions at which objects left."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._left: OrderedDict[Key, tuple[int, float]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._left)

    def note(self, key: Key, version: int) -> None:
        """It left at this version; the oldest are forgotten."""
        now = self._clock()
        self._left.pop(key, None)
        self._left[key] = (version, now)
        while len(self._left) > _MOST or self._oldest() < now - _REMEMBERED:
            self._left.popitem(last=False)

    def version(self, key: Key) -> int:
        """The version at which it left; -1 where that is not known."""
        return self._left.get(key, (-1, 0.0))[0]

    def forget(self, key: Key) -> None:
        self._left.pop(key, None)

    def forget_where(self, is_lost: Callable[[Key], bool]) -> None:
        for key in [key for key in self._left if is_lost(key)]:
            del self._left[key]

    def _oldest(self) -> float:
        return next(iter(self._left.values()))[1]
