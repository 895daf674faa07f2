"""One object of a collection, listed and watched by its name.

Stands between externalsecret.reflect and a KubeApi. A list of Namespaces, even one that selects a
single name, takes rights in the whole cluster; to get and watch one Namespace by its path, rights
that a Role in that very namespace gives.

The path below /watch/ is "deprecated since 1.11" in the API reference of Kubernetes, but part of
v1, and the only one by which a namespaced right can watch a Namespace.

Guarantees: each watch begins with the object as it is, whatever was seen before, since the version
of an object that rests for long is too old to watch from. Does not tell that the object went while
no watch was open.
"""

from collections.abc import Iterator, Mapping
from http import HTTPStatus
from typing import Any

from externalsecret.kubeapi import ApiRefusal, KubeApi


class OneObject:
    """A KubeApi for a reflector whose path is that of a core/v1 object."""

    def __init__(self, api: KubeApi) -> None:
        self._api = api

    def request(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,  # noqa: ARG002 - of a list; there is but one
        body: Mapping[str, Any] | None = None,
        content_type: str = "application/json",
        accept: str = "application/json",
    ) -> dict[str, Any]:
        """The object, as a list of one or none."""
        kind = accept.replace("PartialObjectMetadataList", "PartialObjectMetadata")
        try:
            items = [
                self._api.request(method, path, body=body, content_type=content_type, accept=kind)
            ]
        except ApiRefusal as error:
            if error.status != HTTPStatus.NOT_FOUND:
                raise
            items = []
        return {"items": items, "metadata": {"resourceVersion": ""}}

    def stream(
        self, path: str, *, query: Mapping[str, str], accept: str, read_timeout: float
    ) -> Iterator[dict[str, Any]]:
        """Its changes, beginning with how it is."""
        by_name = path.replace("/api/v1/", "/api/v1/watch/", 1)
        kept = {name: text for name, text in query.items() if name != "resourceVersion"}
        return self._api.stream(by_name, query=kept, accept=accept, read_timeout=read_timeout)
