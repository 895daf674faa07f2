"""How the reconciler ends: workers first, then the lead, then what the SDKs hold.

Fed by hark.reconciling; feeds nobody.

Guarantees: each step has seconds of its own, so that a write that hangs leaves the release of the
Lease its time; all together stay below 18 seconds, of the 30 that a pod has. What hangs is left
behind: its threads die with the process.
"""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

import structlog

from hark.half import Half

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Patience:
    """In seconds."""

    workers: float = 8.0
    release: float = 7.0
    close: float = 2.0


def wind_down(
    half: Half,
    released: threading.Event,
    close: Callable[[], None],
    patience: Patience | None = None,
) -> None:
    """Await the workers; end the lease's thread, which releases the lead; then `close`."""
    patience = patience or Patience()
    half.join("worker-", time.monotonic() + patience.workers)
    released.set()
    half.join("lease", time.monotonic() + patience.release)
    closing = threading.Thread(target=close, name="closing", daemon=True)
    closing.start()
    closing.join(patience.close)
    if closing.is_alive():
        log.warning("closing.hangs", half=half.name)
