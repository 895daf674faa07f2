"""Writes the Secret: makes it when it is absent, else patches just what changed.

Fed by the reconcile story with entries and a frame; feeds the API server and, by its replies,
reconciler.live.

Guarantees: upsert only. A patch carries what is to be written and explicit nulls for what is to go,
so that no entry is ever dropped by omission; it is bound to the Secret's uid, so that it never
lands on another Secret of the same name. A Secret that somebody else made is not touched unless its
ExternalSecret asks for it. No error holds a value: of the API server's refusals only reasons and
field names are told.
"""

import base64
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from externalsecret.errors import GiveUp, Retry
from externalsecret.kubeapi import (
    FIELD_MANAGER,
    MERGE_PATCH,
    ApiRefusal,
    ApiRetry,
    KubeApi,
)
from externalsecret.redacted import Redacted
from externalsecret.resource import ADOPT_ANNOTATION, ExternalSecret
from reconciler.frame import Change, Frame
from reconciler.live import LiveSecret, LiveSecrets
from reconciler.metrics import ReconcilerMetrics
from reconciler.secretmeta import metadata_patch, new_metadata

_METADATA_ONLY = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1"


class SecretWriter:
    """The only writer of Secrets."""

    def __init__(self, api: KubeApi, live: LiveSecrets, metrics: ReconcilerMetrics) -> None:
        self._api = api
        self._live = live
        self._metrics = metrics

    def write(self, es: ExternalSecret, frame: Frame, change: Change) -> LiveSecret:
        """Make the Secret so. Where it is absent `change` must hold all its entries.

        Raises Retry (API server away, or the Secret is not what it was thought to be: it is known
        better now) and GiveUp (refused, or not ours).
        """
        live = self._live.get(es.key)
        if live is None:
            made = self._create(es, frame, change)
            if made is not None:
                return made
            self._find_ours(es, frame)
            # What it holds beside `change` is for the caller to judge.
            raise Retry(f"The Secret {es.key[1]} is there already.", reason="Conflict")
        return self._patch(es, frame, change, live)

    def needs_writing(self, es: ExternalSecret, frame: Frame, live: LiveSecret) -> bool:
        """Whether what is not data (owner, labels, annotations) is not as it should be."""
        return bool(metadata_patch(es, frame, live))

    def _create(self, es: ExternalSecret, frame: Frame, change: Change) -> LiveSecret | None:
        """Make it; None when there is one already."""
        body = {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": new_metadata(es, frame),
            **_kind(frame),
            "data": _encoded(change.entries),
        }
        try:
            reply = self._api.request(
                "POST",
                f"/api/v1/namespaces/{es.key[0]}/secrets",
                query={"fieldManager": FIELD_MANAGER},
                body=body,
                accept=_METADATA_ONLY,
            )
        except ApiRetry as error:
            if error.status == HTTPStatus.CONFLICT:
                return None
            raise
        except ApiRefusal as error:
            raise _refused(error, frame) from None
        return self._written("create", reply)

    def _find_ours(self, es: ExternalSecret, frame: Frame) -> None:
        """Get to know the Secret that stands in our way; GiveUp unless it is ours to write."""
        try:
            found = self._api.request("GET", _path(es), accept=_METADATA_ONLY)
        except ApiRefusal as error:
            raise _refused(error, frame) from None
        self._live.replace(found)
        live = self._live.get(es.key)
        if live is None:
            raise Retry(f"The Secret {es.key[1]} came and went.", reason="Conflict")
        if live.owner(es) is None and not live.has_label() and not es.may_adopt():
            self._live.forget(es.key)
            raise GiveUp(
                f"A Secret {es.key[1]} exists that this ExternalSecret did not make, so it is not "
                f"touched. Delete it, or annotate the ExternalSecret with {ADOPT_ANNOTATION}=true "
                "to take it over.",
                reason="SecretNotOurs",
            )

    def _patch(
        self, es: ExternalSecret, frame: Frame, change: Change, live: LiveSecret
    ) -> LiveSecret:
        data: dict[str, str | None] = dict.fromkeys(change.removed)
        data.update(_encoded(change.entries))
        body: dict[str, Any] = {
            "metadata": {"uid": live.uid, **metadata_patch(es, frame, live)},
            **_kind(frame),
        }
        if data:
            body["data"] = data
        try:
            reply = self._api.request(
                "PATCH",
                _path(es),
                query={"fieldManager": FIELD_MANAGER},
                body=body,
                content_type=MERGE_PATCH,
                accept=_METADATA_ONLY,
            )
        except ApiRetry as error:
            if error.status == HTTPStatus.CONFLICT:
                self._live.forget(es.key)
            raise
        except ApiRefusal as error:
            if error.status == HTTPStatus.NOT_FOUND or "metadata.uid" in error.fields:
                # Gone, or another one of this name.
                self._live.forget(es.key)
                raise Retry(f"The Secret {es.key[1]} has gone.", reason="Conflict") from None
            raise _refused(error, frame) from None
        return self._written("patch", reply)

    def _written(self, verb: str, reply: dict[str, Any]) -> LiveSecret:
        self._metrics.secret_writes.labels(verb).inc()
        self._live.replace(reply)
        metadata = reply["metadata"]
        live = self._live.get((metadata["namespace"], metadata["name"]))
        if live is None:
            raise Retry(f"The Secret {metadata['name']} went at once.", reason="Conflict")
        return live


def _kind(frame: Frame) -> dict[str, Any]:
    if frame.immutable is None:
        return {"type": frame.secret_type}
    return {"type": frame.secret_type, "immutable": frame.immutable}


def _encoded(entries: Mapping[str, Redacted]) -> dict[str, str]:
    """The only place where values leave their type: for the body of a request."""
    return {name: base64.b64encode(value.reveal()).decode() for name, value in entries.items()}


def _path(es: ExternalSecret) -> str:
    namespace, name = es.key
    return f"/api/v1/namespaces/{namespace}/secrets/{name}"


def _refused(error: ApiRefusal, frame: Frame) -> GiveUp:
    if frame.immutable is not None and {"data", "immutable"}.intersection(error.fields):
        return GiveUp(
            "The Secret is immutable, as spec.template asks, so Kubernetes refuses every change of "
            "its entries, and to make it mutable. Delete the Secret: it is made anew at once, as "
            "the manifest and the backend are now.",
            reason="SecretImmutable",
        )
    if "type" in error.fields:
        return GiveUp(
            "The Secret has another type than the manifest asks for, and Kubernetes changes no "
            "Secret's type. Delete the Secret (it is made anew) or restore the type in the spec.",
            reason="TypeConflict",
        )
    if "data" in error.fields and error.status == HTTPStatus.UNPROCESSABLE_ENTITY:
        return GiveUp(
            "The API server refuses the Secret's data: it is immutable, or its type demands other "
            "entries. Delete the Secret or correct the manifest.",
            reason="SecretRefused",
        )
    texts = [name for name in error.fields if name.startswith(("metadata.labels", "metadata.anno"))]
    if texts:
        return GiveUp(
            f"The API server refuses {texts[0]} of the Secret. The text of a label is at most 63 "
            "letters, digits, '-', '_' and '.'; all annotations together hold at most 256 KiB. "
            "Correct spec.template.",
            reason="SecretRefused",
        )
    return GiveUp(f"The Secret was refused. {error}", reason="SecretRefused")
