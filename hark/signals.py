"""Ends Hark when it is asked to: SIGTERM from Kubernetes, SIGINT from a terminal.

Feeds the one stop event of the process. The first signal asks for an orderly end; the second one
ends at once, without releasing anything.
"""

import os
import signal
import threading
from types import FrameType

_FORCED = 128


def stop_on_signals(stop: threading.Event) -> None:
    """Set `stop` on the first SIGTERM or SIGINT; exit on the second. For the main thread."""

    def on_signal(number: int, _frame: FrameType | None) -> None:
        if stop.is_set():
            os._exit(_FORCED + number)
        stop.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, on_signal)
