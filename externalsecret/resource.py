"""ExternalSecret: one object of ours as the reconciler needs it, and its address in the API.

Fed by raw objects of the API server; feeds the decisions of the reconciler. Reading never raises
for an object that the API server has admitted.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from externalsecret.kubeapi import GROUP_PATH
from externalsecret.ledger import Ledger, read_ledger
from externalsecret.reflect import Key, key_of

KIND = "ExternalSecret"
API_VERSION = "kubernetes-client.io/v1"
ADOPT_ANNOTATION = "externalsecrets.kubernetes-client.io/adopt"
"""Set to "true" on an ExternalSecret, it may take over a Secret that somebody else made."""
REFRESH_ANNOTATION = "externalsecrets.kubernetes-client.io/refresh"
"""Each new value of it has every key of the ExternalSecret read anew, once."""
MANAGED_LABEL = "externalsecrets.kubernetes-client.io/managed-by"
"""On every Secret that Hark writes, so that a watch sees these and no others."""
MANAGED_VALUE = "hark"
SUSPENDED = "Suspended"
"""The Ready condition's reason while spec.suspend is true."""
_LONGEST_REFRESH = 100
CAUGHT_UP = "CaughtUp"
"""Type of the condition that stands in the status, False, from a suspension until the first pass
after it that had no error.
"""


@dataclass(frozen=True, slots=True)
class ExternalSecret:
    """One object, as it was at `resource_version`."""

    key: Key
    uid: str
    resource_version: int
    generation: int
    is_going: bool
    annotations: Mapping[str, str]
    spec: Mapping[str, Any]
    status: Mapping[str, Any]
    ledger: Ledger = field(repr=False)

    def is_same_task(self, later: "ExternalSecret") -> bool:
        """Whether a later state of the object asks for nothing that this one did not."""
        heard = {key: leaves.heard for key, leaves in self.ledger.entries.items()}
        return (
            (self.uid, self.generation) == (later.uid, later.generation)
            and later.refresh() in {"", self.refresh()}
            and all(leaves.heard == heard.get(key) for key, leaves in later.ledger.entries.items())
        )

    def refresh(self) -> str:
        """The refresh that somebody asks for, as status.refreshed shall tell that it was served;
        "" where none is asked for, or it was served.
        """
        wanted = self.annotations.get(REFRESH_ANNOTATION) or ""
        if len(wanted) > _LONGEST_REFRESH:
            wanted = f"sha256:{hashlib.sha256(wanted.encode()).hexdigest()}"
        is_served = not self.ledger.is_foreign and self.status.get("refreshed") == wanted
        return "" if is_served else wanted

    def was_suspended(self) -> bool:
        """Whether something may have changed while nothing was done for this object, and was not
        looked for yet.
        """
        return not self.ledger.is_foreign and any(
            (one.get("type"), one.get("status")) == (CAUGHT_UP, "False")
            for one in self.status.get("conditions") or []
        )

    def may_adopt(self) -> bool:
        return self.annotations.get(ADOPT_ANNOTATION) == "true"

    def ready_reason(self) -> str | None:
        """What the Ready condition gives as its reason; None where there is none."""
        for one in self.status.get("conditions") or []:
            if one.get("type") == "Ready" and not self.ledger.is_foreign:
                reason: str | None = one.get("reason")
                return reason
        return None

    def is_observed(self) -> bool:
        """Whether the status speaks of the spec as it is now."""
        observed = self.status.get("observedGeneration")
        return not self.ledger.is_foreign and observed == self.generation

    def is_settled(self) -> bool:
        """Whether the spec as it is now was served to the end."""
        return self.is_observed() and any(
            (one.get("type"), one.get("status")) == ("Ready", "True")
            for one in self.status.get("conditions") or []
        )


def read_resource(obj: Mapping[str, Any]) -> ExternalSecret:
    """Read a raw object."""
    metadata = obj["metadata"]
    status = obj.get("status") or {}
    return ExternalSecret(
        key_of(obj),
        metadata["uid"],
        int(metadata["resourceVersion"]),
        int(metadata.get("generation") or 0),
        "deletionTimestamp" in metadata,
        metadata.get("annotations") or {},
        obj.get("spec") or {},
        status,
        read_ledger(status, metadata["uid"]),
    )


def status_path(key: Key) -> str:
    """Where an object's status is patched."""
    namespace, name = key
    return f"{GROUP_PATH}/namespaces/{namespace}/externalsecrets/{name}/status"


def list_paths(namespaces: tuple[str, ...]) -> list[str]:
    """What to list and watch: the cluster, or each of these namespaces."""
    if not namespaces:
        return [f"{GROUP_PATH}/externalsecrets"]
    return [f"{GROUP_PATH}/namespaces/{name}/externalsecrets" for name in namespaces]
