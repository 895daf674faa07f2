"""Both halves in one process, for a laptop or a small cluster. Run by `hark run`.

They still meet only in the Kubernetes API; what is lost is the separation of rights.
"""

import threading

from hark import listening, reconciling
from hark.half import Half
from hark.settings import Settings
from hark.signals import stop_on_signals


def run(settings: Settings) -> int:
    """Run both until SIGTERM; the worse exit code."""
    stop = threading.Event()
    stop_on_signals(stop)
    listener = Half("listener", settings, stop, settings.second_metrics_port)
    reconciler = Half("reconciler", settings, stop, settings.metrics_port)
    codes: list[int] = []

    def listen() -> None:
        codes.append(listener.run(lambda: listening.start(listener)))

    thread = threading.Thread(target=listen, name="listener")
    thread.start()
    codes.append(reconciler.run(lambda: reconciling.start(reconciler)))
    thread.join()
    return max(codes)
