"""A queue subscription to a topic of an Event Grid namespace as a source of messages.

Fed by one subscription; feeds listener.listen. Long polls, so an idle subscription costs one call
per wait, and an event is here within milliseconds. Events come at least once and in any order. The
subscription, not Hark, says how long an event is locked for its receiver (60 s at least), how often
it is given out, and whether dead letters are kept: none of this can be asked with the right to
receive. Each answer tells for each lock token whether it was good; a token that was not is an event
that comes again. A call that raises may have done its work for a part of the deliveries; to make it
again does no harm.

Azure pages: "Azure Event Grid's pull delivery - Overview", REST reference "Consumer Operations".
"""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

from externalsecret.errors import Retry
from listener.sources.contract import Delivery, Origin
from listener.sources.eventgridclient import Credential, make_consumer
from listener.sources.eventgriderrors import translated
from listener.sources.subscriptionurl import SubscriptionUrl

if TYPE_CHECKING:
    from azure.eventgrid import EventGridConsumerClient

_BATCH = 100
_DELAYS = (0, 10, 60, 600, 3600)
"""The delays of a release that the service knows, in seconds."""
_ALONE = 100
"""So many receives take one event each, after a batch that could not be read as a whole."""
_LOCK_TOKEN = re.compile(r'"lockToken"\s*:\s*"([^"\\]+)"')
_UNREADABLE = "["
_SHORTEST_LOCK = 60
"""Seconds for which every subscription locks an event, at least."""


class _Result(Protocol):
    """What the SDK says of lock tokens."""

    @property
    def succeeded_lock_tokens(self) -> list[str]: ...


class EventGridSource:
    """One subscription; made by `open_event_grid`. Implements listener.sources.contract.Source."""

    via = "eventgrid"
    extend_every = _SHORTEST_LOCK / 3

    def __init__(
        self, client: "EventGridConsumerClient", url: SubscriptionUrl, wait_seconds: int
    ) -> None:
        self.name = url.label
        self._client = client
        self._what = f"subscription {url.place} at {url.host}"
        self._wait_seconds = wait_seconds
        self._alone = 0

    def receive(self) -> Sequence[Delivery]:
        """Wait for up to a hundred events; raises Retry or GiveUp, both worth backing off."""
        answers: list[Any] = []
        with translated(self._what, "receive"):
            try:
                self._client.receive(
                    max_events=1 if self._alone else _BATCH,
                    max_wait_time=self._wait_seconds,
                    raw_response_hook=lambda response: answers.append(response.http_response),
                )
            except (AttributeError, KeyError, RecursionError, TypeError, ValueError):
                # One event that the SDK's model cannot hold would hide its neighbours, and all of
                # them are locked already: so they are taken from the answer itself.
                if not answers:
                    raise
            try:
                answer = answers[-1].json()
            except RecursionError:
                return self._nested(answers[-1].text())
            self._alone = max(0, self._alone - 1)
            return list(_deliveries(answer))

    def _nested(self, answer: str) -> Sequence[Delivery]:
        """Something in an answer is nested so deep that the whole cannot be read. The locks of its
        neighbours run out; taken one at a time they are read, and it is handed out as unreadable.
        """
        if not self._alone:
            self._alone = _ALONE
            raise Retry(
                "An event is nested so deep that it hides its neighbours; for a while they are "
                "taken one by one.",
                reason="EventUnreadable",
            )
        return [
            Delivery(body=_UNREADABLE, receipt=token, attempts=1, sent_at=0.0, origin=Origin())
            for token in _LOCK_TOKEN.findall(answer)
        ]

    def ack(self, deliveries: Sequence[Delivery]) -> Sequence[Delivery]:
        """Acknowledge events; gives those that Event Grid did not, and which will come again.

        One whose lock was lost is given out anew: it counts as not acknowledged.
        """
        failed: list[Delivery] = []
        for batch in _batches(deliveries):
            with translated(self._what, "acknowledge"):
                result = self._client.acknowledge(lock_tokens=_tokens(batch))
            good = _good(result)
            failed.extend(delivery for delivery in batch if delivery.receipt not in good)
        return failed

    def retry(self, deliveries: Sequence[Delivery], after: float) -> None:
        """Let events come again after so many seconds, rounded up to 0, 10, 60, 600 or 3600.

        One whose lock was lost comes back sooner. Each delivery counts towards the most that the
        subscription allows.
        """
        delay = next((step for step in _DELAYS if step >= after), _DELAYS[-1])
        for batch in _batches(deliveries):
            with translated(self._what, "release"):
                self._client.release(lock_tokens=_tokens(batch), release_delay=delay)

    def reject(self, deliveries: Sequence[Delivery]) -> int:
        """Let unreadable events be dead-lettered at once, or dropped where the subscription has no
        place for dead letters; gives how many were. One whose lock was lost comes again, and is
        rejected then.
        """
        gone = 0
        for batch in _batches(deliveries):
            with translated(self._what, "reject"):
                gone += len(_good(self._client.reject(lock_tokens=_tokens(batch))))
        return gone

    def extend(self, deliveries: Sequence[Delivery]) -> None:
        """Renew the locks of held events for the subscription's lock duration from now.

        One whose lock was lost is delivered again.
        """
        for batch in _batches(deliveries):
            with translated(self._what, "renewLock"):
                self._client.renew_locks(lock_tokens=_tokens(batch))

    def close(self) -> None:
        """Let go of connections; a `receive` under way still ends by itself."""
        self._client.close()


def open_event_grid(
    url: SubscriptionUrl, credential: Credential, *, proxy: str = "", wait_seconds: int = 30
) -> EventGridSource:
    """Make the source of a subscription, without a call to it; loads the SDK.

    `proxy` is for https and only where the environment names none that the SDK finds by itself;
    `wait_seconds` is 10 to 120. Raises GiveUp (MissingPart).
    """
    return EventGridSource(make_consumer(url, credential, proxy, wait_seconds), url, wait_seconds)


def _deliveries(answer: object) -> Iterator[Delivery]:
    found = answer.get("value") if isinstance(answer, Mapping) else None
    if not isinstance(found, list):
        raise Retry(
            "What answers in place of Event Grid speaks another language. Look at the proxy and "
            "at what else stands between the cluster and Azure.",
            reason="QueueAway",
        )
    for row in found:
        about = row.get("brokerProperties") if isinstance(row, Mapping) else None
        if not isinstance(about, Mapping) or not isinstance(about.get("lockToken"), str):
            # Nothing can be done with it, and it comes again by itself.
            continue
        count = about.get("deliveryCount")
        yield Delivery(
            body=json.dumps(row.get("event")),
            receipt=about["lockToken"],
            attempts=count if isinstance(count, int) else 1,
            # When the event was queued is not told, and its own time may be any: a publisher's
            # clock, or a change that somebody tells of days later.
            sent_at=0.0,
            origin=Origin(),
        )


def _tokens(deliveries: Sequence[Delivery]) -> list[str]:
    return [delivery.receipt for delivery in deliveries]


def _good(result: _Result) -> frozenset[str]:
    return frozenset(result.succeeded_lock_tokens or ())


def _batches(deliveries: Sequence[Delivery]) -> Iterator[Sequence[Delivery]]:
    for start in range(0, len(deliveries), _BATCH):
        yield deliveries[start : start + _BATCH]
