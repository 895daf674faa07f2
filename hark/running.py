"""Both halves in one process, for a laptop or a small cluster. Run by `hark run`.

They still meet only in the Kubernetes API; what is lost is the separation of rights.
"""

import threading

import structlog

from externalsecret.errors import HarkError, whereabouts
from hark import listening, reconciling
from hark.half import Half
from hark.settings import Settings
from hark.signals import stop_on_signals

log = structlog.get_logger()


def run(settings: Settings) -> int:
    """Run both until SIGTERM; the worse exit code."""
    stop = threading.Event()
    stop_on_signals(stop)
    listener = Half("listener", settings, stop, settings.second_metrics_port)
    reconciler = Half("reconciler", settings, stop, settings.metrics_port)
    codes: list[int] = []

    def listen() -> None:
        try:
            codes.append(listener.run(lambda: listening.start(listener)))
        except HarkError as error:
            log.error("half.failed", half=listener.name, error=str(error))
            codes.append(1)
        except Exception as fault:  # noqa: BLE001 - its text may quote what it worked on
            log.error("half.failed", half=listener.name, fault=whereabouts(fault))
            codes.append(1)
        finally:
            stop.set()

    thread = threading.Thread(target=listen, name="listener")
    thread.start()
    try:
        codes.append(reconciler.run(lambda: reconciling.start(reconciler)))
    finally:
        # Neither half outlives the other: who looks at the process sees that something is wrong.
        stop.set()
        thread.join()
    return max(codes)
