"""When the machine itself stood still: a process that sleeps a millisecond at a time and tells when
it overslept.

Feeds bench.roundtrip, which shows its tail with and without what happened meanwhile: on a shared or
throttled machine everything halts now and then, and no product answers then. `python -m
bench.stalls` is that process; it prints the beginning and the end (monotonic) of each stall. A
product that kept every processor busy for as long would be taken for one: hence both figures.
"""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Self

OVERSLEPT = 0.010
_NAP = 0.001


class Stalls:
    """Watches from `__enter__` until `__exit__`."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "bench.stalls"],
            cwd=Path(__file__).resolve().parent.parent,
            stdout=subprocess.PIPE,
            text=True,
        )
        self._seen: list[tuple[float, float]] = []
        self._thread = threading.Thread(target=self._read, name="stalls", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.wait()
        self._thread.join()
        if self._process.stdout is not None:
            self._process.stdout.close()

    @property
    def pid(self) -> int:
        """Of the process that sleeps."""
        return self._process.pid

    def touched(self, began: float, ended: float) -> bool:
        """Whether a stall fell into this time; ask a moment later, when it was told."""
        return any(first < ended and began < last for first, last in self._seen)

    def _read(self) -> None:
        for line in self._process.stdout or ():
            first, last = line.split()
            self._seen.append((float(first), float(last)))


def _watch() -> None:
    before = time.monotonic()
    while True:
        time.sleep(_NAP)
        now = time.monotonic()
        if now - before > OVERSLEPT:
            print(before, now, flush=True)
        before = now


if __name__ == "__main__":
    _watch()
