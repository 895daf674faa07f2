"""The options of `hark cost`, for the command line and for the bench's front of it.

Feeds argparse, and gives terms back. Every refusal is a sentence with an example.
"""

import argparse

from externalsecret.duration import parse_duration
from externalsecret.errors import GiveUp
from externalsecret.identity import Backend
from hark.cost.estate import MONTH, Estate, Group, Terms

BACKENDS = {
    "secretsManager": Backend.SECRETS_MANAGER,
    "systemManager": Backend.PARAMETER_STORE,
    "gcpSecretsManager": Backend.GCP_SECRET_MANAGER,
    "azureKeyVault": Backend.KEY_VAULT,
    "vault": Backend.VAULT,
}
_INTERVALS = {
    "kes-interval": ("10s", "between two polls of kubernetes-external-secrets"),
    "eso-interval": ("1h", "refreshInterval of objects that name none"),
    "sweep-interval": ("", "between two sweeps of Hark, or `none` (default: HARK_SWEEP_INTERVAL)"),
    "vault-interval": ("30s", "between two looks of Hark's listener at a path of Vault"),
}
MEANING = "what your ExternalSecrets cost with those that poll, and with Hark"
DETAILS = """\
It lists ExternalSecrets of kubernetes-client.io and, where they are installed, those of
external-secrets.io with their stores, and needs the right to list these. It reads no Secret and
asks no cloud: calls are counted by what was measured, prices are list prices that come with
Hark. Those that poll are kubernetes-external-secrets (KES) and External Secrets Operator (ESO).

  hark cost --kubeconfig prod.kubeconfig --changes-per-day 40
  hark cost --objects 5000 --secrets 5000 --backend secretsManager

exit codes: 0 told, 1 the cluster could not be read, 2 bad usage or settings"""
_MOST = 10_000_000
_DAYS = MONTH / 86400.0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """All options of the command."""
    parser.add_argument("--kubeconfig", metavar="PATH", help="of the cluster (default: KUBECONFIG)")
    parser.add_argument("-n", "--namespace", help="only this namespace (default: all)")
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    _add_counts(parser)
    _add_terms(parser)


def _add_counts(parser: argparse.ArgumentParser) -> None:
    """Counts in place of a cluster."""
    group = parser.add_argument_group("counts, in place of a cluster")
    for name, meaning in {
        "objects": "ExternalSecrets",
        "items": "entries of data and dataFrom of all of them (default: one each)",
        "secrets": "distinct secrets that they read (default: as many as items)",
    }.items():
        group.add_argument(f"--{name}", type=_count, metavar="N", help=meaning)
    group.add_argument(
        "--backend",
        action="append",
        choices=BACKENDS,
        metavar="TYPE",
        help=f"{', '.join(BACKENDS)}; may be repeated (default: each in turn)",
    )


def _add_terms(parser: argparse.ArgumentParser) -> None:
    """What the figures depend on besides."""
    group = parser.add_argument_group("assumptions")
    group.add_argument(
        "--changes-per-day",
        type=_changes,
        metavar="N",
        help="secrets that change in a day, of all (default: each once in 30 days)",
    )
    for name, (default, meaning) in _INTERVALS.items():
        shown = f" (default: {default})" if default else ""
        group.add_argument(
            f"--{name}", default=default, metavar="DURATION", help=f"{meaning}{shown}"
        )
    group.add_argument(
        "--listeners",
        type=_count,
        default=2,
        metavar="N",
        help="replicas of Hark's listener (default: 2)",
    )
    group.add_argument(
        "--free-tiers",
        action="store_true",
        help="take off what the price lists give to everybody each month",
    )
    group.add_argument(
        "--own-keys",
        action="store_true",
        help="Secrets Manager's secrets are encrypted with a key of yours",
    )
    group.add_argument(
        "--higher-throughput",
        action="store_true",
        help="Parameter Store is set to higher throughput, which is paid",
    )


def read_terms(arguments: argparse.Namespace, sweep_interval: float | None) -> Terms:
    """The terms; `sweep_interval` in seconds is that of the settings. Raises GiveUp."""
    given = arguments.sweep_interval
    if given == "none":
        sweep_interval = None
    elif given:
        sweep_interval = _interval("sweep-interval", given)
    return Terms(
        kes_interval=_interval("kes-interval", arguments.kes_interval),
        eso_interval=_interval("eso-interval", arguments.eso_interval),
        sweep_interval=sweep_interval,
        vault_interval=_interval("vault-interval", arguments.vault_interval),
        listeners=arguments.listeners,
        own_keys=arguments.own_keys,
        higher_throughput=arguments.higher_throughput,
    )


def read_counts(arguments: argparse.Namespace) -> list[Estate] | None:
    """An estate for each backend that was named; None where no counts were given. Raises GiveUp."""
    if arguments.objects is None:
        given = [name for name in ("items", "secrets", "backend") if getattr(arguments, name)]
        if given:
            raise GiveUp(
                f"--{given[0]} counts only beside --objects. Example: hark cost --objects 1000 "
                "--secrets 800 --backend secretsManager",
                reason="InvalidSetting",
            )
        return None
    items = arguments.items or arguments.objects
    secrets = arguments.secrets or items
    if items < arguments.objects or secrets > items:
        raise GiveUp(
            f"{arguments.objects} objects with {items} items cannot read {secrets} secrets: each "
            "object has an item at least, and each item reads one secret. Example: --objects 1000 "
            "--items 3000 --secrets 800",
            reason="InvalidSetting",
        )
    changes = arguments.changes_per_day
    month = secrets if changes is None else changes * _DAYS
    # An object that takes three properties takes them of one secret, if there are so few.
    keys = min(items, max(arguments.objects, secrets))
    group = Group(arguments.objects, items, keys)
    return [
        Estate(BACKENDS[name], (group,), (secrets,), month)
        for name in arguments.backend or BACKENDS
    ]


def _interval(name: str, text: str) -> float:
    try:
        seconds = parse_duration(text)
    except ValueError as error:
        raise GiveUp(f"--{name}={text} {error}. Example: 1h", reason="InvalidSetting") from None
    if seconds < 1:
        raise GiveUp(
            f"--{name}={text} is shorter than a second. Example: 10s", reason="InvalidSetting"
        )
    return seconds


def _count(text: str) -> int:
    number = int(text) if text.isascii() and text.isdecimal() else 0
    if not 1 <= number <= _MOST:
        raise argparse.ArgumentTypeError(f"{text} is no whole number from 1 to {_MOST:,}")
    return number


def _changes(text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = -1.0
    if not 0 <= number <= _MOST:
        raise argparse.ArgumentTypeError(f"{text} is no number from 0 to {_MOST:,}")
    return number
