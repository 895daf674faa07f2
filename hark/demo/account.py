"""The account: what the story's reads were, and what polling would have cost in the same time.

Fed with counts; feeds the screen. Pure. Polling is counted in its favour: one read of the secret at
each interval (kubernetes-external-secrets makes one for each entry of an ExternalSecret).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from hark.demo.outcome import expect

POLL_SECONDS = 10
_MONTH_SECONDS = 30 * 86400
_LONG_POLL_SECONDS = 20
_SWEEP_SECONDS = 6 * 3600
_CHANGES_A_MONTH = 30
_FLEET = 5000


@dataclass(frozen=True, slots=True)
class Prices:
    """Dollars: list prices in us-east-1, from the pricing pages of Secrets Manager and SQS."""

    as_of: str = "November 2026"
    secrets_manager_per_10_000: float = 0.05
    sqs_per_million: float = 0.40
    """After the first million of a month, which is free."""


PRICES = Prices()


@dataclass(frozen=True, slots=True)
class Reads:
    """How often a secret value was read, by three witnesses who do not know each other."""

    told: tuple[int, ...]
    """By the metrics of each process of the reconciler."""
    on_the_wire: int
    """Values asked for in GetSecretValue and BatchGetSecretValue."""
    versions: int
    """That the secret has had."""


@dataclass(frozen=True, slots=True)
class Calls:
    """Calls on the wire between Hark and the cloud."""

    queue: int
    looks: int


def check(reads: Reads) -> None:
    """Unexpected unless every version was read once, whoever counts."""
    expect(
        sum(reads.told) == reads.on_the_wire == reads.versions,
        f"{reads.versions} versions should have cost {reads.versions} value reads; the reconciler "
        f"tells of {sum(reads.told)}, and on the wire there were {reads.on_the_wire}.",
    )


def polls(seconds: float) -> int:
    """Reads of a poller that begins when the demo's halves do."""
    return math.floor(seconds / POLL_SECONDS) + 1


def table(reads: Reads, calls: Calls, seconds: float, prices: Prices) -> list[tuple[str, ...]]:
    """Calls in the demo's `seconds`, and calls and dollars in a month with a change a day."""
    month = _MONTH_SECONDS
    per_read = prices.secrets_manager_per_10_000 / 10_000
    per_queue_call = prices.sqs_per_million / 1_000_000
    return [
        ("", f"in these {seconds:.0f} s", "in a month", "dollars a month"),
        _row("Hark: value reads", reads.on_the_wire, _CHANGES_A_MONTH, per_read),
        _row("Hark: looks at versions", calls.looks, month // _SWEEP_SECONDS, per_read),
        _row("Hark: queue calls", calls.queue, month // _LONG_POLL_SECONDS, per_queue_call),
        _row(
            f"polling every {POLL_SECONDS} s: value reads",
            polls(seconds),
            month // POLL_SECONDS,
            per_read,
        ),
    ]


def scale(prices: Prices) -> str:
    """What time and many secrets change."""
    polled = _MONTH_SECONDS // POLL_SECONDS * _FLEET * prices.secrets_manager_per_10_000 / 10_000
    return (
        f"Such a poller is up to {POLL_SECONDS} s late, and pays for all the hours in which "
        f"nothing changes. For {_FLEET:,} secrets it pays ${polled:,.0f} a month, while the queue "
        "calls stay what they are (a million a month are free)."
    )


def terms(prices: Prices) -> Sequence[str]:
    """Where the dollars come from."""
    dollars = (
        f"Prices of {prices.as_of}, us-east-1: ${prices.secrets_manager_per_10_000} for 10,000 "
        f"calls of Secrets Manager, ${prices.sqs_per_million:.2f} for a million of SQS."
    )
    month = (
        "The month has one change a day, a sweep every 6 h and one listener with long polls of "
        f"{_LONG_POLL_SECONDS} s. A change right after a read, as here, may cost a look too. "
        "Polling counts one read a time; kubernetes-external-secrets makes one for each entry."
    )
    return (dollars, month)


def _row(what: str, seen: int, monthly: int, price: float) -> tuple[str, ...]:
    return (what, str(seen), f"{monthly:,}", f"{monthly * price:.4f}")
