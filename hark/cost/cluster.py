"""Lists what a cluster has of ExternalSecrets, in chunks, and has them counted.

Fed by the API server; feeds hark.cost.census. Reads ExternalSecrets of kubernetes-client.io, and
where they are installed those of external-secrets.io with their stores: no Secret, and nothing is
written. Needs the right to list these, and no other.

Kubernetes facts: "Retrieving large results sets in chunks" in "Kubernetes API Concepts": a list
that takes too long ends with 410 and is begun anew.
"""

from collections.abc import Callable, Iterator, Mapping
from http import HTTPStatus
from typing import Any

from externalsecret.dialect.contract import Defaults
from externalsecret.errors import GiveUp
from externalsecret.kubeapi import GROUP_PATH, ApiRefusal, KubeApi
from hark.cost.census import Census
from hark.cost.stores import Key, Store, key_of_store, read_store

CHUNK = 500
_TOLD_EVERY = 2000
_MOST_TRIES = 3
_ESO = "external-secrets.io"
_KES = "kubernetes-client.io"

Tell = Callable[[str], None]


def count(api: KubeApi, namespace: str, defaults: Defaults, tell: Tell) -> Census:
    """Count the cluster, or one namespace ("" is all). `tell` gets a line of progress now and then.
    Raises Retry and GiveUp.
    """
    census = Census(defaults)
    is_installed = False
    for obj in _objects(api, f"{GROUP_PATH}{_within(namespace)}/externalsecrets", _KES, tell):
        is_installed = True
        if obj is not None:
            census.add_kes(obj)
    if version := _version_of_eso(api):
        is_installed = True
        group = f"/apis/{_ESO}/{version}"
        stores = _stores(api, group, namespace, tell)
        for obj in _objects(api, f"{group}{_within(namespace)}/externalsecrets", _ESO, tell):
            if obj is not None:
                census.add_eso(obj, stores)
    if not is_installed:
        raise GiveUp(
            f"This cluster knows ExternalSecrets neither of {_KES} nor of {_ESO}, so there is "
            "nothing to count. Is this kubeconfig that of the cluster that you mean? Without a "
            "cluster give counts: hark cost --objects 1000 --secrets 800",
            reason="NoDefinition",
        )
    return census


def _version_of_eso(api: KubeApi) -> str:
    try:
        group = api.request("GET", f"/apis/{_ESO}")
    except ApiRefusal as error:
        if error.status == HTTPStatus.NOT_FOUND:
            return ""
        raise
    version: str = group["preferredVersion"]["version"]
    return version


def _stores(api: KubeApi, group: str, namespace: str, tell: Tell) -> Mapping[Key, Store | str]:
    paths = (f"{group}{_within(namespace)}/secretstores", f"{group}/clustersecretstores")
    return {
        key_of_store(obj): read_store(obj)
        for path in paths
        for obj in _objects(api, path, _ESO, tell)
        if obj is not None
    }


def _objects(api: KubeApi, path: str, group: str, tell: Tell) -> Iterator[Mapping[str, Any] | None]:
    """Each object of a list once; first a None, where there is such a list at all."""
    seen: set[str] = set()
    token = ""
    tries = 1
    is_told = False
    resource = path.rpartition("/")[2]
    while True:
        try:
            page = _page(api, path, token, f"{resource}.{group}")
        except ApiRefusal as error:
            if error.status != HTTPStatus.GONE or tries == _MOST_TRIES:
                raise
            token, tries = "", tries + 1
            continue
        if page is None:
            return
        if not is_told:
            is_told = True
            yield None
        before = len(seen)
        for obj in page.get("items") or []:
            uid = obj["metadata"]["uid"]
            if uid not in seen:
                seen.add(uid)
                yield obj
        metadata = page.get("metadata") or {}
        token = metadata.get("continue") or ""
        if token and len(seen) // _TOLD_EVERY > before // _TOLD_EVERY:
            left = metadata.get("remainingItemCount")
            of = "" if left is None else f" of about {len(seen) + left:,}"
            tell(f"{len(seen):,}{of} {resource}.{group} read")
        if not token:
            return


def _page(api: KubeApi, path: str, token: str, resource: str) -> dict[str, Any] | None:
    """One chunk; None where the cluster does not know such objects."""
    query = {"limit": str(CHUNK), **({"continue": token} if token else {})}
    try:
        return api.request("GET", path, query=query)
    except ApiRefusal as error:
        if error.status == HTTPStatus.NOT_FOUND:
            return None
        if error.status != HTTPStatus.FORBIDDEN:
            raise
        raise GiveUp(
            f"You may not list {resource} there. Grant the verb list, or count one namespace by "
            f"--namespace (kubectl auth can-i list {resource} tells). No right on Secrets is "
            "needed.",
            reason="Forbidden",
        ) from None


def _within(namespace: str) -> str:
    return f"/namespaces/{namespace}" if namespace else ""
