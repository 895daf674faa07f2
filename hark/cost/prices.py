"""The price lists, and what calls cost by them.

Fed by prices.yaml beside this module, the one place for prices and for the days on which they were
read; feeds hark.cost.compare with dollars. Nothing here asks a cloud.

Guarantees: a price that is named is there; free quotas count only where `free` says so, and then
once for all lines that are charged together.
"""

import importlib.resources
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

import yaml

from hark.cost.estate import Line


@dataclass(frozen=True, slots=True)
class Price:
    """One price: so many dollars for `per` units, of which `free` a month are free for all."""

    name: str
    of: str
    """The units, as the vendor's list calls them."""
    dollars: float
    per: float
    free: float
    read: date
    """When it was last looked at."""
    page: str
    """The vendor's list."""
    is_second_hand: bool
    """Quoted by others who read that list, not taken from it."""

    def charge(self, units: float) -> float:
        """Dollars, without any free quota."""
        return units * self.dollars / self.per


Prices = Mapping[str, Price]


def read_prices() -> Prices:
    """The prices of this version of Hark."""
    file = importlib.resources.files("hark.cost").joinpath("prices.yaml")
    rows: dict[str, dict[str, Any]] = yaml.safe_load(file.read_text(encoding="utf-8"))
    return {name: _price(name, row) for name, row in rows.items()}


def charge(lines: Sequence[Line], prices: Prices, *, free: bool) -> list[float]:
    """Dollars of each line of one bill; with `free` the first lines use up what is free."""
    left = {name: price.free if free else 0.0 for name, price in prices.items()}
    charged = []
    for line in lines:
        saved = min(left[line.price], line.calls)
        left[line.price] -= saved
        charged.append(prices[line.price].charge(line.calls - saved))
    return charged


def _price(name: str, row: Mapping[str, Any]) -> Price:
    return Price(
        name,
        row["of"],
        float(row["dollars"]),
        float(row["per"]),
        float(row["free"]),
        row["read"],
        row["in"],
        row["by"] != "page",
    )
