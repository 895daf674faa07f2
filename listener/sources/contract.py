"""The contract of every source of messages.

Fed by a cloud's queue; feeds listener.listen. A source turns its SDK's calls into four verbs and
translates the SDK's exceptions into Retry or GiveUp. It holds no opinion about what a message
means.

Guarantees: a delivery that was neither acknowledged nor rejected comes back by itself
(at-least-once). While a delivery is held (between `receive` and its end) the source keeps it from
being delivered to others, as long as `extend` is called at least every `extend_every` seconds.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a source's messages come from when their envelope is missing: the queue's own place."""

    region: str = ""
    account: str = ""


@dataclass(frozen=True, slots=True)
class Delivery:
    """One message as it was handed out once."""

    body: str
    receipt: str
    """What the queue wants to see in ack, retry and extend; another one at each delivery."""
    attempts: int
    """How often it was handed out, this time included."""
    sent_at: float
    """When the queue took it, seconds since the epoch; 0 where it does not say."""
    origin: Origin
    attributes: Mapping[str, str] = field(default_factory=dict)
    """What the message says beside its body, where the queue knows such."""

    def __repr__(self) -> str:
        return f"Delivery(attempts={self.attempts}, {len(self.body)} characters)"


class Source(Protocol):
    """A queue, seen from the listener. Methods may be called from several threads."""

    name: str
    """Short and stable, for metrics and logs: `sqs:<queue name>`."""
    via: str
    """The word in the ledger: `sqs`, `pubsub`, ..."""
    extend_every: float
    """Seconds after which held deliveries want `extend`."""

    def receive(self) -> Sequence[Delivery]:
        """Wait up to the source's own long-poll time for messages; empty when none came."""

    def ack(self, deliveries: Sequence[Delivery]) -> Sequence[Delivery]:
        """Remove messages for good; gives those for which that failed (they will come again)."""

    def retry(self, deliveries: Sequence[Delivery], after: float) -> None:
        """Hand messages back, to be delivered again after so many seconds."""

    def reject(self, deliveries: Sequence[Delivery]) -> int:
        """Leave messages that nobody can read to the dead-letter queue; gives how many of them are
        known to come no more.
        """

    def extend(self, deliveries: Sequence[Delivery]) -> None:
        """Keep held messages ours for longer."""

    def close(self) -> None:
        """Let go of connections."""
