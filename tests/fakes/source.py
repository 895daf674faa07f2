"""A source of messages in memory: at-least-once, with visibility, receive counts and failures.

Fed by a test (`put`); feeds listener.listen as a queue would. A message that was received is hidden
until its visibility ends by the given clock, or until it is acked, handed back or rejected; then it
comes again under another receipt. It records every call and can be told to fail. Threads share it.
It does not bound what is in flight and never moves a message to a dead-letter queue.
"""

import itertools
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from externalsecret.errors import HarkError
from listener.sources.contract import Delivery, Origin

PATIENCE = 60.0
"""Seconds after which a test that waits for something gives up."""


@dataclass(frozen=True, slots=True)
class Call:
    """What was asked of the source: a verb and the places (as `put` gave them) of the messages."""

    verb: str
    places: tuple[int, ...] = ()
    after: float = 0.0


@dataclass(slots=True)
class _Message:
    body: str
    sent_at: float
    place: int
    visible_at: float = 0.0
    attempts: int = 0
    receipt: str = ""
    is_gone: bool = False


class FakeSource:
    """Implements listener.sources.contract.Source."""

    name = "memory:test"
    via = "memory"

    def __init__(
        self,
        *,
        visibility: float = 30.0,
        extend_every: float | None = None,
        most: int = 10,
        wait: float = 0.02,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Hand out up to `most` at once; an empty `receive` waits `wait` real seconds."""
        self.extend_every = visibility / 2 if extend_every is None else extend_every
        self.calls: list[Call] = []
        self.before: Callable[[Call], None] = _nothing
        """Called with each call before it is served; may wait or raise."""
        self.not_deleted: set[int] = set()
        """Places of messages whose deletion the queue refuses."""
        self.is_closed = False
        self.parks = 0
        """What a rejection gives."""
        self._visibility = visibility
        self._most = most
        self._wait = wait
        self._clock = clock
        self._messages: list[_Message] = []
        self._receipts = itertools.count(1)
        self._failures: list[tuple[str, HarkError]] = []
        self._changed = threading.Condition()

    # What a test says and asks.

    def put(self, *bodies: str, sent_at: float = 1_700_000_000.0) -> int:
        """Let messages come; the place of the first."""
        with self._changed:
            first = len(self._messages)
            for place, body in enumerate(bodies, start=first):
                self._messages.append(_Message(body, sent_at, place))
            self._changed.notify_all()
            return first

    def fail_next(self, verb: str, error: HarkError, *, times: int = 1) -> None:
        """Let the next calls of a verb fail."""
        with self._changed:
            self._failures.extend([(verb, error)] * times)

    def made(self, verb: str) -> list[Call]:
        """The calls of a verb, in their order."""
        with self._changed:
            return [call for call in self.calls if call.verb == verb]

    def await_calls(self, verb: str, number: int = 1) -> list[Call]:
        """Wait until a verb was called so often."""
        self.await_that(lambda: len([call for call in self.calls if call.verb == verb]) >= number)
        return self.made(verb)

    def await_that(self, condition: Callable[[], bool]) -> None:
        """Wait until something holds; it is asked after each call of the source."""
        with self._changed:
            assert self._changed.wait_for(condition, PATIENCE), f"only these calls: {self.calls}"

    def remaining(self) -> list[int]:
        """Places of the messages that were not acknowledged."""
        with self._changed:
            return [message.place for message in self._messages if not message.is_gone]

    def attempts(self, place: int) -> int:
        """How often a message was handed out."""
        return self._messages[place].attempts

    # Source.

    def receive(self) -> Sequence[Delivery]:
        self._admit(Call("receive"))
        with self._changed:
            self._changed.wait_for(self._visible, self._wait)
            return [self._handed_out(message) for message in self._visible()[: self._most]]

    def ack(self, deliveries: Sequence[Delivery]) -> Sequence[Delivery]:
        self._admit(self._call("ack", deliveries))
        failed = []
        with self._changed:
            for delivery in deliveries:
                message = self._of(delivery)
                # A receipt that is not the last one deletes nothing.
                if message is None or message.place in self.not_deleted:
                    failed.append(delivery)
                else:
                    message.is_gone = True
            self._changed.notify_all()
        return failed

    def retry(self, deliveries: Sequence[Delivery], after: float) -> None:
        self._admit(self._call("retry", deliveries, after))
        self._hide(deliveries, after)

    def reject(self, deliveries: Sequence[Delivery]) -> int:
        self._admit(self._call("reject", deliveries))
        self._hide(deliveries, self._visibility)
        return self.parks

    def extend(self, deliveries: Sequence[Delivery]) -> None:
        self._admit(self._call("extend", deliveries))
        self._hide(deliveries, self._visibility)

    def close(self) -> None:
        self.is_closed = True

    def _admit(self, call: Call) -> None:
        with self._changed:
            self.calls.append(call)
            self._changed.notify_all()
            failure = next((found for found in self._failures if found[0] == call.verb), None)
            if failure is not None:
                self._failures.remove(failure)
        self.before(call)
        if failure is not None:
            raise failure[1]

    def _call(self, verb: str, deliveries: Sequence[Delivery], after: float = 0.0) -> Call:
        with self._changed:
            found = [self._of(delivery) for delivery in deliveries]
        return Call(verb, tuple(-1 if one is None else one.place for one in found), after)

    def _of(self, delivery: Delivery) -> _Message | None:
        for message in self._messages:
            if message.receipt == delivery.receipt and not message.is_gone:
                return message
        return None

    def _visible(self) -> list[_Message]:
        now = self._clock()
        return [one for one in self._messages if not one.is_gone and one.visible_at <= now]

    def _handed_out(self, message: _Message) -> Delivery:
        message.attempts += 1
        message.receipt = f"receipt-{next(self._receipts)}"
        message.visible_at = self._clock() + self._visibility
        origin = Origin(region="eu-west-1", account="111122223333")
        return Delivery(message.body, message.receipt, message.attempts, message.sent_at, origin)

    def _hide(self, deliveries: Sequence[Delivery], seconds: float) -> None:
        with self._changed:
            for delivery in deliveries:
                message = self._of(delivery)
                if message is not None:
                    message.visible_at = self._clock() + seconds
            self._changed.notify_all()


def _nothing(_call: Call) -> None:
    """The hook of a test that needs none."""
