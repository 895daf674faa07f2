"""KES, ESO and Hark side by side, for one or several backends: calls and dollars.

Fed by hark.cost.estate, hark.cost.prices and the two that count calls; feeds hark.cost.report and
the bench. `compare` is the library function behind `hark cost`.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from externalsecret.duration import format_duration
from externalsecret.identity import Backend
from hark.cost.estate import Estate, Line, Terms
from hark.cost.ours import hark
from hark.cost.peers import eso, kes
from hark.cost.prices import Prices, charge

PRODUCTS = ("KES", "ESO", "Hark")
_OF_AWS = {Backend.SECRETS_MANAGER, Backend.PARAMETER_STORE}


@dataclass(frozen=True, slots=True)
class Priced:
    """Calls with what they cost in the period, in dollars."""

    line: Line
    dollars: float


@dataclass(frozen=True, slots=True)
class Bill:
    """What one product asks one backend for, and what that costs."""

    product: str
    rhythm: str
    rows: tuple[Priced, ...]

    @property
    def value_reads(self) -> float:
        return sum(row.line.calls for row in self.rows if row.line.is_values)

    @property
    def other_calls(self) -> float:
        return sum(row.line.calls for row in self.rows if not row.line.is_values)

    @property
    def dollars(self) -> float:
        return sum(row.dollars for row in self.rows)


@dataclass(frozen=True, slots=True)
class Comparison:
    """One estate, and a bill of each product."""

    estate: Estate
    bills: tuple[Bill, ...]


def compare(
    estates: Sequence[Estate], terms: Terms, prices: Prices, *, free: bool = False
) -> list[Comparison]:
    """A comparison for each estate. With `free` what the price lists give to everybody for nothing
    is taken off, once for each product, as if it used nothing else.
    """
    by_product = [
        [kes(one, terms) for one in estates],
        [eso(one, terms) for one in estates],
        _hark(estates, terms),
    ]
    rhythms = [
        [f"every {format_duration(terms.kes_interval)}"] * len(estates),
        [_rhythm_of_eso(one, terms) for one in estates],
        ["when told"] * len(estates),
    ]
    columns = []
    for product, bills, told in zip(PRODUCTS, by_product, rhythms, strict=True):
        charged = iter(charge([line for bill in bills for line in bill], prices, free=free))
        rows = [tuple(Priced(line, next(charged)) for line in bill) for bill in bills]
        columns.append([Bill(product, how, row) for how, row in zip(told, rows, strict=True)])
    return [
        Comparison(estate, tuple(bills)) for estate, *bills in zip(estates, *columns, strict=True)
    ]


def _hark(estates: Sequence[Estate], terms: Terms) -> list[list[Line]]:
    """The listener's queue in AWS serves both of its backends, so its rest is paid once."""
    bills = []
    is_paid = False
    for estate in estates:
        is_of_aws = estate.backend in _OF_AWS
        bills.append(hark(estate, terms, shares_queue=is_of_aws and is_paid))
        is_paid = is_paid or is_of_aws
    return bills


def _rhythm_of_eso(estate: Estate, terms: Terms) -> str:
    intervals = {
        terms.eso_interval if group.interval is None else group.interval for group in estate.groups
    }
    if len(intervals) == 1 and (only := intervals.pop()) < float("inf"):
        return f"every {format_duration(only)}"
    return "as each says"
