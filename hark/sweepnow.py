"""The command `hark sweep --now`: asks the reconciler that leads for a sweep, and may wait for it.

Fed by hark.commands; writes one annotation of the reconciler's Lease with the rights of its user,
who must be allowed to get and patch that Lease. Reads and prints no secret.
"""

import argparse
import secrets
import time
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from externalsecret.duration import parse_duration
from externalsecret.errors import GiveUp
from externalsecret.kubeapi import MERGE_PATCH, ApiRefusal, KubeApi, connect
from hark.reconciling import LEASE
from hark.settings import read_settings
from reconciler.sweepasked import ANSWERED, ASKED, UNANSWERED

_GLANCE = 0.5


def run(arguments: argparse.Namespace, environ: Mapping[str, str]) -> int:
    """Ask, and wait if that is wanted; the exit code."""
    settings = read_settings(environ)
    patience = _patience(arguments.wait)
    namespace = arguments.namespace or settings.namespace
    api = connect(settings.kubeconfig)
    question = secrets.token_hex(8)
    holder = ask(api, namespace, question)
    print(f"Asked {holder} for a sweep, by the Lease {LEASE} in namespace {namespace}.")
    if patience is None:
        print(
            f"It begins within seconds. It has ended when that Lease's annotation {ANSWERED} is "
            f"{question}; what it found is in the reconciler's log (sweep.found) and in "
            "hark_reconciler_changes_found_by_sweep_total."
        )
        return 0
    unanswered = await_answer(api, namespace, question, patience)
    if unanswered == "0":
        print("The sweep has ended; what changed is being read.")
        return 0
    print(
        f"The sweep has ended, but backends gave no answer for keys: {unanswered}. These are asked "
        "for again within minutes; the reconciler's log says why (sweep.incomplete, sweep.failed)."
    )
    return 1


def ask(api: KubeApi, namespace: str, question: str) -> str:
    """Write the question; who leads. Raises GiveUp where nobody would answer."""
    body = {"metadata": {"annotations": {ASKED: question}}}
    try:
        lease = api.request("PATCH", _path(namespace), body=body, content_type=MERGE_PATCH)
    except ApiRefusal as error:
        if error.status != HTTPStatus.NOT_FOUND:
            raise
        raise GiveUp(
            f"There is no Lease {LEASE} in namespace {namespace}. Name the reconciler's namespace "
            "by --namespace. Where it runs with HARK_LEADER_ELECTION=false it has no Lease and "
            "cannot be asked: annotate ExternalSecrets to be refreshed instead.",
            reason="NoLease",
        ) from None
    holder: str = (lease.get("spec") or {}).get("holderIdentity") or ""
    if not holder:
        raise GiveUp(
            f"No reconciler leads in namespace {namespace} now. Start one: it sweeps then.",
            reason="NobodyLeads",
        )
    return holder


def await_answer(api: KubeApi, namespace: str, question: str, patience: float) -> str:
    """Wait until the question is answered; for how many keys there was no answer, as a text.
    Raises GiveUp after `patience` seconds.
    """
    deadline = time.monotonic() + patience
    while True:
        lease = _annotations(api.request("GET", _path(namespace)))
        # Who asks after us is answered by a later sweep, which is ours too.
        if lease.get(ANSWERED) in {question, lease.get(ASKED)}:
            unanswered: str = lease.get(UNANSWERED, "0")
            return unanswered
        if time.monotonic() > deadline:
            raise GiveUp(
                f"The sweep has not ended within {patience:.0f} s. It goes on; see the log of the "
                "reconciler.",
                reason="StillSweeping",
            )
        time.sleep(_GLANCE)


def _annotations(lease: Mapping[str, Any]) -> Mapping[str, Any]:
    return lease["metadata"].get("annotations") or {}


def _path(namespace: str) -> str:
    return f"/apis/coordination.k8s.io/v1/namespaces/{namespace}/leases/{LEASE}"


def _patience(text: str | None) -> float | None:
    if text is None:
        return None
    try:
        return parse_duration(text)
    except ValueError as error:
        raise GiveUp(f"--wait={text} {error}. Example: 5m", reason="InvalidSetting") from None
