"""Load: what one flight to a backend carries, and who waits for it.

Plain data of reconciler.lane and reconciler.fetch.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from externalsecret.reference import Reference
from reconciler.reads import Answer, Ask, Verb

Answers = Mapping[tuple[Verb, str], Answer]
Done = Callable[[Answers], None]
Slot = tuple[Verb, str]
"""What is asked, of which entry."""


@dataclass(slots=True)
class Party:
    """The asks that somebody submitted together."""

    open: int
    done: Done
    answers: dict[Slot, Answer] = field(default_factory=dict)


@dataclass(slots=True)
class Waiting:
    """Who waits for one slot."""

    asks: list[tuple[Ask, Party]] = field(default_factory=list)

    def is_path(self) -> bool:
        return self.asks[0][0].reference.selector.is_path()


@dataclass(slots=True)
class Load:
    """What one flight carries."""

    verb: Verb
    began: float
    slots: dict[Slot, Waiting]
    joined: dict[Slot, list[tuple[Ask, Party]]] = field(default_factory=dict)
    """Who asked for the same while it flew."""
    is_path: bool = False

    def references(self) -> list[Reference]:
        return [waiting.asks[0][0].reference for waiting in self.slots.values()]
