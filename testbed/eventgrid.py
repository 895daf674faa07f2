"""Namespaces of Azure Event Grid in memory, as their pull delivery shows them over HTTP.

Part of the Azure double (testbed.azure), which brings the wire and the tokens. Follows the service
where it surprises: an event is locked for the time of its subscription and comes again, with
another token, when the lock ends; each delivery counts, and after `max_deliveries` an event ends in
the dead letters, as does what is rejected; what is asked with many lock tokens is answered for each
of them; a topic takes CloudEvents 1.0 only, and gives a copy to each of its subscriptions. An empty
receive is answered after `longest_wait`, which may be sooner than asked for.
Not here: filters, push delivery, the management of namespaces, events that expire.

Azure pages: "Azure Event Grid's pull delivery - Overview", REST reference "Consumer Operations" and
"Publisher Operations" of api-version 2024-06-01.
"""

from __future__ import annotations

import dataclasses
import itertools
import json
import secrets
import threading
import time
import urllib.parse
from typing import Any

from testbed.azurecall import Answer, Call, refusal

REGION = "westeurope-1"
SUFFIX = f"{REGION}.eventgrid.azure.net"
SCOPE = "https://eventgrid.azure.net/.default"
_API_VERSION = "2024-06-01"
_MOST = 100
_SHORTEST_WAIT, _LONGEST_WAIT, _USUAL_WAIT = 10, 120, 60
_DELAYS = {"0", "10", "60", "600", "3600"}
_REQUIRED = ("id", "source", "type", "specversion")


@dataclasses.dataclass
class _Event:
    body: Any
    available_at: float = 0.0
    token: str = ""
    locked_until: float = 0.0
    deliveries: int = 0


class Subscription:
    """A queue event subscription: what it holds, and how it gives it out."""

    def __init__(self, changed: threading.Condition) -> None:
        self.lock_seconds = 60.0
        """The service takes 60 to 300."""
        self.max_deliveries = 10
        self.dead: list[Any] = []
        """The events that were dead-lettered."""
        self.acknowledged: list[Any] = []
        self.released: list[float] = []
        """The delay of each release that was asked for."""
        self.failing: set[str] = set()
        """Operations that fail for each of their lock tokens."""
        self._changed = changed
        self._events: list[_Event] = []
        self._tokens = (f"token-{secrets.token_hex(4)}-{number}" for number in itertools.count(1))

    def put(self, *events: Any) -> None:
        """Let events come, well-formed or not."""
        with self._changed:
            self._events.extend(_Event(body) for body in events)
            self._changed.notify_all()

    def undone(self) -> int:
        """Events that are neither acknowledged nor dead, locked ones too."""
        with self._changed:
            return len(self._events)

    def expire_locks(self) -> None:
        """End every lock now, as time would."""
        with self._changed:
            for event in self._events:
                event.locked_until = 0.0
            self._changed.notify_all()

    def locked(self) -> int:
        """Events that a receiver holds."""
        with self._changed:
            return sum(event.locked_until > time.monotonic() for event in self._events)

    def take(self, most: int) -> list[dict[str, Any]]:
        """For the wire: lock what is there."""
        now = time.monotonic()
        taken: list[dict[str, Any]] = []
        for event in list(self._events):
            if len(taken) == most:
                break
            if max(event.available_at, event.locked_until) > now:
                continue
            if event.deliveries >= self.max_deliveries:
                self._events.remove(event)
                self.dead.append(event.body)
                continue
            event.deliveries += 1
            event.token = next(self._tokens)
            event.locked_until = now + self.lock_seconds
            about = {"lockToken": event.token, "deliveryCount": event.deliveries}
            taken.append({"brokerProperties": about, "event": event.body})
        return taken

    def settle(self, operation: str, token: str, delay: float) -> bool:
        """For the wire: end or renew a lock; False where there is none of this token."""
        now = time.monotonic()
        found = [one for one in self._events if one.token == token and one.locked_until > now]
        if not found or operation in self.failing:
            return False
        event = found[0]
        if operation == "renewLock":
            event.locked_until = now + self.lock_seconds
            return True
        if operation == "release":
            event.locked_until = 0.0
            event.available_at = now + delay
            return True
        self._events.remove(event)
        (self.acknowledged if operation == "acknowledge" else self.dead).append(event.body)
        return True


