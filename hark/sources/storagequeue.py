"""The Azure storage queues to listen to, as the environment names them.

Fed by hark.environment; feeds hark.sources.catalogue. A URL that is none ends the start, for no
retry mends it; one that holds a credential is refused without being shown. Whether the queue is
there is not looked at: that may change while Hark runs.
"""

import math
from dataclasses import dataclass, field
from functools import cache, partial

from externalsecret.errors import GiveUp
from hark.environment import Environment
from hark.sources.azureidentity import azure_credential, azure_proxy
from hark.sources.plan import Surroundings
from listener.messages import azure
from listener.messages.meaning import Meaning
from listener.sources.contract import Delivery, Source
from listener.sources.storagequeueurl import (
    STORAGE_QUEUE_EXAMPLE,
    StorageQueueUrl,
    parse_storage_queue_url,
)
from reconciler.backends.azurelogs import quieten

_NAME = "HARK_AZURE_STORAGE_QUEUES"
_CONNECTION_STRING = "HARK_AZURE_STORAGE_CONNECTION_STRING"
_POLL_INTERVAL = "HARK_AZURE_STORAGE_POLL_INTERVAL"
_VISIBILITY = "HARK_AZURE_STORAGE_VISIBILITY_TIMEOUT"
_POISON_AFTER = "HARK_AZURE_STORAGE_POISON_AFTER"
_MOST_DELIVERIES = 1000


@dataclass(frozen=True, slots=True)
class StorageQueuePlan:
    """One queue. Implements hark.sources.plan.SourcePlan."""

    queue: StorageQueueUrl
    longest_pause: float
    """In seconds."""
    visibility: int
    """In seconds."""
    poison_after: int
    connection_string: str = field(default="", repr=False)

    @property
    def label(self) -> str:
        return self.queue.label

    def open(self, surroundings: Surroundings) -> Source:
        try:
            from listener.sources.storagequeue import (  # noqa: PLC0415 - its SDK where it is used
                Pace,
                open_storage_queue,
            )
            from listener.sources.storagequeueclient import StorageAccess  # noqa: PLC0415
        except ImportError:
            raise GiveUp(
                "Storage queues need azure-storage-queue and azure-identity. Install Hark with its "
                "extra 'azure'.",
                reason="MissingPart",
            ) from None
        quieten()
        access = StorageAccess(
            credential=cache(partial(azure_credential, surroundings.environ)),
            connection_string=self.connection_string,
            proxy=azure_proxy(surroundings.environ),
        )
        pace = Pace(
            shortest_pause=min(0.5, self.longest_pause),
            longest_pause=self.longest_pause,
            visibility=self.visibility,
            poison_after=self.poison_after,
        )
        return open_storage_queue(self.queue, access, pace, surroundings.stop)

    def parse(self, delivery: Delivery) -> Meaning:
        return azure.parse(delivery.body)


def read_plans(read: Environment) -> tuple[StorageQueuePlan, ...]:
    """Every queue once. GiveUp (InvalidSetting) where one of them is no queue's URL."""
    urls = read.several(_NAME)
    pause = read.duration(_POLL_INTERVAL, read.text(_POLL_INTERVAL), "0.1s", "5m", "5s")
    hidden = read.duration(_VISIBILITY, read.text(_VISIBILITY), "1s", "1h", "1m")
    connection_string = read.text(_CONNECTION_STRING)
    poison_after = read.whole(_POISON_AFTER, 1, _MOST_DELIVERIES)
    try:
        queues = dict.fromkeys(parse_storage_queue_url(url) for url in urls)
    except GiveUp as error:
        raise GiveUp(
            f"{_NAME}: {error} Example: {_NAME}={STORAGE_QUEUE_EXAMPLE}", reason=error.reason
        ) from None
    return tuple(
        StorageQueuePlan(queue, pause, math.ceil(hidden), poison_after, connection_string)
        for queue in queues
    )
