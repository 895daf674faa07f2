"""Pub/Sub on this machine: Google's own in-memory server for tests, pstest, as a process.

Used by the tests (and by whoever tries the docs); `python -m testbed.pubsub` provides the program
and prints where it is. It is built from the Go module in gopubsub (about a minute, once per
machine). It does pull, acknowledge, deadlines, filters and dead letters as the real service does.
Not there: IAM, retry policies, what dead letters say of their origin. An empty pull ends after half
a second. Nothing is kept.
"""

from __future__ import annotations

import re
import subprocess
import sys
import time
from pathlib import Path
from typing import Self

from testbed import cache, gobuild
from testbed.processgroup import ProcessGroup, how_it_ended

_GO_MODULE = Path(__file__).parent / "gopubsub"
_LISTENING = re.compile(r"listening on \S+:(\d+)$", re.MULTILINE)
_READY_SECONDS = 30.0
_POLL_SECONDS = 0.02


class PubSubError(Exception):
    """The server did not come up."""


def provide(progress: cache.Progress = cache.print_progress) -> Path:
    """Return the server's program, built on first use; raises CannotProvideError."""
    return gobuild.provide_go_program("pstest", _GO_MODULE, progress)


def provide_at_once() -> Path:
    """Do as `provide`, but raise CannotProvideError where that would take a minute."""

    def refuse(_line: str) -> None:
        raise cache.CannotProvideError(
            "The Pub/Sub server for tests is not on this machine yet. Run `make tools`, or "
            "`python -m testbed.pubsub`, once, which may take minutes, and then try again."
        )

    return provide(refuse)


class PubSubServer:
    """A server of one's own, empty; `close` ends it."""

    def __init__(self) -> None:
        """Start on a free port of the loopback and wait until it listens."""
        self._program = provide_at_once()
        self._group = ProcessGroup("pubsub-")
        self._starts = 0
        self._child, self.port = self._start(0)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def address(self) -> str:
        """For PUBSUB_EMULATOR_HOST."""
        return f"localhost:{self.port}"

    def kill(self) -> None:
        """End it, with all that it holds, until `start_again`."""
        self._group.kill(self._child)

    def start_again(self) -> None:
        """Start it at the same address, empty."""
        self._child, self.port = self._start(self.port)

    def close(self) -> None:
        """Kill it for good; may be called twice."""
        self._group.close()

    def _start(self, port: int) -> tuple[subprocess.Popen[bytes], int]:
        self._starts += 1
        name = f"pstest-{self._starts}"
        child = self._group.start(name, [str(self._program), str(port)])
        log = self._group.folder / f"{name}.log"
        deadline = time.monotonic() + _READY_SECONDS
        while time.monotonic() < deadline and child.poll() is None:
            found = _LISTENING.search(log.read_text(errors="replace"))
            if found:
                return child, int(found[1])
            time.sleep(_POLL_SECONDS)
        raise PubSubError(f"pstest {how_it_ended(child)}:\n{self._group.log_tail(name)}")


if __name__ == "__main__":
    try:
        sys.stdout.write(f"{provide()}\n")
    except cache.CannotProvideError as error:
        sys.exit(str(error))
