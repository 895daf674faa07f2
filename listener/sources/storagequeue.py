"""An Azure storage queue as a source of messages, usually the target of an Event Grid subscription.

Fed by one queue; feeds listener.listen. The service has no long poll: `receive` asks again and
again, with pauses that grow while the queue is empty, so a message is here within `longest_pause`.
It has no dead letters either: a message that nobody could read `poison_after` times is moved to the
queue NAME-poison beside it, which is made where Hark may.

Guarantees: bodies are given as text, whether the sender encoded them as base64 (Event Grid does) or
not. A message moved to the poison queue is there before it is deleted here. Does not guarantee one
copy there: a crash between the two makes another.

Azure pages: "Get Messages", "Update Message", "Put Message" in the Queue Storage REST reference
(32 a call, 7 days of invisibility, a new receipt at each update).
"""

import base64
import binascii
import math
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import timedelta

from azure.core.exceptions import ResourceExistsError
from azure.storage.queue import QueueClient, QueueMessage

from externalsecret.errors import GiveUp, HarkError
from listener.sources.contract import Delivery, Origin
from listener.sources.heldmessages import HeldMessage, HeldMessages
from listener.sources.storagequeueclient import AT_ONCE, StorageAccess, make_client
from listener.sources.storagequeueerrors import QUEUE_MISSING, MessageGone, translated
from listener.sources.storagequeueurl import POISON_SUFFIX, StorageQueueUrl

_BATCH = 32
_LONGEST_HIDING = int(timedelta(days=7).total_seconds())
_LONGEST_REJECT = 15 * 60
_POISON_KEPT = int(timedelta(days=30).total_seconds())


@dataclass(frozen=True, slots=True)
class Pace:
    """How often a storage queue is asked, and for how long its messages are ours; in seconds."""

    shortest_pause: float = 0.5
    longest_pause: float = 5.0
    wait: float = 20.0
    """Within which a `receive` looks again, where it found nothing."""
    visibility: int = 60
    reject: int = 5
    """Until a message that nobody could read comes again."""
    poison_after: int = 5
    """Deliveries after which it does not."""


