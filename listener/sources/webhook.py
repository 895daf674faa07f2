"""What others post to us, as a source of messages.

Fed by listener.webhook.app, whose request threads offer events and wait; feeds listener.listen.
There is no queue behind it: the sender keeps what was not answered with success, and sends it again
(Event Grid for a day). So a delivery that is not acknowledged in time is withdrawn, which the
sender is told, and "comes again" when the sender comes again.

Guarantees: an offer is NOTED only after every one of its events was acknowledged. What waits is
bounded in events, and the requests that wait in number, so that some threads are always free to
refuse. Nothing survives a crash, and need not: then no request was answered.
"""

import itertools
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from enum import Enum

from listener.sources.contract import Delivery, Origin

FORM = "form"
"""The attribute that says in which form a delivery's body is written."""
_NEVER = 3600.0
_POLL_SECONDS = 1.0
_MOST_AT_ONCE = 100


class Outcome(Enum):
    """What became of an offer."""

    NOTED = "noted"
    """Every event was acknowledged."""
    UNREADABLE = "unreadable"
    """One at least cannot be read by anybody; the others were acknowledged."""
    LATE = "late"
    """Not all were acknowledged in time; the sender must come again."""
    BUSY = "busy"
    """Too much waits already, or the end is near: the sender must come again."""


@dataclass(frozen=True, slots=True)
class Posted:
    """One event as it was posted."""

    body: str = field(repr=False)
    form: str
    attempts: int = 1


class _Offer:
    """The events of one request that are not settled yet."""

    def __init__(self) -> None:
        self.open: set[str] = set()
        self.is_unreadable = False
        self.is_late = False
        self.settled = threading.Event()

    def outcome(self) -> Outcome:
        if self.open or self.is_late:
            return Outcome.LATE
        return Outcome.UNREADABLE if self.is_unreadable else Outcome.NOTED


class WebhookSource:
    """Implements listener.sources.contract.Source."""

    via = "webhook"
    extend_every = _NEVER

    def __init__(
        self,
        name: str,
        *,
        patience: float,
        most_events: int,
        most_requests: int,
        is_ending: Callable[[], bool] = lambda: False,
        now: Callable[[], float] = time.time,
    ) -> None:
        """An offer waits `patience` seconds at most. Where `is_ending`, nothing is received any
        more, so that new offers are refused at once, while what was received is still noted.
        """
        self.name = name
        self.port = 0
        """Where it is served, once it is."""
        self._patience = patience
        self._most_events = most_events
        self._most_requests = most_requests
        self._is_ending = is_ending
        self._now = now
        self._changed = threading.Condition()
        self._waiting: deque[Delivery] = deque()
        self._offers: dict[str, _Offer] = {}
        """By the receipt of each delivery that is not settled."""
        self._requests = 0
        self._receipts = itertools.count(1)
        self._is_closed = False
        self._on_close: list[Callable[[], None]] = []

    def offer(self, posted: Sequence[Posted]) -> Outcome:
        """Hand events to the listener and wait for what becomes of them."""
        if not posted:
            return Outcome.NOTED
        offer = _Offer()
        with self._changed:
            is_full = len(self._offers) + len(posted) > self._most_events
            is_over = self._is_closed or self._is_ending()
            if is_full or is_over or self._requests >= self._most_requests:
                return Outcome.BUSY
            self._requests += 1
            for one in posted:
                delivery = self._delivery(one)
                offer.open.add(delivery.receipt)
                self._offers[delivery.receipt] = offer
                self._waiting.append(delivery)
            self._changed.notify_all()
        try:
            offer.settled.wait(self._patience)
        finally:
            self._withdraw(offer)
        return offer.outcome()

    def when_closed(self, end: Callable[[], None]) -> None:
        """Do this too at the end, after everybody who waits was told to come again."""
        self._on_close.append(end)

    # Source.

    def receive(self) -> Sequence[Delivery]:
        with self._changed:
            self._changed.wait_for(lambda: self._waiting or self._is_closed, _POLL_SECONDS)
            return list(itertools.islice(self._unsettled(), _MOST_AT_ONCE))

    def ack(self, deliveries: Sequence[Delivery]) -> Sequence[Delivery]:
        """Gives those whose request was answered already: their sender comes again."""
        return self._settle(deliveries, _nothing)

    def retry(self, deliveries: Sequence[Delivery], after: float) -> None:  # noqa: ARG002 - the sender decides when
        """Tell the senders to come again, when the rest of what they sent is settled."""
        self._settle(deliveries, _is_late)

    def reject(self, deliveries: Sequence[Delivery]) -> int:
        """Tell the senders that they sent what nobody can read; gives how many are told so."""
        return len(deliveries) - len(self._settle(deliveries, _is_unreadable))

    def extend(self, deliveries: Sequence[Delivery]) -> None:
        """Nobody else could be handed what is held here."""

    def close(self) -> None:
        """Tell everybody who waits to come again, then let the server end; may be called twice."""
        with self._changed:
            self._is_closed = True
            for offer in set(self._offers.values()):
                offer.is_late = True
                offer.settled.set()
            self._changed.notify_all()
        for end in self._on_close:
            end()

    def _delivery(self, posted: Posted) -> Delivery:
        return Delivery(
            body=posted.body,
            receipt=f"webhook-{next(self._receipts)}",
            attempts=posted.attempts,
            sent_at=self._now(),
            origin=Origin(),
            attributes={FORM: posted.form},
        )

    def _unsettled(self) -> Iterator[Delivery]:
        while self._waiting:
            delivery = self._waiting.popleft()
            if delivery.receipt in self._offers:
                yield delivery

    def _settle(
        self, deliveries: Sequence[Delivery], mark: Callable[[_Offer], None]
    ) -> Sequence[Delivery]:
        withdrawn = []
        with self._changed:
            for delivery in deliveries:
                offer = self._offers.pop(delivery.receipt, None)
                if offer is None:
                    withdrawn.append(delivery)
                    continue
                mark(offer)
                offer.open.discard(delivery.receipt)
                if not offer.open:
                    offer.settled.set()
        return withdrawn

    def _withdraw(self, offer: _Offer) -> None:
        with self._changed:
            self._requests -= 1
            for receipt in offer.open:
                self._offers.pop(receipt, None)
            if offer.open:
                # While nothing is received, what was withdrawn must not pile up.
                self._waiting = deque(one for one in self._waiting if one.receipt in self._offers)


def _nothing(_offer: _Offer) -> None:
    pass


def _is_late(offer: _Offer) -> None:
    offer.is_late = True


def _is_unreadable(offer: _Offer) -> None:
    offer.is_unreadable = True
