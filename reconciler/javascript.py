"""A JavaScript engine for scripts that tenants write, in a process of its own.

Fed by reconciler.template and reconciler.permissions with trusted sources (once) and calls of
their functions; feeds back what the function returned, as JSON. The engine is QuickJS, by the PyPI
package quickjs-ng.

Why a process: some loops inside the engine heed no time limit (`new Array(2**32 - 1).join()`), its
own limit counts the processor time of the whole process, and a flaw in it must not end Hark's. Each
call runs in a fork of one prepared process (see reconciler.jail): without environment, files or
sockets, and without a trace of earlier calls.

Guarantees: a call ends within Limits, whatever the script does; what is raised holds no text that a
script could have chosen. Calls are served one after another, from any thread. Does not guarantee
that a result has the form that the function's source suggests: scripts may tamper with it.
"""

import contextlib
import importlib.util
import json
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any, NoReturn

from externalsecret.errors import GiveUp, Retry

_PACKAGE = "_quickjs"
_JAIL = Path(__file__).with_name("jail.py")
_SLACK_SECONDS = 5.0
_DONE = "="
_HEAD = 9
"""Bytes of a reply before its result: the letter, and the time that the call took."""


class Stop(StrEnum):
    """Why a call ended without a result; the values are letters of the jail's replies."""

    TIME = "t"
    MEMORY = "m"
    OUTPUT = "o"
    CRASH = "c"
    WALL = "w"


_WORDS = {
    Stop.TIME: "needs too much time",
    Stop.MEMORY: "needs too much memory or recursion",
    Stop.OUTPUT: "makes too much text",
    Stop.CRASH: "stopped the script engine, probably by its need for memory",
    Stop.WALL: "could not be finished in time; this machine may be too busy",
}


class Stopped(Exception):
    """The script was ended. `words` continue a sentence about it."""

    def __init__(self, stop: Stop) -> None:
        super().__init__(_WORDS[stop])
        self.stop = stop
        self.words = _WORDS[stop]


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds of one call."""

    cpu: float = 0.5
    """Seconds of processor time of this call alone. Others wait for it, and an honest template
    takes milliseconds."""
    wall: float = 10.0
    """Seconds by the clock, for the case that the machine is busy."""
    memory: int = 64 << 20
    """Bytes that the engine may hold, the trusted sources included."""
    address_space: int = 512 << 20
    """Bytes of address space of the call's process."""
    output: int = 8 << 20
    """Bytes of the result as JSON."""


class JavaScript:
    """The functions of some trusted sources. The process starts with the first call."""

    def __init__(self, sources: Callable[[], Sequence[str]], limits: Limits | None = None) -> None:
        """`sources` is asked at each start of the process; what it raises, `call` raises."""
        self._sources = sources
        self._limits = limits or Limits()
        self._lock = threading.Lock()
        self._jail: subprocess.Popen[bytes] | None = None
        self.spent = 0.0
        """Seconds of processor time of all calls so far."""

    def call(self, function: str, argument: Any) -> Any:
        """What a global function returns when given `argument` as one JSON text.

        Raises Stopped, GiveUp (the engine is not installed) and Retry (it cannot be started).
        """
        request = json.dumps({"function": function, "argument": json.dumps(argument)}).encode()
        with self._lock:
            # A process that was killed while it waited says so only now.
            reply = self._ask(request) or self._ask(request)
            self.spent += int.from_bytes(reply[1:_HEAD], "big") / 1e6
        if not reply:
            raise Stopped(Stop.CRASH)
        letter, result = reply[:1].decode(), reply[_HEAD:]
        if letter != _DONE:
            raise Stopped(Stop(letter))
        try:
            return json.loads(result)
        except (ValueError, RecursionError):
            pass
        # Out here, because raised in the handler it would carry the script's text.
        raise Stopped(Stop.CRASH)

    def close(self) -> None:
        """End the process. A later call starts another."""
        with self._lock:
            self._end()

    def _ask(self, request: bytes) -> bytes:
        """The reply; empty when the process was lost over it."""
        jail = self._jail or self._start()
        reply = self._exchange(jail, request)
        if not reply:
            self._end()
        return reply

    def _start(self) -> subprocess.Popen[bytes]:
        if importlib.util.find_spec(_PACKAGE) is None:
            raise GiveUp(
                "Templates and the annotations that restrict a namespace are JavaScript, for which "
                "Hark needs the package quickjs-ng. Install Hark with its extra `templates`.",
                reason="EngineMissing",
            )
        start = {
            "package": _PACKAGE,
            "limits": asdict(self._limits),
            "sources": list(self._sources()),
        }
        try:
            jail = subprocess.Popen(  # noqa: S603 - our own program, with nothing of others in it
                # Isolated: neither the environment nor the working folder decides what it loads.
                [sys.executable, "-I", str(_JAIL)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                cwd="/",
                env={},
                start_new_session=True,
            )
        except OSError as error:
            _cannot_start(error.strerror or type(error).__name__)
        self._jail = jail
        if self._exchange(jail, json.dumps(start).encode()) != _DONE.encode():
            self._end()
            _cannot_start("it ended at once")
        return jail

    def _exchange(self, jail: subprocess.Popen[bytes], request: bytes) -> bytes:
        """Send a frame and read one; empty when the process ended or did not answer in time."""
        if jail.stdin is None or jail.stdout is None:
            raise TypeError("the process was started without pipes")
        # The jail keeps the limits; this one is for the case that the jail itself hangs.
        watchdog = threading.Timer(self._limits.wall + _SLACK_SECONDS, jail.kill)
        watchdog.start()
        try:
            jail.stdin.write(len(request).to_bytes(4, "big") + request)
            jail.stdin.flush()
            size = int.from_bytes(jail.stdout.read(4), "big")
            reply = jail.stdout.read(size)
        except OSError:
            return b""
        finally:
            watchdog.cancel()
        return reply if len(reply) == size else b""

    def _end(self) -> None:
        jail, self._jail = self._jail, None
        if jail is None:
            return
        jail.kill()
        with contextlib.suppress(OSError):
            jail.communicate()


def _cannot_start(why: str) -> NoReturn:
    raise Retry(f"The script engine could not be started: {why}.", reason="EngineFailed")
