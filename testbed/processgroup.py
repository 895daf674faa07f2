"""Child processes that never outlive us, and the folder they work in.

Used by controlplane.py and moto.py. However this process ends, by an exception, Ctrl-C or kill -9,
its children are killed and their folder is deleted. Linux' parent-death signal would be the
shorter way, but it fires when the *thread* that started the child ends, and it needs code between
fork and exec, which is unsafe once there are threads. So a small watchdog waits for the end of a
pipe that only we hold open, and then kills the process group that it and the children share. That
group is also why Ctrl-C at a terminal reaches us alone, and the children can be stopped in order.
"""

from __future__ import annotations

import shutil
import signal
import socket
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

_WATCHDOG = 'cat >/dev/null; rm -rf -- "$1"; kill -KILL 0'
_TAIL_LINES = 20


class ProcessGroup:
    """Starts children, keeps their logs in `folder`, and ends them all with `close`."""

    def __init__(self, prefix: str) -> None:
        """Make the folder (readable by this user alone) and start the watchdog."""
        self.folder = Path(tempfile.mkdtemp(prefix=prefix))
        self._children: list[subprocess.Popen[bytes]] = []
        self._watchdog = subprocess.Popen(
            ["/bin/sh", "-c", _WATCHDOG, "sh", str(self.folder)],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            process_group=0,
        )

    def start(
        self, name: str, command: Sequence[str], environment: Mapping[str, str] | None = None
    ) -> subprocess.Popen[bytes]:
        """Start a child whose output is added to the log of that name."""
        with (self.folder / f"{name}.log").open("ab") as log:
            child = subprocess.Popen(
                list(command),
                cwd=self.folder,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                process_group=self._watchdog.pid,
            )
        self._children.append(child)
        return child

    def log_tail(self, name: str) -> str:
        """Return the last lines of a child's log, for the text of an error."""
        text = (self.folder / f"{name}.log").read_text(errors="replace")
        return "\n".join(text.splitlines()[-_TAIL_LINES:])

    def kill(self, child: subprocess.Popen[bytes]) -> None:
        """End one child at once and wait until it is gone."""
        child.kill()
        child.wait()
        self._children.remove(child)

    def close(self) -> None:
        """Kill all children, then the watchdog, and delete the folder; may be called twice."""
        for child in tuple(self._children):
            self.kill(child)
        self._watchdog.kill()
        self._watchdog.wait()
        if self._watchdog.stdin is not None:
            self._watchdog.stdin.close()
        shutil.rmtree(self.folder, ignore_errors=True)


def free_port() -> int:
    """Return a loopback port that nobody listens on now.

    Another process may take it before the caller does: whoever starts a server on it tries again
    with another one when the server says so.
    """
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def how_it_ended(child: subprocess.Popen[bytes]) -> str:
    """Say in words how an ended child ended."""
    code = child.returncode
    if code is not None and code < 0:
        return f"was killed by {signal.Signals(-code).name}"
    return f"ended with exit code {code}"
