"""Lends parts that are dear to start to the processes of one test run.

Made by fixtures.py in the process that controls the run; the workers ask over a Unix socket. The
first who asks for a part has it started, everybody gets the same address, and all ends with the
owner.
"""

from __future__ import annotations

import contextlib
import shutil
import tempfile
import threading
from collections.abc import Callable, Mapping
from multiprocessing.connection import Client, Connection, Listener
from pathlib import Path
from typing import Protocol


class Stoppable(Protocol):
    """A part that is up."""

    def stop(self) -> None:
        """End it; may be called twice."""


class CannotBorrowError(Exception):
    """A part could not be started; the message tells why."""


class Lender:
    """Starts each part at most once, in the order of the requests."""

    def __init__(self, parts: Mapping[str, Callable[[], tuple[Stoppable, str]]]) -> None:
        """Listen for requests; each function starts a part and returns it with its address."""
        self._parts = parts
        self._folder = Path(tempfile.mkdtemp(prefix="hark-lender-"))
        self.address = str(self._folder / "socket")
        self._listener = Listener(self.address, family="AF_UNIX")
        self._started: dict[str, Stoppable] = {}
        self._answers: dict[str, tuple[bool, str]] = {}
        self._thread = threading.Thread(target=self._serve, name="lender", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop all parts."""
        with contextlib.suppress(OSError), Client(self.address, family="AF_UNIX") as connection:
            connection.send(None)
        self._thread.join()
        self._listener.close()
        for part in self._started.values():
            part.stop()
        shutil.rmtree(self._folder, ignore_errors=True)

    def _serve(self) -> None:
        while True:
            with self._listener.accept() as connection, contextlib.suppress(OSError, EOFError):
                name = connection.recv()
                if name is None:
                    return
                self._answer(connection, name)

    def _answer(self, connection: Connection, name: str) -> None:
        if name not in self._answers:
            try:
                self._started[name], address = self._parts[name]()
            except Exception as error:  # noqa: BLE001 - whoever asked gets it, whatever it was
                self._answers[name] = (False, f"{type(error).__name__}: {error}")
            else:
                self._answers[name] = (True, address)
        connection.send(self._answers[name])


def borrow(lender_address: str, name: str) -> str:
    """Return the address of a part, started if need be; raises CannotBorrowError."""
    with Client(lender_address, family="AF_UNIX") as connection:
        connection.send(name)
        started, answer = connection.recv()
    if not started:
        raise CannotBorrowError(answer)
    return str(answer)
