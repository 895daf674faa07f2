"""An SQS queue as a source of messages, usually the target of EventBridge rules.

Fed by one queue; feeds listener.listen. Long polls, so an idle queue costs one call per wait, and a
message is here within milliseconds. Messages come at least once and in any order. What is held
longer than 12 hours comes again whatever is done: SQS counts that limit from the receive (Amazon
SQS Developer Guide, visibility timeout). A call that raises may have done its work for a part of
the deliveries; to make it again does no harm.
"""

import json
import math
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, TypeVar

from externalsecret.errors import GiveUp
from listener.sources.contract import Delivery, Origin
from listener.sources.queueurl import QueueUrl, parse_queue_url
from listener.sources.sqsclient import make_client
from listener.sources.sqserrors import translated

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient
    from mypy_boto3_sqs.type_defs import (
        ChangeMessageVisibilityBatchRequestEntryTypeDef,
        MessageTypeDef,
    )

# Amazon SQS API Reference: ReceiveMessage, DeleteMessageBatch, ChangeMessageVisibilityBatch.
_BATCH = 10
# SQS takes no more than 12 h since the receive: this leaves an hour that a message may be held.
_LONGEST_RETRY = 11 * 60 * 60

# Whoever is killed leaves what it holds hidden for so long.
_LONGEST_VISIBILITY = 120
_USUAL_VISIBILITY = 30
_LONGEST_REJECT = 15 * 60

_T = TypeVar("_T")


