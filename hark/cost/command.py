"""The command `hark cost`: counts of a cluster or of the command line in, a comparison out.

Fed by hark.commands and, with counts alone, by the bench. Writes nothing but its report, to stdout,
and its progress, to stderr. Reads ExternalSecrets and stores of secrets; no Secret, and no value.
"""

import argparse
import sys
from collections.abc import Mapping
from dataclasses import replace

from externalsecret.dialect.contract import Defaults
from externalsecret.kubeapi import connect
from hark.cost import report
from hark.cost.assumptions import assumptions
from hark.cost.census import Census
from hark.cost.cluster import count
from hark.cost.compare import compare
from hark.cost.estate import Estate, Terms
from hark.cost.options import read_counts, read_terms
from hark.cost.prices import read_prices
from hark.settings import Settings, read_settings

_PATIENCE = 60.0
_ANY_REGION = "us-east-1"
"""In place of one that only the running halves know."""


def run(arguments: argparse.Namespace, environ: Mapping[str, str]) -> int:
    """Print the comparison; the exit code. Raises Retry and GiveUp."""
    settings = read_settings(environ)
    terms = read_terms(arguments, settings.sweep_interval)
    estates = read_counts(arguments)
    census = Census(settings.defaults)
    if estates is None:
        census = _count(arguments, settings)
        estates = census.estates(arguments.changes_per_day)
    told = _report(arguments, estates, terms, census)
    print(report.as_json(told) if arguments.json else _shown(told, estates))
    return 0


def _count(arguments: argparse.Namespace, settings: Settings) -> Census:
    api = connect(arguments.kubeconfig or settings.kubeconfig, timeout=_PATIENCE)
    census = count(api, arguments.namespace or "", _complete(settings.defaults), _tell)
    _tell(
        f"{census.kes:,} ExternalSecrets of kubernetes-client.io, {census.eso:,} of "
        "external-secrets.io"
    )
    return census


def _report(
    arguments: argparse.Namespace, estates: list[Estate], terms: Terms, census: Census
) -> report.Report:
    prices = read_prices()
    # Counts of the command line are of one backend after the other, not of all together.
    wholes = [estates] if arguments.objects is None else [[estate] for estate in estates]
    comparisons = [
        comparison
        for whole in wholes
        for comparison in compare(whole, terms, prices, free=arguments.free_tiers)
    ]
    used = {row.line.price for one in comparisons for bill in one.bills for row in bill.rows}
    return report.Report(
        comparisons,
        arguments.objects is None,
        [price for price in prices.values() if price.name in used],
        assumptions(
            {one.backend for one in estates},
            terms,
            changes_a_day=arguments.changes_per_day,
            free=arguments.free_tiers,
            several=census.several,
            unpriced=census.unpriced,
        ),
    )


def _shown(told: report.Report, estates: list[Estate]) -> str:
    if estates:
        return report.as_table(told)
    said = [sentence for sentence in told.assumptions if sentence.startswith("In no figure")]
    return "\n".join(["There is nothing here that reads a backend which Hark serves.", *said])


def _complete(defaults: Defaults) -> Defaults:
    """What a manifest leaves to the halves' settings does not matter to a price."""
    return replace(defaults, region=defaults.region or _ANY_REGION)


def _tell(line: str) -> None:
    print(line, file=sys.stderr, flush=True)
