"""Writes the Secret: makes it when it is absent, else patches just what changed.

Fed by the reconcile story with entries and a frame; feeds the API server and, by its replies,
reconciler.live.

Guarantees: upsert only. A patch carries what is to be written and explicit nulls for what is to go,
so that no entry is ever dropped by omission; it is bound to the Secret's uid, so that it never
lands on another Secret of the same name. A Secret that somebody else made is not touched unless its
ExternalSecret asks for it. No error holds a value: of the API server's refusals only reasons and
field names are told.
"""

import time
from collections.abc import Callable, Collection
from http import HTTPStatus
from typing import Any

import structlog

from externalsecret.errors import Retry
from externalsecret.kubeapi import (
    FIELD_MANAGER,
    MERGE_PATCH,
    ApiRefusal,
    ApiRetry,
    KubeApi,
)
from externalsecret.policies import recreates
from externalsecret.resource import ExternalSecret
from reconciler import adopt
from reconciler.frame import Change, Frame
from reconciler.live import LiveSecret, LiveSecrets
from reconciler.metrics import ReconcilerMetrics
from reconciler.recreate import complete, may_be_in_the_way, must_go, old_secret, recreate
from reconciler.refusals import refused
from reconciler.secretbody import METADATA_ONLY, new_secret, path_of, secret_patch
from reconciler.secretmeta import metadata_patch

log = structlog.get_logger()


class SecretWriter:
    """The only writer of Secrets."""

    def __init__(
        self,
        api: KubeApi,
        live: LiveSecrets,
        metrics: ReconcilerMetrics,
        pause: Callable[[float], None] = time.sleep,
    ) -> None:
        self._api = api
        self._pause = pause
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

    def refuse_stranger(self, es: ExternalSecret) -> None:
        """GiveUp where status says that the Secret is not ours, and it still is not. Ask before any
        value is read.
        """
        adopt.refuse_stranger(self._api, self._live, es, path_of(es))

    def claim(self, es: ExternalSecret, live: LiveSecret, names: Collection[str]) -> LiveSecret:
        """Stand for entries that were written but were equal already, and so are still another's.

        Raises as `write` does.
        """
        try:
            reply = adopt.claim(self._api, path_of(es), live, names)
        except ApiRetry as error:
            if error.status == HTTPStatus.CONFLICT:
                self._live.forget(es.key)
            raise
        return self._written("claim", reply)

    def _create(self, es: ExternalSecret, frame: Frame, change: Change) -> LiveSecret | None:
        """Make it; None when there is one already."""
        try:
            reply = self._api.request(
                "POST",
                path_of(es).rpartition("/")[0],
                query={"fieldManager": FIELD_MANAGER},
                body=new_secret(es, frame, change),
                accept=METADATA_ONLY,
            )
        except ApiRetry as error:
            if error.status == HTTPStatus.CONFLICT:
                return None
            raise
        except ApiRefusal as error:
            raise refused(error, frame) from None
        return self._written("create", reply)

    def _find_ours(self, es: ExternalSecret, frame: Frame) -> None:
        """Get to know the Secret that stands in our way; GiveUp unless it is ours to write."""
        try:
            adopt.find_ours(self._api, self._live, es, path_of(es))
        except ApiRefusal as error:
            raise refused(error, frame) from None

    def _patch(
        self, es: ExternalSecret, frame: Frame, change: Change, live: LiveSecret
    ) -> LiveSecret:
        try:
            reply = self._api.request(
                "PATCH",
                path_of(es),
                query={"fieldManager": FIELD_MANAGER},
                body=secret_patch(es, frame, change, live),
                content_type=MERGE_PATCH,
                accept=METADATA_ONLY,
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
            if recreates(es.spec) and may_be_in_the_way(error):
                return self._recreate(es, frame, change, live, error)
            raise refused(error, frame) from None
        return self._written("patch", reply)

    def _recreate(
        self, es: ExternalSecret, frame: Frame, change: Change, live: LiveSecret, why: ApiRefusal
    ) -> LiveSecret:
        """Make it anew, after a refused patch."""
        path = path_of(es)
        try:
            old = old_secret(self._api, path, live)
            if not must_go(old, frame.secret_type):
                raise why
            reply = recreate(
                self._api,
                path,
                old,
                complete(es, old, live, frame, change),
                gone=lambda: self._live.forget(es.key),
                pause=self._pause,
            )
        except ApiRefusal as error:
            raise refused(error, frame) from None
        return self._written("recreate", reply)

    def _written(self, verb: str, reply: dict[str, Any]) -> LiveSecret:
        self._metrics.secret_writes.labels(verb).inc()
        self._live.replace(reply)
        metadata = reply["metadata"]
        log.info("secret.written", secret=f"{metadata['namespace']}/{metadata['name']}", verb=verb)
        live = self._live.get((metadata["namespace"], metadata["name"]))
        if live is None:
            raise Retry(f"The Secret {metadata['name']} went at once.", reason="Conflict")
        return live