class StorageQueueSource:
    """One queue; made by `open_storage_queue`. Implements listener.sources.contract.Source."""

    via = "storagequeue"

    def __init__(
        self,
        client: QueueClient,
        poison: QueueClient,
        queue: StorageQueueUrl,
        pace: Pace,
        stop: threading.Event,
    ) -> None:
        self.name = queue.label
        self.extend_every = pace.visibility / 3
        self._client = client
        self._poison = poison
        self._queue = f"{queue.account}/{queue.name}"
        self._poison_queue = f"{self._queue}{POISON_SUFFIX}"
        self._origin = Origin(account=queue.account)
        self._pace = pace
        self._stop = stop
        self._pause = pace.shortest_pause
        self._next_look = 0.0
        self._held = HeldMessages(time.monotonic)

    def receive(self) -> Sequence[Delivery]:
        """Wait for up to 32 messages; raises Retry or GiveUp, and both are worth backing off."""
        deadline = time.monotonic() + self._pace.wait
        while not self._stop.wait(max(0.0, self._next_look - time.monotonic())):
            self._held.forget_overdue()
            messages = self._ask()
            if messages:
                self._pause = self._pace.shortest_pause
                self._next_look = 0.0
                return messages
            self._next_look = time.monotonic() + self._pause
            self._pause = min(self._pause * 2, self._pace.longest_pause)
            if self._next_look > deadline:
                break
        return ()

    def ack(self, deliveries: Sequence[Delivery]) -> Sequence[Delivery]:
        """Delete messages; gives those that were not deleted, and which will come again.

        Raises where none could be.
        """
        outcomes = self._each(deliveries, self._delete)
        failed = [one for one, outcome in zip(deliveries, outcomes, strict=True) if outcome]
        errors = [outcome for outcome in outcomes if isinstance(outcome, HarkError)]
        if errors and len(failed) == len(deliveries):
            raise errors[0]
        return failed

    def retry(self, deliveries: Sequence[Delivery], after: float) -> None:
        """Let messages come again after so many seconds, at most seven days."""
        seconds = min(max(math.ceil(after), 0), _LONGEST_HIDING)
        self._all(deliveries, lambda one: self._let_go(one, seconds))

    def reject(self, deliveries: Sequence[Delivery]) -> int:
        """Let unreadable messages come again soon, until they are moved to the poison queue; gives
        how many were moved now.

        Where one cannot be moved, the wait doubles with each delivery up to 15 minutes, and that
        is raised. After seven days, or as its sender said, the queue forgets it.
        """
        moved: list[Delivery] = []
        self._all(deliveries, lambda one: self._reject(one, moved))
        return len(moved)

    def extend(self, deliveries: Sequence[Delivery]) -> None:
        """Hide held messages for one more visibility timeout from now.

        One that the queue does not hide (it is gone) was handed to others or expired.
        """
        self._all(deliveries, self._extend)

    def close(self) -> None:
        """Let go of connections; a `receive` under way ends at its next call."""
        self._client.close()
        self._poison.close()

    def _ask(self) -> list[Delivery]:
        until = time.monotonic() + self._pace.visibility
        with translated(self._queue):
            pages = self._client.receive_messages(
                messages_per_page=_BATCH, visibility_timeout=self._pace.visibility
            ).by_page()
            return [self._delivery(message, until) for message in next(pages, ())]

    def _delivery(self, message: QueueMessage, until: float) -> Delivery:
        attempts = message.dequeue_count or 1
        content = message.content if attempts >= self._pace.poison_after else ""
        held = HeldMessage(message.id, message.pop_receipt or "", until, content)
        return Delivery(
            body=_text(message.content),
            receipt=self._held.keep(held),
            attempts=attempts,
            sent_at=message.inserted_on.timestamp() if message.inserted_on else 0.0,
            origin=self._origin,
        )

    def _delete(self, delivery: Delivery) -> None:
        held = self._ours(delivery)
        with held.lock, translated(self._queue):
            self._client.delete_message(held.id, pop_receipt=held.pop_receipt)
        self._held.forget(delivery.receipt)

    def _extend(self, delivery: Delivery) -> None:
        held = self._ours(delivery)
        with held.lock:
            self._hide(held, self._pace.visibility)

    def _let_go(self, delivery: Delivery, seconds: int) -> None:
        held = self._ours(delivery)
        self._held.forget(delivery.receipt)
        with held.lock:
            self._hide(held, seconds)

    def _hide(self, held: HeldMessage, seconds: int) -> None:
        until = time.monotonic() + seconds
        with translated(self._queue):
            updated = self._client.update_message(
                held.id, pop_receipt=held.pop_receipt, visibility_timeout=seconds
            )
        held.pop_receipt, held.until = updated.pop_receipt or "", until

    def _reject(self, delivery: Delivery, moved: list[Delivery]) -> None:
        if delivery.attempts < self._pace.poison_after:
            self._let_go(delivery, self._pace.reject)
            return
        try:
            self._bury(self._ours(delivery).content)
        except HarkError:
            doublings = min(delivery.attempts, _LONGEST_REJECT.bit_length())
            self._let_go(delivery, min(self._pace.reject << doublings, _LONGEST_REJECT))
            raise
        self._delete(delivery)
        moved.append(delivery)

    def _bury(self, content: str) -> None:
        try:
            self._put_aside(content)
        except GiveUp as refusal:
            if refusal.reason != QUEUE_MISSING:
                raise
            self._make_poison_queue()
            self._put_aside(content)

    def _put_aside(self, content: str) -> None:
        with translated(self._poison_queue):
            self._poison.send_message(content, time_to_live=_POISON_KEPT)

    def _make_poison_queue(self) -> None:
        with translated(self._poison_queue):
            try:
                self._poison.create_queue()
            except ResourceExistsError:
                return

    def _ours(self, delivery: Delivery) -> HeldMessage:
        held = self._held.get(delivery.receipt)
        if held is None:
            raise MessageGone
        return held

    def _all(self, deliveries: Sequence[Delivery], act: Callable[[Delivery], None]) -> None:
        for outcome in self._each(deliveries, act):
            if isinstance(outcome, HarkError):
                raise outcome

    def _each(
        self, deliveries: Sequence[Delivery], act: Callable[[Delivery], None]
    ) -> list[MessageGone | HarkError | None]:
        """What came of each, a few at a time; what stands in the way of one is not tried again for
        the rest.
        """
        barrier: list[HarkError] = []

        def attempt(delivery: Delivery) -> MessageGone | HarkError | None:
            if barrier:
                return barrier[0]
            try:
                act(delivery)
            except MessageGone as gone:
                self._held.forget(delivery.receipt)
                return gone
            except HarkError as error:
                barrier.append(error)
                return error
            return None

        if len(deliveries) == 1:
            return [attempt(deliveries[0])]
        with ThreadPoolExecutor(AT_ONCE, thread_name_prefix="storagequeue") as threads:
            return list(threads.map(attempt, deliveries))


def _text(content: str) -> str:
    """The body of a message that came as JSON, or as its base64."""
    if content.lstrip()[:1] in {"{", "["}:
        return content
    try:
        return base64.b64decode(content.strip(), validate=True).decode("utf-8-sig")
    except (binascii.Error, ValueError):
        return content


def open_storage_queue(
    queue: StorageQueueUrl, access: StorageAccess, pace: Pace, stop: threading.Event
) -> StorageQueueSource:
    """Make the source of a queue, without a call to it. Raises GiveUp (InvalidSetting) or Retry."""
    # A name too long is refused by Azure once there is something to move, and only then.
    poison = replace(queue, name=queue.name + POISON_SUFFIX)
    return StorageQueueSource(
        make_client(queue, access), make_client(poison, access), queue, pace, stop
    )
