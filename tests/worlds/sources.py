"""Each source of messages with its surroundings behind one face, for the tests that all of them
pass (tests/listener/sources/test_source_contract.py).

A world speaks of messages by names that the test gives, since not every source carries a body that
somebody else wrote. Each message that a world puts in also holds CANARY where its body is.
"""

import secrets
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from enum import Enum, auto
from typing import Protocol

from listener.sources.contract import Delivery, Source

CANARY = "hunter2-canary"
"""Part of every body; must be seen nowhere else."""
LONG = 60.0
"""A hold time that no test outlasts."""


class Ability(Enum):
    """What the service behind a source can do; the tests ask what it cannot of no source."""

    HIDES = auto()
    """`retry(after)` keeps a message away for that long."""
    EXPIRES = auto()
    """What was received comes again by itself once the hold is over."""
    EXTENDS = auto()
    """`extend` lengthens the hold."""
    COUNTS = auto()
    """A delivery tells how often the message was handed out."""
    TELLS_LATE_ACKS = auto()
    """An acknowledgement by a receipt whose message was handed out anew is answered as failed."""
    TELLS_FAILED_ACKS = auto()
    """An acknowledgement of what the service does not know is answered as failed."""
    BURIES = auto()
    """What was rejected ends in a dead-letter place, or is answered as refused for good."""
    FAILS = auto()
    """There is a service that can be `away`."""
    DENIES = auto()
    """`denied` takes the right to receive away."""


EVERYTHING = frozenset(Ability)


class SourceWorld(Protocol):
    """One queue (topic, subscription, listening socket) and who fills it and looks at it."""

    abilities: frozenset[Ability]
    shortest_hold: float
    """Seconds: the least that the service takes."""
    shortest_delay: float
    """Seconds: the least wait above 0 that `retry` can ask for."""
    longest_wait: float
    """Seconds after which `receive` gives up waiting, as this world opens its sources."""
    credentials: Sequence[str]
    """What must never be shown, apart from CANARY."""

    def prepare(self, hold: float) -> None:
        """Make the queue, once, with messages ours for so many seconds (or a little more)."""

    def open(self) -> Source:
        """Another receiver of that queue; the world closes it at the end."""

    def put(self, *names: str) -> None:
        """Let messages come, one a name."""

    def name_of(self, delivery: Delivery) -> str:
        """Which of them this is."""

    def check(self, delivery: Delivery, name: str) -> None:
        """Assert that body, attributes and origin are those of the message that was put."""

    def spoiled(self, delivery: Delivery) -> Delivery:
        """The same delivery with a receipt that the service does not know."""

    def left(self) -> int:
        """How many messages are not done with, whether somebody holds them or not."""

    def buried(self) -> Sequence[str]:
        """Names of those in the dead-letter place, or refused for good, so far."""

    def away(self) -> AbstractContextManager[None]:
        """The service cannot be reached meanwhile."""

    def denied(self) -> AbstractContextManager[None]:
        """The service refuses us meanwhile."""


def names(count: int) -> list[str]:
    """So many names, such as no other test has."""
    return [f"{secrets.token_hex(4)}-{number}" for number in range(count)]


Opening = Iterator[SourceWorld]
"""What the generator of a world yields: the world, once; then it takes all of it down."""
