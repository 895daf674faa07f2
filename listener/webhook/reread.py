"""Reread: something that is made of files and made anew when these change.

Used for certificates, shared secrets and the file of callers, which Kubernetes replaces under the
running process. Guarantees: `get` looks at the files' state each time and costs no read while that
is the same; what cannot be understood leaves in place what was there, is told once for each state
of the files (`on_failure`), and is tried again when they change.
"""

import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Generic, TypeVar

from externalsecret.errors import GiveUp

T = TypeVar("T")
State = tuple[tuple[str, int, int, int], ...]
OnFailure = Callable[[GiveUp], None]


class Reread(Generic[T]):
    """What `read` makes of some files. Threads share it."""

    def __init__(
        self,
        files: Callable[[], Sequence[Path]],
        read: Callable[[Sequence[Path]], T],
        on_failure: OnFailure,
    ) -> None:
        """Read for the first time; raises GiveUp where that is not possible."""
        self._files = files
        self._read = read
        self._on_failure = on_failure
        self._lock = threading.Lock()
        self._state = _state(files())
        self._made = self._attempt()

    def get(self) -> T:
        """What the files say now, or said last when they made sense."""
        with self._lock:
            state = _state(self._files())
            if state != self._state:
                self._state = state
                try:
                    self._made = self._attempt()
                except GiveUp as failure:
                    self._on_failure(failure)
            return self._made

    def _attempt(self) -> T:
        try:
            return self._read(self._files())
        except OSError as error:
            names = ", ".join(str(file) for file in self._files())
            raise GiveUp(
                f"{names or 'A file'} cannot be read ({error.strerror}); mount it, or correct the "
                "setting.",
                reason="FileNotReadable",
            ) from None


def _state(files: Sequence[Path]) -> State:
    return tuple(_look(file) for file in files)


def _look(file: Path) -> tuple[str, int, int, int]:
    try:
        # Not of the link: Kubernetes replaces mounted files by moving a link above them.
        found = file.stat()
    except OSError:
        return (str(file), 0, 0, 0)
    return (str(file), found.st_ino, found.st_mtime_ns, found.st_size)
