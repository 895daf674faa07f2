"""Adoption: takes over a Secret that was there before Hark first wrote it.

Fed by the writer of Secrets; feeds the API server and reconciler.live. Ours to take is what carries
our label, what the ledger tells that we wrote, what names an ExternalSecret of this name as its
owner (as the former operator of the same manifests leaves it), and anything where the
ExternalSecret's annotation asks for it.

Guarantees: a Secret that is not ours to take is not touched. No value is read for it, from neither
side: the API server itself compares when it takes a merge patch, and an entry that is equal stays
as it is. It stays its former writer's as well, for equal is no change; `claim` has managedFields
say that Hark stands for it too, so that a later edit by hand is noticed as in any other Secret.
"""

from collections.abc import Collection, Mapping
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any

from externalsecret.errors import GiveUp, Retry
from externalsecret.kubeapi import FIELD_MANAGER, MERGE_PATCH, ApiRefusal, KubeApi
from externalsecret.resource import ADOPT_ANNOTATION, ExternalSecret
from reconciler.live import LiveSecret, LiveSecrets
from reconciler.secretbody import METADATA_ONLY

NOT_OURS = "SecretNotOurs"


def is_ours(es: ExternalSecret, live: LiveSecret) -> bool:
    """Whether this ExternalSecret may write this Secret."""
    # Under Retain there is no owner, and anybody's `kubectl replace` takes the label away.
    is_on_record = live.uid == es.ledger.secret_uid
    return live.has_label() or live.owner(es) is not None or is_on_record or es.may_adopt()


def find_ours(api: KubeApi, known: LiveSecrets, es: ExternalSecret, path: str) -> None:
    """Get to know the Secret that stands in our way. GiveUp unless it is ours to write."""
    known.replace(api.request("GET", path, accept=METADATA_ONLY))
    live = known.get(es.key)
    if live is None:
        raise Retry(f"The Secret {es.key[1]} came and went.", reason="Conflict")
    if not is_ours(es, live):
        known.forget(es.key)
        raise GiveUp(
            f"A Secret {es.key[1]} exists that this ExternalSecret did not make, so it is not "
            f"touched. Delete it, or annotate the ExternalSecret with {ADOPT_ANNOTATION}=true "
            "to take it over.",
            reason=NOT_OURS,
        )


def refuse_stranger(api: KubeApi, known: LiveSecrets, es: ExternalSecret, path: str) -> None:
    """GiveUp where a Secret that was not ours is there still, before any value is read in vain."""
    if es.ready_reason() != NOT_OURS or es.may_adopt() or known.get(es.key) is not None:
        return
    try:
        find_ours(api, known, es, path)
    except ApiRefusal as error:
        if error.status != HTTPStatus.NOT_FOUND:
            raise


def claim(api: KubeApi, path: str, live: LiveSecret, names: Collection[str]) -> dict[str, Any]:
    """Stand for entries that are as we want them but were written by somebody else.

    Returns the Secret's metadata. ApiRetry where the Secret is no longer the one that was seen.
    """
    found = api.request("GET", path, accept=METADATA_ONLY)["metadata"]
    metadata = {
        "uid": live.uid,
        "resourceVersion": live.version,
        "managedFields": _with_claim(found.get("managedFields") or [], names),
    }
    return api.request(
        "PATCH",
        path,
        query={"fieldManager": FIELD_MANAGER},
        body={"metadata": metadata},
        content_type=MERGE_PATCH,
        accept=METADATA_ONLY,
    )


def _with_claim(
    managed: Collection[Mapping[str, Any]], names: Collection[str]
) -> list[Mapping[str, Any]]:
    """These entries put into the record of what we update; nobody else's record shrinks."""
    mine = [one for one in managed if _is_our_update(one)]
    record: Mapping[str, Any] = mine[0] if mine else _new_record()
    fields = record.get("fieldsV1") or {}
    data = {**(fields.get("f:data") or {}), **{f"f:{name}": {} for name in sorted(names)}}
    ours = {**record, "fieldsV1": {**fields, "f:data": data}}
    return [*(one for one in managed if one is not record), ours]


def _is_our_update(record: Mapping[str, Any]) -> bool:
    return (record.get("manager"), record.get("operation")) == (FIELD_MANAGER, "Update")


def _new_record() -> dict[str, Any]:
    return {
        "manager": FIELD_MANAGER,
        "operation": "Update",
        "apiVersion": "v1",
        "time": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "fieldsType": "FieldsV1",
    }
