"""Whether the cluster's ExternalSecret can hold the ledger.

Fed by the schema that the API server publishes (which every authenticated client may read) and by
its replies to notes; feeds the start of both halves and the listener's writer. The original CRD of
kubernetes-external-secrets, which Helm never upgrades, drops the ledger from every write and
answers 200: a half that went on would read everything for ever and lose what it heard.

Guarantees: a half that passed the check writes under a schema that keeps the ledger. Does not
guarantee that it stays so: somebody may put the old CRD back, which `note_came_back` notices. A new
CRD appears in the published schema some seconds after it was applied.
"""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from externalsecret.errors import GiveUp, Retry
from externalsecret.kubeapi import GROUP_PATH, ApiRefusal, KubeApi
from externalsecret.ledger import read_ledger

_SCHEMA_PATH = f"/openapi/v3{GROUP_PATH}"
_KIND = {"group": "kubernetes-client.io", "version": "v1", "kind": "ExternalSecret"}
_ANY = "*"
_NEEDED = (
    ("status", "keys", _ANY, "heard", "id"),
    ("status", "keys", _ANY, "synced", "note"),
    ("status", "keys", _ANY, "synced", "remark"),
    ("status", "secret", "resourceVersion"),
    ("status", "conditions"),
    ("status", "uid"),
    ("status", "refreshed"),
    ("status", "template", "fingerprint"),
)
_APPLY = "hark crd | kubectl apply --server-side --force-conflicts -f -"


def check_ledger_schema(api: KubeApi) -> None:
    """Return if the ledger is kept. GiveUp(CrdOutdated) if it is dropped; Retry(CrdMissing) if
    there is no such kind yet: wait and look again. Other Retry and GiveUp as `api.request` raises.
    """
    schema = _published_schema(api)
    if schema is None:
        raise Retry(
            "The cluster does not know ExternalSecrets of kubernetes-client.io/v1. "
            f"Install their definition: {_APPLY}",
            reason="CrdMissing",
        )
    dropped = [".".join(path) for path in _NEEDED if not _keeps(schema, path)]
    if dropped:
        raise outdated(dropped[0])


def outdated(field: str) -> GiveUp:
    """The refusal to go on, for whoever saw that a field of the ledger is dropped."""
    return GiveUp(
        f"The definition of ExternalSecret in this cluster drops {field}, so Hark cannot keep its "
        "notes. It is an older one, perhaps that of kubernetes-external-secrets. Replace it, which "
        f"changes no ExternalSecret: {_APPLY}",
        reason="CrdOutdated",
    )


def note_came_back(reply: Mapping[str, Any], entry: str, note_id: str) -> bool:
    """Whether the API server's reply to a status patch holds the note that the patch wrote.

    A reply without it means that the note was dropped, although the server answered 200.
    """
    status = reply.get("status")
    if not isinstance(status, Mapping):
        return False
    # A note counts whoever the ledger belonged to before, so the uid does not matter here.
    heard = read_ledger(status, "").entry(entry).heard
    return heard is not None and heard.id == note_id


def _published_schema(api: KubeApi) -> Mapping[str, Any] | None:
    try:
        document = api.request("GET", _SCHEMA_PATH)
    except ApiRefusal as error:
        if error.status == HTTPStatus.NOT_FOUND:
            return None
        raise
    schemas: Mapping[str, Any] = (document.get("components") or {}).get("schemas") or {}
    for schema in schemas.values():
        if _KIND in (schema.get("x-kubernetes-group-version-kind") or []):
            published: Mapping[str, Any] = schema
            return published
    return None


def _keeps(schema: Any, path: tuple[str, ...]) -> bool:
    """Whether what is written at the path survives the pruning of unknown fields."""
    for name in path:
        if not isinstance(schema, Mapping):
            return schema is True
        if schema.get("x-kubernetes-preserve-unknown-fields") is True:
            return True
        if name == _ANY:
            schema = schema.get("additionalProperties")
        else:
            schema = (schema.get("properties") or {}).get(name)
    return schema is not None
