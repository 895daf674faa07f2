"""A Pub/Sub subscription as a source of messages: what Secret Manager and log sinks publish.

Fed by one pull subscription; feeds listener.listen. Long polls by single pulls, so an idle
subscription costs one call per wait. Messages come at least once and in any order. Every message is
made ours for half a minute more as long as it is held, whatever the subscription's own deadline is
(10 s at least), so that nothing has to be asked about the subscription: to consume it is the one
right that is needed.

Google pages: "Subscriber.Pull", "Subscriber.Acknowledge", "Subscriber.ModifyAckDeadline" in the
Pub/Sub RPC reference; "Handle message failures" (dead letters), "Exactly-once delivery".
"""

import math
import threading
from collections import OrderedDict, defaultdict
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from listener.sources.contract import Delivery, Origin
from listener.sources.pubsubclient import make_client
from listener.sources.pubsuberrors import refused_ids, translated
from listener.sources.subscription import Subscription, parse_subscription

if TYPE_CHECKING:
    from google.pubsub_v1 import ReceivedMessage, SubscriberClient

_MOST_AT_ONCE = 50
"""Few enough that a listener that dies keeps few messages from others."""
_IDS_PER_CALL = 1000
_CALL_SECONDS = 10.0
_EXTEND_EVERY = 4.0
"""A subscription's deadline is 10 s at least, and it begins before the messages are here."""
_LONGEST_RETRY = 600
_LONGEST_REJECT = 600
_MOST_ATTEMPTS = 100
"""The most that a dead-letter policy can ask for."""
_MOST_REJECTED = 10_000


