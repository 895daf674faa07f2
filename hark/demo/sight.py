"""What the demo sees of the cluster while the story goes on.

Fed by the stage's cluster; feeds the acts and the reckoning. Values are compared here and go no
further.
"""

import base64
from collections.abc import Iterator, Mapping
from typing import Any

from externalsecret.kubeapi import GROUP_PATH
from externalsecret.ledger import Entry, read_ledger
from hark.demo.guest import NAMESPACES
from hark.demo.outcome import Unexpected, await_until, expect
from hark.demo.stage import SYSTEM, TENANT, Stage
from testbed.installation import Half, HarkProcess

NAME = "db"
SECRETS = f"{NAMESPACES}/{TENANT}/secrets"
EXTERNAL_SECRETS = f"{GROUP_PATH}/namespaces/{TENANT}/externalsecrets"
_REVIEWS = "/apis/authorization.k8s.io/v1/subjectaccessreviews"


def may_read_secrets(stage: Stage, half: Half) -> bool:
    """What the API server answers when it is asked."""
    account = f"system:serviceaccount:{SYSTEM}:hark-{half}"
    asked = {"user": account, "resourceAttributes": {"verb": "get", "resource": "secrets"}}
    answer = stage.guest.ask(_REVIEWS, {"spec": asked})
    allowed: bool = answer["status"]["allowed"]
    return allowed


def secret(stage: Stage) -> dict[str, Any]:
    """The Secret as it stands."""
    found = stage.guest.find(f"{SECRETS}/{NAME}")
    if found is None:
        raise Unexpected("The Secret is gone.")
    return found


def external_secret(stage: Stage) -> dict[str, Any]:
    """The ExternalSecret as it stands."""
    found = stage.guest.find(f"{EXTERNAL_SECRETS}/{NAME}")
    if found is None:
        raise Unexpected("The ExternalSecret is gone.")
    return found


def entry(stage: Stage) -> Entry:
    """The ledger's only entry: both lines of the manifest read the same secret."""
    seen = external_secret(stage)
    entries = read_ledger(seen.get("status") or {}, seen["metadata"]["uid"]).entries
    expect(len(entries) <= 1, f"The ledger has {len(entries)} entries instead of one.")
    return next(iter(entries.values()), Entry())


def watch(stage: Stage) -> Iterator[dict[str, Any]]:
    """The Secret's states from now on."""
    return stage.guest.watch(SECRETS, NAME)


def await_value(states: Iterator[Mapping[str, Any]], wanted: Mapping[str, str]) -> dict[str, Any]:
    """The first state of the Secret that holds these values."""
    encoded = {name: base64.b64encode(text.encode()).decode() for name, text in wanted.items()}
    for state in states:
        if state.get("data") == encoded:
            return dict(state)
    raise Unexpected("The Secret did not get the value in time.")


def await_synced(stage: Stage, version: str) -> None:
    """Wait until the ledger says that the Secret holds a version, and the object that it is ready.

    The ledger is written right after the Secret.
    """
    await_until(
        lambda: entry(stage).synced,
        lambda synced: synced is not None and synced.version == version,
        f"The ledger does not tell of version {version}.",
    )
    await_until(
        lambda: (external_secret(stage).get("status") or {}).get("conditions") or [],
        lambda found: any((one["type"], one["status"]) == ("Ready", "True") for one in found),
        "The ExternalSecret is not ready.",
    )


def value_reads_told(reconciler: HarkProcess) -> int:
    """The value reads that a process tells of in its metrics."""
    return int(reconciler.metric("hark_reconciler_value_reads_total"))