class EventGrid:
    """Several namespaces."""

    def __init__(self) -> None:
        self.longest_wait = float(_LONGEST_WAIT)
        """Seconds after which an empty receive is answered at the latest."""
        self.delay_unit = 1.0
        """How long a second of a release's delay lasts."""
        self.key = secrets.token_urlsafe(16)
        """The access key of every namespace."""
        self._changed = threading.Condition(threading.RLock())
        self._namespaces: dict[str, dict[str, dict[str, Subscription]]] = {}

    def create(self, namespace: str, topic: str, subscription: str) -> Subscription:
        """Make what is not there yet."""
        with self._changed:
            topics = self._namespaces.setdefault(namespace, {})
            made = Subscription(self._changed)
            return topics.setdefault(topic, {}).setdefault(subscription, made)

    def has(self, host: str) -> bool:
        """Whether a namespace is at this host."""
        namespace, _, suffix = host.partition(".")
        with self._changed:
            return suffix == SUFFIX and namespace in self._namespaces

    def answer(self, call: Call, *, has_token: bool) -> Answer:
        """Answer a call."""
        authorization = call.headers.get("authorization", "")
        if not has_token and authorization != f"SharedAccessKey {self.key}":
            return refusal(401, "Unauthorized", "The request is not authorised.")
        if call.query.get("api-version") != _API_VERSION:
            return refusal(400, "BadRequest", "This api-version is not known.")
        with self._changed:
            return self._answer(call)

    def _answer(self, call: Call) -> Answer:
        _, _, topic, *rest = call.path.rpartition(":")[0].split("/")
        subscriptions = self._namespaces[call.vault].get(topic)
        if subscriptions is None:
            return refusal(404, "NotFound", "There is no such topic.")
        if call.operation == "publish":
            return _publish(call, subscriptions)
        subscription = subscriptions.get(rest[-1])
        if subscription is None:
            return refusal(404, "NotFound", "There is no such event subscription.")
        if call.operation == "receive":
            return self._receive(call, subscription)
        return _settle(call, subscription, self.delay_unit)

    def _receive(self, call: Call, subscription: Subscription) -> Answer:
        most = int(call.query.get("maxEvents", 1))
        wait = int(call.query.get("maxWaitTime", _USUAL_WAIT))
        if not (1 <= most <= _MOST and _SHORTEST_WAIT <= wait <= _LONGEST_WAIT):
            return refusal(400, "BadRequest", "maxEvents or maxWaitTime is out of range.")
        deadline = time.monotonic() + min(wait, self.longest_wait)
        while True:
            taken = subscription.take(most)
            left = deadline - time.monotonic()
            if taken or left <= 0:
                return Answer(200, {"value": taken})
            # Locks end without anybody saying so.
            self._changed.wait(min(left, 0.05))


def operation_of(path: str) -> str:
    """What a path of a namespace asks for: receive, acknowledge, publish ..."""
    return urllib.parse.unquote(path).rpartition(":")[2]


def _publish(call: Call, subscriptions: dict[str, Subscription]) -> Answer:
    said = json.loads(call.body)
    is_batch = "cloudevents-batch+json" in call.headers.get("content-type", "")
    events = said if is_batch else [said]
    if not all(isinstance(event, dict) and all(map(event.get, _REQUIRED)) for event in events):
        return refusal(400, "BadRequest", "An event is no CloudEvents 1.0.")
    for subscription in subscriptions.values():
        subscription.put(*events)
    return Answer(200, {})


def _settle(call: Call, subscription: Subscription, unit: float) -> Answer:
    delay = call.query.get("releaseDelayInSeconds", "0")
    if delay not in _DELAYS:
        return refusal(400, "BadRequest", "releaseDelayInSeconds is none of the values it may be.")
    if call.operation == "release":
        subscription.released.append(float(delay))
    good, bad = [], []
    for token in json.loads(call.body)["lockTokens"]:
        if subscription.settle(call.operation, token, float(delay) * unit):
            good.append(token)
        else:
            lost = {"code": "TokenLost", "message": "The lock is not held any more."}
            bad.append({"lockToken": token, "error": lost})
    return Answer(200, {"succeededLockTokens": good, "failedLockTokens": bad})
