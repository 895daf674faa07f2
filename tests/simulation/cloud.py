"""The cloud: secrets that change, a queue that announces it at least once, and what is read."""

import json
import random
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from externalsecret import identity
from externalsecret.errors import HarkError, Retry
from externalsecret.reference import Reference
from listener.messages.meaning import Change, ChangeEvent
from listener.sources.contract import Delivery, Origin
from reconciler.backends.contract import Look, Read, Versions
from reconciler.backends.memory import MemoryBackend
from reconciler.reads import Lane

CURRENT = "AWSCURRENT"
BLUE = "blue"
DOCUMENT = "doc"
SECRETS = ("one", "two", DOCUMENT)
Slot = tuple[str, str]
"""(secret, label)"""


@dataclass(slots=True)
class Message:
    body: str
    known: int
    """The listener is to know the cluster as it was at this resourceVersion."""
    concerned: dict[tuple[str, int, str], int]
    """(uid, generation, entry) of those who read the secret when it changed; how many notes each
    had then.
    """
    in_flight: bool = False


def parse(delivery: Delivery) -> tuple[ChangeEvent, ...]:
    told = json.loads(delivery.body)
    secret = identity.secrets_manager(told.pop("name"))
    return (ChangeEvent(secret=secret, change=Change(told.pop("change")), **told),)


@dataclass(slots=True)
class Queue:
    """A Source: at least once, in any order."""

    rng: random.Random
    acked: Callable[[Message], None]
    messages: dict[int, Message] = field(default_factory=dict)
    name: str = "queue"
    via: str = "sqs"
    extend_every: float = 0.0
    _sent: int = 0
    _handed: int = 0

    def send(self, message: Message) -> None:
        self._sent += 1
        self.messages[self._sent] = message

    def duplicate(self) -> None:
        if self.messages:
            message = self.rng.choice(list(self.messages.values()))
            self.send(replace(message, in_flight=False))

    def expire(self) -> None:
        """What was handed out and not acknowledged comes again."""
        for message in self.messages.values():
            message.in_flight = False

    def waiting(self) -> list[int]:
        return [number for number, message in self.messages.items() if not message.in_flight]

    def receive(self) -> list[Delivery]:
        waiting = self.waiting()
        chosen = self.rng.sample(waiting, min(len(waiting), self.rng.randint(1, 3)))
        return [self._handed_out(number) for number in chosen]

    def _handed_out(self, number: int) -> Delivery:
        self._handed += 1
        self.messages[number].in_flight = True
        body = self.messages[number].body
        return Delivery(body, f"{number}/{self._handed}", 1, 0.0, Origin())

    def ack(self, deliveries: Sequence[Delivery]) -> Sequence[Delivery]:
        for delivery in deliveries:
            message = self.messages.pop(int(delivery.receipt.partition("/")[0]), None)
            if message is not None:
                self.acked(message)
        return []

    def retry(self, deliveries: Sequence[Delivery], after: float) -> None:
        """Nobody asks for it."""

    def reject(self, deliveries: Sequence[Delivery]) -> int:
        raise AssertionError(f"every message can be read, but {len(deliveries)} are rejected")

    def extend(self, deliveries: Sequence[Delivery]) -> None:
        """What is held may come again all the same."""

    def close(self) -> None:
        """Nothing to let go of."""


