"""Parts: the collaborators of the reconciler's story, as hark.assembly puts them together.

Used by reconciler.reconcile and what it is told in. Holds nothing itself.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from externalsecret.kubeapi import KubeApi
from externalsecret.kubeevents import Recorder
from externalsecret.resource import ExternalSecret
from reconciler.apply import SecretWriter
from reconciler.backoff import Backoff
from reconciler.cache import Cache
from reconciler.evaluate import Evaluator
from reconciler.fetch import Fetcher
from reconciler.guard import Guard
from reconciler.live import LiveSecrets
from reconciler.metrics import ReconcilerMetrics
from reconciler.objects import Objects
from reconciler.report import Outcome
from reconciler.rereads import Rereads
from reconciler.workqueue import WorkQueue

Ended = Callable[[ExternalSecret, Outcome], None]


def nobody_asks(_es: ExternalSecret, _outcome: Outcome) -> None:
    """Where nobody wants to know how a pass ended."""


@dataclass(frozen=True, slots=True)
class Parts:
    """The collaborators of the story."""

    api: KubeApi
    queue: WorkQueue
    objects: Objects
    live: LiveSecrets
    fetcher: Fetcher
    cache: Cache
    writer: SecretWriter
    evaluator: Evaluator
    rereads: Rereads
    backoff: Backoff
    recorder: Recorder
    metrics: ReconcilerMetrics
    guard: Guard
    may_write: Callable[[], bool]
    clock: Callable[[], float] = time.monotonic
    now: Callable[[], float] = time.time
    ended: Ended = nobody_asks
    """Told how each pass came out that was not dropped."""
    service_account_tokens: bool = False
    """Whether a Secret may be of the type that Kubernetes fills with credentials."""

    def timestamp(self) -> str:
        """The present, as a status has it."""
        at = datetime.fromtimestamp(self.now(), UTC)
        return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")
