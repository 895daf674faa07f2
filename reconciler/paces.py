"""Paces: which reads are swept how often, as the objects that use them say.

Fed by reconciler.objects with specs, whose lock guards it; feeds the sweep. Only objects that say
anything take memory.

Guarantees: a read that several objects use is swept at the shortest of their intervals, once for
all of them; what only suspended objects use is not swept. A pace that makes no sense counts as none
here: the object's status tells.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any

from externalsecret.errors import GiveUp
from externalsecret.reflect import Key
from reconciler.pace import Pace, read_pace
from reconciler.reads import Lane, ReadKey

_PLAIN = Pace()
Own = float | None
"""An interval in seconds that objects ask for; None stands for that of the installation."""


class Paces:
    """What each object says of its pace."""

    def __init__(self) -> None:
        self._said: dict[Key, Pace] = {}

    def note(self, key: Key, spec: Mapping[str, Any]) -> None:
        """Keep what a spec says."""
        try:
            pace = read_pace(spec)
        except GiveUp:
            pace = _PLAIN
        if pace == _PLAIN:
            self.forget(key)
        else:
            self._said[key] = pace

    def forget(self, key: Key) -> None:
        self._said.pop(key, None)

    def suspended(self) -> int:
        """How many objects are."""
        return sum(pace.is_suspended for pace in self._said.values())

    def is_suspended(self, key: Key) -> bool:
        return self._said.get(key, _PLAIN).is_suspended

    def intervals(self) -> set[float]:
        """All that somebody asks for."""
        return {
            pace.interval
            for pace in self._said.values()
            if pace.interval is not None and not pace.is_suspended
        }

    def classes(
        self, readers: Mapping[ReadKey, Iterable[Key]], general: Own
    ) -> dict[Own, dict[Lane, set[str]]]:
        """Every read that is to be swept, by its interval and lane.

        `general` is the interval of the installation; None: it sweeps for nobody who does not ask.
        """
        found: defaultdict[Own, defaultdict[Lane, set[str]]]
        found = defaultdict(lambda: defaultdict(set))
        for (lane, entry), keys in readers.items():
            wanted = [self._said.get(key, _PLAIN) for key in keys]
            intervals = [pace.interval or general for pace in wanted if not pace.is_suspended]
            shortest = min((one for one in intervals if one is not None), default=None)
            if shortest is not None:
                own = None if shortest == general else shortest
                found[own][lane].add(entry)
        return {own: dict(lanes) for own, lanes in found.items()}
