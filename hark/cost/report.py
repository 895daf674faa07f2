"""The report of `hark cost`: a table for people, or JSON for programs.

Fed with comparisons, prices and assumptions; writes text. Counts, dollars and prices only: no name
of an object or a secret.
"""

import json
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from externalsecret.identity import Backend
from hark.cost.compare import PRODUCTS, Bill, Comparison
from hark.cost.estate import MONTH
from hark.cost.prices import Price

_WIDTH = 100
_CENT = 0.01
_DAYS = MONTH / 86400.0
TITLES = {
    Backend.SECRETS_MANAGER: "AWS Secrets Manager",
    Backend.PARAMETER_STORE: "AWS Parameter Store",
    Backend.GCP_SECRET_MANAGER: "Google Secret Manager",
    Backend.KEY_VAULT: "Azure Key Vault",
    Backend.VAULT: "Vault or OpenBao",
}


@dataclass(frozen=True, slots=True)
class Report:
    """All that is told."""

    comparisons: Sequence[Comparison]
    is_sum: bool
    """Whether they are parts of one whole, and no alternatives."""
    prices: Sequence[Price]
    """Those that were used."""
    assumptions: Sequence[str]


def as_table(report: Report) -> str:
    """A block for each backend, what the prices are, and what all rests on."""
    blocks = [_block(one) for one in report.comparisons]
    if report.is_sum and len(blocks) > 1:
        told = [f"{product} ${dollars:,.2f}" for product, dollars in _totals(report).items()]
        blocks.append(f"Together, a month: {', '.join(told)}")
    blocks.append("\n".join(["Prices:", *map(_price, report.prices)]))
    blocks.append("\n".join(["Assumed:", *map(_wrapped, report.assumptions)]))
    return "\n\n".join(blocks)


def as_json(report: Report) -> str:
    """The same for programs. Figures are of a month of 30 days."""
    content = {
        "monthDays": _DAYS,
        "backends": [_row(one) for one in report.comparisons],
        **({"totalDollars": _totals(report)} if report.is_sum else {}),
        "prices": [
            {
                "name": price.name,
                "of": price.of,
                "dollars": price.dollars,
                "per": price.per,
                "freeUnits": price.free,
                "read": price.read.isoformat(),
                "page": price.page,
                "secondHand": price.is_second_hand,
            }
            for price in report.prices
        ],
        "assumptions": list(report.assumptions),
    }
    return json.dumps(content, indent=2)


def _totals(report: Report) -> dict[str, float]:
    return {
        product: sum(one.bills[place].dollars for one in report.comparisons)
        for place, product in enumerate(PRODUCTS)
    }


def _block(comparison: Comparison) -> str:
    estate = comparison.estate
    head = (
        f"{TITLES[estate.backend]}: {estate.objects:,} ExternalSecrets with {estate.items:,} "
        f"items, {estate.secrets:,} secrets"
    )
    lines = [
        head,
        _cells("a month", "value reads", "other calls", "dollars"),
    ]
    for bill in comparison.bills:
        name = f"{bill.product}, {bill.rhythm}"
        lines.append(_cells(name, _count(bill.value_reads), _count(bill.other_calls), _money(bill)))
    lines += [
        _cells(
            f"  {row.line.what}",
            _count(row.line.calls) if row.line.is_values else "",
            "" if row.line.is_values else _count(row.line.calls),
            f"{row.dollars:,.2f}",
        )
        for row in comparison.bills[-1].rows
    ]
    return "\n".join(lines)


def _cells(name: str, *figures: str) -> str:
    return "  ".join([f"{name:<34}", *(f"{figure:>15}" for figure in figures)]).rstrip()


def _count(calls: float) -> str:
    return f"{round(calls):,}"


def _money(bill: Bill) -> str:
    return f"{bill.dollars:,.2f}"


def _price(price: Price) -> str:
    source = "quoted by others" if price.is_second_hand else "from the list"
    free = f", {price.free:,.0f} free" if price.free else ""
    dollars = f"{price.dollars:.2f}" if price.dollars >= _CENT else f"{price.dollars:g}"
    asked = f"${dollars} for {price.per:,.0f}" if price.dollars else "$0"
    return _wrapped(f"{price.of}: {asked}{free} ({source}, {price.read})")


def _wrapped(text: str) -> str:
    return textwrap.fill(text, _WIDTH, initial_indent="  ", subsequent_indent="    ")


def _row(comparison: Comparison) -> dict[str, Any]:
    estate = comparison.estate
    return {
        "backend": str(estate.backend),
        "externalSecrets": estate.objects,
        "items": estate.items,
        "secrets": estate.secrets,
        "changes": estate.changes,
        "products": [
            {
                "product": bill.product,
                "rhythm": bill.rhythm,
                "valueReads": bill.value_reads,
                "otherCalls": bill.other_calls,
                "dollars": bill.dollars,
                "lines": [
                    {
                        "what": row.line.what,
                        "calls": row.line.calls,
                        "price": row.line.price,
                        "dollars": row.dollars,
                    }
                    for row in bill.rows
                ],
            }
            for bill in comparison.bills
        ],
    }
