"""Pending: the notes for one object that no request carries yet, and who waits for them.

Fed and used by listener.notes, under its lock.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from externalsecret.ledger import Heard
from listener.concern import in_place_of

Done = Callable[[bool], None]
"""Told whether the notes were written."""


@dataclass(slots=True)
class Pending:
    """What is to be noted of one object. `due` is a time of the writer's clock, in seconds."""

    notes: dict[str, Heard] = field(default_factory=dict)
    unowned: dict[str, Heard] = field(default_factory=dict)
    """Those of them that no message would bring again."""
    waiting: list[Done] = field(default_factory=list)
    failures: int = 0
    due: float = 0.0

    def add(self, notes: Mapping[str, Heard], done: Done | None) -> None:
        """`done` is None where no message would bring these notes again."""
        _put(self.notes, notes)
        if done is None:
            _put(self.unowned, notes)
        else:
            self.waiting.append(done)

    def take_in(self, newer: "Pending") -> None:
        """Let what came meanwhile travel along."""
        _put(self.notes, newer.notes)
        _put(self.unowned, newer.unowned)
        self.waiting.extend(newer.waiting)

    def without_messages(self) -> "Pending":
        """What is left when every message that waits is handed back."""
        return Pending(dict(self.unowned), self.unowned, [], self.failures, self.due)


def _put(notes: dict[str, Heard], newer: Mapping[str, Heard]) -> None:
    for entry, note in newer.items():
        notes[entry] = in_place_of(notes.get(entry), note)
