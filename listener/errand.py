"""Errand: the notes that one message asks for, counted until the last is written or given up.

Made by listener.hear for each message; told by the workers of listener.notes.
"""

import threading
from collections.abc import Callable


class Errand:
    """Counts down the notes of one message and then tells whether all were written."""

    def __init__(self, parts: int, settle: Callable[[bool], None]) -> None:
        self._open = parts
        self._all = True
        self._settle = settle
        self._lock = threading.Lock()

    def part_done(self, written: bool) -> None:  # noqa: FBT001 - the shape of pending.Done
        """The notes of one object are written, or were given up."""
        with self._lock:
            self._open -= 1
            self._all = self._all and written
            last = self._open == 0
        if last:
            self._settle(self._all)