class SqsSource:
    """One queue; made by `open_sqs`. Implements listener.sources.contract.Source."""

    via = "sqs"

    def __init__(
        self,
        client: "SQSClient",
        queue: QueueUrl,
        origin: Origin,
        *,
        name: str,
        wait_seconds: int,
        reject_seconds: int,
    ) -> None:
        self.name = name
        self._client = client
        self._url = queue.url
        self._queue = f"{queue.name} (account {queue.account}, {origin.region})"
        self._origin = origin
        self._wait_seconds = wait_seconds
        self._reject_seconds = reject_seconds
        self._settings_read = False
        self._dead_letter_queue: bool | None = None
        self._most_receives = math.inf
        self._set_visibility(_USUAL_VISIBILITY)

    @property
    def dead_letter_queue(self) -> bool | None:
        """Whether the queue has one; None before `read_settings`, or where that is denied."""
        return self._dead_letter_queue

    def read_settings(self) -> None:
        """Ask the queue, once, for its visibility timeout and its dead-letter queue.

        `receive` does so by itself; a caller who wants to warn about a missing dead-letter queue
        does it at start. Without permission for GetQueueAttributes 30 s are used. Raises Retry or
        GiveUp like `receive`.
        """
        if self._settings_read:
            return
        try:
            with translated(self._queue):
                reply = self._client.get_queue_attributes(
                    QueueUrl=self._url, AttributeNames=["VisibilityTimeout", "RedrivePolicy"]
                )
        except GiveUp as refusal:
            if refusal.reason != "QueueDenied":
                raise
        else:
            attributes = reply.get("Attributes", {})
            policy = attributes.get("RedrivePolicy")
            self._dead_letter_queue = policy is not None
            self._most_receives = _most_receives(policy or "")
            # A queue whose timeout is 0 hides nothing; our own one is sent with each receive.
            asked = int(attributes.get("VisibilityTimeout", 0)) or _USUAL_VISIBILITY
            self._set_visibility(min(asked, _LONGEST_VISIBILITY))
        self._settings_read = True

    def receive(self) -> Sequence[Delivery]:
        """Wait for up to ten messages; raises Retry or GiveUp, and both are worth backing off."""
        self.read_settings()
        with translated(self._queue):
            reply = self._client.receive_message(
                QueueUrl=self._url,
                MaxNumberOfMessages=_BATCH,
                WaitTimeSeconds=self._wait_seconds,
                # Named, so that `extend_every` stays right when somebody changes the queue's own.
                VisibilityTimeout=self._visibility,
                MessageSystemAttributeNames=["ApproximateReceiveCount", "SentTimestamp"],
            )
        return [self._delivery(message) for message in reply.get("Messages", ())]

    def ack(self, deliveries: Sequence[Delivery]) -> Sequence[Delivery]:
        """Delete messages; gives those that SQS did not delete, and which will come again.

        One whose receipt is not valid any more was handed out anew: it counts as not deleted.
        """
        failed: list[Delivery] = []
        for batch in _batches(deliveries):
            with translated(self._queue):
                reply = self._client.delete_message_batch(
                    QueueUrl=self._url,
                    Entries=[
                        {"Id": str(place), "ReceiptHandle": delivery.receipt}
                        for place, delivery in enumerate(batch)
                    ],
                )
            failed.extend(batch[int(entry["Id"])] for entry in reply.get("Failed", ()))
        return failed

    def retry(self, deliveries: Sequence[Delivery], after: float) -> None:
        """Let messages come again after so many seconds, at most 11 hours.

        One that SQS does not put off (it is gone, or the 12 hours are over) comes back sooner.
        """
        seconds = min(max(math.ceil(after), 0), _LONGEST_RETRY)
        self._hide(deliveries, [seconds] * len(deliveries))

    def reject(self, deliveries: Sequence[Delivery]) -> int:
        """Let unreadable messages come again soon, so that their receive count rises.

        Only SQS can move a message to the dead-letter queue, and it does so once the message was
        received as often as the redrive policy's maxReceiveCount says. Where there is no such
        queue, or none is known of, the wait doubles with each attempt up to 15 minutes, so that a
        message which nobody will ever take away does not make a bill. Gives how many were received
        as often as that: SQS moves them when somebody would receive them next.
        """
        self._hide(deliveries, [self._reject_after(delivery) for delivery in deliveries])
        return sum(delivery.attempts >= self._most_receives for delivery in deliveries)

    def extend(self, deliveries: Sequence[Delivery]) -> None:
        """Hide held messages for one more visibility timeout from now.

        One that SQS does not extend (it is gone, or the 12 hours are over) is delivered again.
        """
        self._hide(deliveries, [self._visibility] * len(deliveries))

    def close(self) -> None:
        """Let go of connections; a `receive` under way still ends by itself."""
        self._client.close()

    def _set_visibility(self, seconds: int) -> None:
        self._visibility = seconds
        self.extend_every = seconds / 3

    def _delivery(self, message: "MessageTypeDef") -> Delivery:
        attributes = message.get("Attributes", {})
        return Delivery(
            body=message.get("Body", ""),
            receipt=message.get("ReceiptHandle", ""),
            attempts=int(attributes.get("ApproximateReceiveCount", 1)),
            sent_at=int(attributes.get("SentTimestamp", 0)) / 1000,
            origin=self._origin,
        )

    def _reject_after(self, delivery: Delivery) -> int:
        if self._dead_letter_queue:
            return self._reject_seconds
        doublings = min(delivery.attempts - 1, _LONGEST_REJECT.bit_length())
        return min(self._reject_seconds << doublings, _LONGEST_REJECT)

    def _hide(self, deliveries: Sequence[Delivery], seconds: Sequence[int]) -> None:
        entries: list[ChangeMessageVisibilityBatchRequestEntryTypeDef] = [
            {"Id": str(place), "ReceiptHandle": delivery.receipt, "VisibilityTimeout": wait}
            for place, (delivery, wait) in enumerate(zip(deliveries, seconds, strict=True))
        ]
        for batch in _batches(entries):
            with translated(self._queue):
                # Entries that fail need no care: such a message comes back by itself.
                self._client.change_message_visibility_batch(QueueUrl=self._url, Entries=batch)


def _most_receives(policy: str) -> float:
    """How often a redrive policy lets a message be received; the service writes it as JSON."""
    try:
        return float(json.loads(policy)["maxReceiveCount"])
    except (KeyError, TypeError, ValueError):
        return math.inf


def _batches(items: Sequence[_T]) -> Iterator[Sequence[_T]]:
    for start in range(0, len(items), _BATCH):
        yield items[start : start + _BATCH]


def open_sqs(
    queue_url: str,
    *,
    name: str | None = None,
    region: str | None = None,
    endpoint_url: str | None = None,
    wait_seconds: int = 20,
    reject_seconds: int = 5,
) -> SqsSource:
    """Make the source of a queue, without a call to it; loads boto3.

    `name` is what it is called in metrics and logs (default: the queue's). `region` is for URLs
    that do not name one (default: AWS_REGION, then what the SDK finds); `endpoint_url` overrides
    the place that the URL names; `wait_seconds` is 1 to 20. Raises GiveUp (InvalidSetting,
    MissingPart). Call it in one thread: making clients is not thread-safe, the source is.
    """
    queue = parse_queue_url(queue_url)
    client = make_client(queue, region, endpoint_url, wait_seconds)
    origin = Origin(region=client.meta.region_name, account=queue.account)
    return SqsSource(
        client,
        queue,
        origin,
        name=name or queue.label,
        wait_seconds=wait_seconds,
        reject_seconds=reject_seconds,
    )
