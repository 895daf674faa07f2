"""Ends Hark when it is asked to: SIGTERM from Kubernetes, SIGINT from a terminal.

Feeds the one stop event of the process. The first signal asks for an orderly end; the second one
ends at once, without releasing anything, even while the main thread hangs.

The event is set by a thread of its own: a signal's handler runs in the middle of whatever the main
thread does, and if that is waiting for the same event, it holds the lock that `set` needs.
"""

import os
import signal
import threading
from types import FrameType

_FORCED = 128


def stop_on_signals(stop: threading.Event) -> None:
    """Set `stop` on the first SIGTERM or SIGINT; exit on the second. For the main thread."""
    told, tell = os.pipe()
    os.set_blocking(tell, False)
    # Python writes each signal's number there, at once and without a lock.
    signal.set_wakeup_fd(tell, warn_on_full_buffer=False)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _awake)
    threading.Thread(target=_listen, args=(told, stop), name="signals", daemon=True).start()


def _awake(_number: int, _frame: FrameType | None) -> None:
    """Only so that the signal does not do what it does by default."""


def _listen(told: int, stop: threading.Event) -> None:
    while True:
        for number in os.read(told, 1):
            if number not in {signal.SIGTERM, signal.SIGINT}:
                continue
            if stop.is_set():
                os._exit(_FORCED + number)
            stop.set()