class PubSubSource:
    """One subscription; made by `open_pubsub`. Implements listener.sources.contract.Source."""

    via = "pubsub"
    extend_every = _EXTEND_EVERY

    def __init__(
        self,
        client: "SubscriberClient",
        subscription: Subscription,
        *,
        wait_seconds: float,
        reject_seconds: int,
        held_seconds: int,
    ) -> None:
        self.name = subscription.label
        self._client = client
        self._subscription = subscription
        self._origin = Origin(account=subscription.project)
        self._wait_seconds = wait_seconds
        self._reject_seconds = reject_seconds
        self._held_seconds = held_seconds
        self._has_dead_letters = False
        self._lock = threading.Lock()
        self._rejected: OrderedDict[str, int] = OrderedDict()
        """How often each message was rejected, where no dead-letter policy lets Google count."""

    def receive(self) -> Sequence[Delivery]:
        """Wait for messages; at most 50. Raises Retry or GiveUp."""
        from google.api_core.exceptions import DeadlineExceeded  # noqa: PLC0415 - as make_client

        with translated(self._subscription):
            try:
                reply = self._client.pull(
                    subscription=self._subscription.path,
                    max_messages=_MOST_AT_ONCE,
                    retry=None,
                    timeout=self._wait_seconds,
                )
            except DeadlineExceeded:
                # Nothing came. A connection that is dead shows by its keepalive.
                return ()
        received = list(reply.received_messages)
        if received:
            # Google counts only where there is a dead-letter policy.
            self._has_dead_letters = any(one.delivery_attempt for one in received)
        return [self._delivery(one) for one in received]

    def ack(self, deliveries: Sequence[Delivery]) -> Sequence[Delivery]:
        """Remove messages; gives those that were not. Only a subscription with exactly-once
        delivery tells of single ones: there, one that came too late is not removed.
        """
        from google.api_core.exceptions import GoogleAPICallError  # noqa: PLC0415 - as make_client

        failed: list[Delivery] = []
        for batch in _batches(deliveries):
            with translated(self._subscription):
                try:
                    self._client.acknowledge(
                        subscription=self._subscription.path,
                        ack_ids=[_ack_id(one) for one in batch],
                        retry=None,
                        timeout=_CALL_SECONDS,
                    )
                except GoogleAPICallError as error:
                    refused = refused_ids(error)
                    if not refused:
                        raise
                    failed.extend(one for one in batch if _ack_id(one) in refused)
        return failed

    def retry(self, deliveries: Sequence[Delivery], after: float) -> None:
        """Let messages come again after so many seconds, at most 10 minutes, and not before the
        subscription's own retry policy lets them.
        """
        if after > 0 and not self._has_dead_letters:
            # A fault of ours, which is borne a number of times and not for ever.
            for delivery in deliveries:
                self._remember(delivery)
        self._modify(deliveries, min(max(math.ceil(after), 0), _LONGEST_RETRY))

    def reject(self, deliveries: Sequence[Delivery]) -> int:
        """Let unreadable messages come again soon, so that Google counts their deliveries.

        Only Google can move a message to the dead-letter topic, and it does so once it was
        delivered as often as the subscription's policy says. Where there is none, the wait doubles
        with each attempt up to 10 minutes; this process counts them. Which delivery was the last
        is not told to who may only consume: it gives 0.
        """
        waits: defaultdict[int, list[Delivery]] = defaultdict(list)
        for delivery in deliveries:
            waits[self._reject_after(delivery)].append(delivery)
        for seconds, group in waits.items():
            self._modify(group, seconds)
        return 0

    def extend(self, deliveries: Sequence[Delivery]) -> None:
        """Keep messages ours for half a minute from now. One that Pub/Sub does not extend comes
        again.
        """
        self._modify(deliveries, self._held_seconds)

    def close(self) -> None:
        """Let go of the connection; a `receive` under way fails."""
        self._client.transport.close()

    def _delivery(self, received: "ReceivedMessage") -> Delivery:
        message = received.message
        with self._lock:
            seen = self._rejected.get(message.message_id, 0)
        return Delivery(
            body=message.data.decode("utf-8", "replace"),
            receipt=f"{message.message_id} {received.ack_id}",
            attempts=received.delivery_attempt or seen + 1,
            sent_at=message.publish_time.timestamp() if message.publish_time else 0.0,
            origin=self._origin,
            attributes=dict(message.attributes),
        )

    def _reject_after(self, delivery: Delivery) -> int:
        attempts = delivery.attempts
        if self._has_dead_letters:
            # Where Google may not publish to the dead-letter topic, it counts for ever.
            attempts = max(1, attempts - _MOST_ATTEMPTS)
        else:
            self._remember(delivery)
        doublings = min(attempts - 1, _LONGEST_REJECT.bit_length())
        return min(self._reject_seconds << doublings, _LONGEST_REJECT)

    def _remember(self, rejected: Delivery) -> None:
        with self._lock:
            self._rejected[_message_id(rejected)] = rejected.attempts
            self._rejected.move_to_end(_message_id(rejected))
            if len(self._rejected) > _MOST_REJECTED:
                self._rejected.popitem(last=False)

    def _modify(self, deliveries: Sequence[Delivery], seconds: int) -> None:
        from google.api_core.exceptions import GoogleAPICallError  # noqa: PLC0415 - as make_client

        for batch in _batches(deliveries):
            with translated(self._subscription):
                try:
                    self._client.modify_ack_deadline(
                        subscription=self._subscription.path,
                        ack_ids=[_ack_id(one) for one in batch],
                        ack_deadline_seconds=seconds,
                        retry=None,
                        timeout=_CALL_SECONDS,
                    )
                except GoogleAPICallError as error:
                    # Single ones that fail need no care: such a message comes back by itself.
                    if not refused_ids(error):
                        raise


def _message_id(delivery: Delivery) -> str:
    return delivery.receipt.partition(" ")[0]


def _ack_id(delivery: Delivery) -> str:
    return delivery.receipt.partition(" ")[2]


def _batches(deliveries: Sequence[Delivery]) -> Iterator[Sequence[Delivery]]:
    for start in range(0, len(deliveries), _IDS_PER_CALL):
        yield deliveries[start : start + _IDS_PER_CALL]


def open_pubsub(
    path: str, *, wait_seconds: float = 20.0, reject_seconds: int = 5, held_seconds: int = 30
) -> PubSubSource:
    """Make the source of a subscription (its full name), without a call to it; loads the SDK.

    `wait_seconds` is how long an empty receive lasts, `held_seconds` for how long `extend` keeps a
    message. Raises GiveUp (InvalidSetting, MissingPart),
    and Retry where there are no credentials.
    """
    subscription = parse_subscription(path)
    client = make_client(subscription)
    return PubSubSource(
        client,
        subscription,
        wait_seconds=wait_seconds,
        reject_seconds=reject_seconds,
        held_seconds=held_seconds,
    )
