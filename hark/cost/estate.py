"""What is to be kept (Estate), on which terms (Terms), and the calls that it takes (Line).

Fed by the counts of the command line or by hark.cost.census; feeds hark.cost.peers and
hark.cost.ours. Counts only: no name of an object or a secret.
"""

import math
from dataclasses import dataclass

from externalsecret.identity import Backend

MONTH = 30 * 86400.0
"""Seconds of the month of every figure: 30 days."""
NEVER = math.inf
"""The interval of an object that is read once and not again."""


@dataclass(frozen=True, slots=True)
class Group:
    """Objects that are refreshed in the same rhythm."""

    objects: int
    items: int
    """Entries of `data` and `dataFrom`, of all objects."""
    keys: int
    """Distinct secrets of each object, summed: an object that takes two properties of one secret
    has two items and one key.
    """
    interval: float | None = None
    """Seconds, as the objects themselves say; None where they leave it to the operator."""


@dataclass(frozen=True, slots=True)
class Estate:
    """All that is read from one backend."""

    backend: Backend
    groups: tuple[Group, ...]
    lanes: tuple[int, ...]
    """Distinct secrets of each lane: what is read as one identity, in one region, project or vault
    and so is shared.
    """
    changes: float
    """Changed versions of these secrets in the period of the terms."""
    queues: int = 1
    """How many queues announce the changes: one for each region."""

    @property
    def objects(self) -> int:
        return sum(group.objects for group in self.groups)

    @property
    def items(self) -> int:
        return sum(group.items for group in self.groups)

    @property
    def secrets(self) -> int:
        return sum(self.lanes)


@dataclass(frozen=True, slots=True)
class Terms:
    """What all estates have in common. Times in seconds."""

    period: float = MONTH
    kes_interval: float = 10.0
    eso_interval: float = 3600.0
    """Of objects that name none."""
    sweep_interval: float | None = 6 * 3600.0
    """None: no sweep."""
    vault_interval: float = 30.0
    """Between two looks of the listener at one path of Vault."""
    listeners: int = 2
    """Replicas: each asks the queue; of reconcilers only the one that leads asks anything."""
    events_per_change: float | None = None
    """Messages in the queue for a changed version; None: what each cloud sends."""
    own_keys: bool = False
    """Secrets Manager: the secrets are encrypted with a key of the customer, at a price a read."""
    higher_throughput: bool = False
    """Parameter Store: the account has paid throughput."""

    @property
    def sweeps(self) -> float:
        """In the period."""
        return 0.0 if self.sweep_interval is None else self.period / self.sweep_interval


@dataclass(frozen=True, slots=True)
class Line:
    """Calls of one kind in the period."""

    what: str
    calls: float
    price: str
    """Name of a price of hark.cost.prices."""
    is_values: bool = False
    """Whether each call brings a secret's value."""