class Secrets:
    """What the backend holds, and how often each version was current."""

    def __init__(self) -> None:
        self.memory = MemoryBackend()
        self.current: dict[Slot, str] = {}
        self.former: dict[Slot, str] = {}
        self.transitions: Counter[Slot] = Counter()
        self.values: dict[str, bytes] = {}
        self.stale: Counter[str] = Counter()
        """How many answers about a secret may still be older than its last change."""
        self.gone: set[str] = set()
        self._count = 0

    def put(self, name: str, value: dict[str, str] | None, labels: Sequence[str]) -> str:
        """A new version; gives its id."""
        self._count += 1
        version = f"{name}-v{self._count}"
        told = {member: f"{text} of {version}" for member, text in (value or {}).items()}
        content = json.dumps(told).encode() if value is not None else version.encode()
        self.values[version] = content
        self.memory.put(name, content, version, labels)
        for label in labels:
            self._moved((name, label), version)
        self.gone.discard(name)
        return version

    def move(self, name: str, label: str, version: str) -> None:
        self.memory.move(name, label, version)
        self.stale[name] = 0
        self._moved((name, label), version)

    def end(self, name: str) -> None:
        self.memory.mark_deleted(name)
        self.stale[name] = 0
        self.gone.add(name)

    def versions(self, name: str) -> list[str]:
        return [version for version in self.values if version.startswith(f"{name}-")]

    def _moved(self, slot: Slot, version: str) -> None:
        if slot in self.current:
            self.former[slot] = self.current[slot]
        self.current[slot] = version
        self.transitions[slot] += 1


class Account:
    """The backend as one identity sees it: it may fail, and lag behind a new version."""

    batch_size = 2

    def __init__(self, secrets: Secrets, rng: random.Random, rate: float) -> None:
        self.rate = rate
        self.reads: Counter[str] = Counter()
        self.excused: Counter[str] = Counter()
        """Reads that failed or were stale, by entry: they may be done again."""
        self._secrets = secrets
        self._rng = rng

    def read(self, references: Sequence[Reference]) -> Mapping[str, Read]:
        self.reads.update(one.entry for one in references)
        if self._rng.random() < self.rate:
            self.excused.update(one.entry for one in references)
            raise Retry("The backend is away.", reason="BackendUnavailable")
        return {one.entry: self._read(one) for one in references}

    def look(self, references: Sequence[Reference]) -> Mapping[str, Look]:
        if self._rng.random() < self.rate:
            raise Retry("The backend is away.", reason="BackendUnavailable")
        seen = self._secrets.memory.look(references)
        return {one.entry: self._as_before(one, seen[one.entry]) for one in references}

    def sweep(self, references: Sequence[Reference]) -> Mapping[str, Look]:
        return self._secrets.memory.sweep(references)

    def close(self) -> None:
        """Nothing to let go of."""

    def _read(self, one: Reference) -> Read:
        memory, slot = self._secrets.memory, (one.key, one.selector.value)
        if not self._is_stale(slot):
            answer = memory.read([one])[one.entry]
            self.excused[one.entry] += isinstance(answer, HarkError)
            return answer
        self.excused[one.entry] += 1
        memory.move(*slot, self._secrets.former[slot])
        try:
            return memory.read([one])[one.entry]
        finally:
            memory.move(*slot, self._secrets.current[slot])

    def _as_before(self, one: Reference, seen: Look) -> Look:
        slot = (one.key, one.selector.value)
        if not isinstance(seen, Versions) or not self._is_stale(slot):
            return seen
        newest = self._secrets.current[slot]
        known = {version: labels for version, labels in seen.known.items() if version != newest}
        return replace(seen, current=self._secrets.former[slot], known=known)

    def _is_stale(self, slot: Slot) -> bool:
        if self._secrets.stale[slot[0]] <= 0 or slot not in self._secrets.former:
            return False
        self._secrets.stale[slot[0]] -= 1
        return True


class Accounts:
    """Every lane's view of the same secrets."""

    def __init__(self, secrets: Secrets, rng: random.Random, rate: float) -> None:
        self.open: dict[Lane, Account] = {}
        self._secrets = secrets
        self._rng = rng
        self._rate = rate

    def of(self, lane: Lane) -> Account:
        return self.open.setdefault(lane, Account(self._secrets, self._rng, self._rate))

    def be_kind(self) -> None:
        self._rate = 0.0
        for account in self.open.values():
            account.rate = 0.0
