"""The bodies of the requests that make and patch a Secret, and its address.

Fed by reconciler.apply with a frame and what changes of the entries; feeds the API server. Plain
functions of plain data. Entries leave their cover (Redacted) here and nowhere else.
"""

import base64
from collections.abc import Mapping
from typing import Any

from externalsecret.redacted import Redacted
from externalsecret.resource import ExternalSecret
from reconciler.frame import Change, Frame
from reconciler.live import LiveSecret
from reconciler.secretmeta import metadata_patch, new_metadata

METADATA_ONLY = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1"
"""The `accept` of requests whose answer shall hold no value."""


def new_secret(es: ExternalSecret, frame: Frame, change: Change) -> dict[str, Any]:
    """A Secret that holds what `change` brings."""
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": new_metadata(es, frame),
        **_kind(frame),
        "data": _encoded(change.entries),
    }


def secret_patch(
    es: ExternalSecret, frame: Frame, change: Change, live: LiveSecret
) -> dict[str, Any]:
    """A merge patch that lands on this very Secret only: a null for each entry that goes."""
    data: dict[str, str | None] = dict.fromkeys(change.removed)
    data.update(_encoded(change.entries))
    body: dict[str, Any] = {
        "metadata": {"uid": live.uid, **metadata_patch(es, frame, live)},
        **_kind(frame),
    }
    if data:
        body["data"] = data
    return body


def path_of(es: ExternalSecret) -> str:
    """Where the Secret of an ExternalSecret stands in the API."""
    namespace, name = es.key
    return f"/api/v1/namespaces/{namespace}/secrets/{name}"


def _kind(frame: Frame) -> dict[str, Any]:
    if frame.immutable is None:
        return {"type": frame.secret_type}
    return {"type": frame.secret_type, "immutable": frame.immutable}


def _encoded(entries: Mapping[str, Redacted]) -> dict[str, str]:
    return {name: base64.b64encode(value.reveal()).decode() for name, value in entries.items()}
