"""Looks what the reconciler would do: the reconciler itself, on an API server that forgets.

Run by `hark diff`. It lists the cluster, has every ExternalSecret reconciled once, as `hark
reconcile` would with the same environment, and keeps how that ended. A second implementation of
what the product does would tell of itself.

Guarantees: nothing is written (hark.diff.dryrun); values are read as a takeover would read them,
each once. What does not end in time is told as such, never left out.
"""

import threading
import time
from collections.abc import Collection
from dataclasses import replace
from http import HTTPStatus

from externalsecret.errors import GiveUp, Retry
from externalsecret.kubeapi import ApiRefusal
from externalsecret.reflect import Key
from externalsecret.resource import ExternalSecret, list_paths
from hark.assembly import Assembly, assemble
from hark.diff.dryrun import DryRunApi
from hark.diff.verdict import Verdict, judge
from hark.half import Half
from hark.settings import Settings
from reconciler.report import Outcome

_CONFLICT = "Conflict"
_MOST_CONFLICTS = 3
_POLL_SECONDS = 0.05


class _Witness:
    """How the first pass over each object ended."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._conflicts: dict[Key, int] = {}
        self._ends: dict[Key, Outcome] = {}

    def take(self, es: ExternalSecret, outcome: Outcome) -> None:
        error = outcome.error
        with self._lock:
            if isinstance(error, Retry) and error.reason == _CONFLICT:
                # Now it knows the Secret that it met; the next pass takes it into account.
                self._conflicts[es.key] = self._conflicts.get(es.key, 0) + 1
                if self._conflicts[es.key] < _MOST_CONFLICTS:
                    return
            self._ends.setdefault(es.key, outcome)

    def ends(self) -> dict[Key, Outcome]:
        with self._lock:
            return dict(self._ends)


def look(settings: Settings, names: Collection[str], patience: float) -> tuple[list[Verdict], int]:
    """A verdict for each ExternalSecret that is served, and how many values were read.

    `names` restricts to objects of these names; empty: all. `patience` in seconds. Raises Retry or
    GiveUp where the cluster cannot be listed.
    """
    stop = threading.Event()
    half = Half("diff", replace(settings, leader_election=False), stop, 0)
    api = DryRunApi(half.api)
    half.api = api
    _check_lists(half)
    witness = _Witness()
    parts = assemble(
        half,
        lambda: True,
        is_wanted=lambda key: not names or key[1] in names,
        ended=witness.take,
    )
    try:
        deadline = time.monotonic() + patience
        wanted = _let_work(half, parts, names, witness, deadline)
    finally:
        stop.set()
        parts.queue.close()
        parts.close()
    ends = witness.ends()
    verdicts = [judge(key, api.writes(key), ends.get(key, _too_late())) for key in sorted(wanted)]
    return (verdicts, _reads(parts))


def _check_lists(half: Half) -> None:
    """Say at once what a watch would try again and again."""
    for name in half.settings.watched_namespaces:
        _check_namespace(half, name)
    for path in list_paths(half.settings.watched_namespaces):
        try:
            half.api.request("GET", path, query={"limit": "1"})
        except ApiRefusal as error:
            if error.status == HTTPStatus.NOT_FOUND:
                raise GiveUp(
                    "This cluster has no definition of ExternalSecret (kubernetes-client.io/v1), "
                    "so there is nothing to compare. Is KUBECONFIG the cluster that you mean?",
                    reason="NoDefinition",
                ) from None
            raise


def _check_namespace(half: Half, name: str) -> None:
    try:
        half.api.request("GET", f"/api/v1/namespaces/{name}")
    except ApiRefusal as error:
        if error.status == HTTPStatus.NOT_FOUND:
            raise GiveUp(
                f"This cluster has no namespace {name}. Is KUBECONFIG the cluster that you mean?",
                reason="NotFound",
            ) from None
        raise


def _let_work(
    half: Half, parts: Assembly, names: Collection[str], witness: _Witness, deadline: float
) -> set[Key]:
    """Reconcile until every object came to an end, or time is over; the objects."""
    parts.watch(half)
    if not _listed(half, deadline):
        raise Retry(
            "The cluster was not listed in time: the API server is slow, or your credentials may "
            "not list ExternalSecrets, Secrets and Namespaces.",
            reason="KubernetesUnavailable",
        )
    wanted = set()
    for key in parts.objects.keys():  # noqa: SIM118 - not a dictionary
        es = parts.objects.get(key)
        if es is not None and not es.is_going and (not names or key[1] in names):
            wanted.add(key)
    for number in range(half.settings.workers):
        half.spawn(f"worker-{number}", parts.reconciler.work)
    while wanted - witness.ends().keys() and time.monotonic() < deadline:
        time.sleep(_POLL_SECONDS)
    return wanted


def _listed(half: Half, deadline: float) -> bool:
    return all(
        reflector.synced.wait(max(0.0, deadline - time.monotonic()))
        for reflector in half.reflectors
    )


def _too_late() -> Outcome:
    return Outcome(
        Retry(
            "It came to no end in time; look at this one alone, or give it longer by --timeout.",
            reason="TooSlow",
        )
    )


def _reads(parts: Assembly) -> int:
    samples = [one for family in parts.metrics.value_reads.collect() for one in family.samples]
    return int(sum(one.value for one in samples if one.name.endswith("_total")))
