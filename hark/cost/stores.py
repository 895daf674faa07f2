"""The stores of External Secrets Operator: which system an object of its reads, and as whom.

Fed by hark.cost.cluster with SecretStores and ClusterSecretStores; feeds hark.cost.census. Only
what tells systems, regions and roles apart is kept; how a store logs in is not looked at.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from externalsecret.entrykey import entry_key
from externalsecret.identity import Backend
from externalsecret.reference import Select, Selector

Key = tuple[str, str, str]
"""(kind, namespace, name); a ClusterSecretStore has no namespace."""

_CLUSTER_STORE = "ClusterSecretStore"
_AWS_SERVICES = {
    "SecretsManager": (Backend.SECRETS_MANAGER, Selector(Select.LABEL, "AWSCURRENT")),
    "ParameterStore": (Backend.PARAMETER_STORE, Selector(Select.LATEST)),
}


@dataclass(frozen=True, slots=True)
class Store:
    """A system that Hark serves too, and what its secrets are shared by."""

    backend: Backend
    lane: tuple[str, ...]
    """As in hark.cost.census: the role first, the region, project or vault last."""
    scope: str

    def entry(self, key: str, version: str) -> str:
        """A name for what a key and version read, the same for the same read; in AWS the one that
        Hark's ledger gives it, so that objects of both operators are seen to share it.
        """
        selector = Selector(Select.VERSION, version) if version else Selector(Select.LATEST)
        if not version and self.backend is Backend.SECRETS_MANAGER:
            selector = _AWS_SERVICES["SecretsManager"][1]
        return entry_key(self.backend, self.scope, key, selector)


def read_store(obj: Mapping[str, Any]) -> Store | str:
    """What a store reads, or the name of a provider that Hark does not serve."""
    provider: Mapping[str, Any] = (obj.get("spec") or {}).get("provider") or {}
    for name, settings in provider.items():
        if name in _PROVIDERS:
            return _PROVIDERS[name](settings or {})
        return name
    return "a store without a provider"


def store_key(namespace: str, reference: Mapping[str, Any]) -> Key:
    """The store that an object of this namespace names."""
    name = str(reference.get("name") or "")
    if reference.get("kind") == _CLUSTER_STORE:
        return (_CLUSTER_STORE, "", name)
    return ("SecretStore", namespace, name)


def key_of_store(obj: Mapping[str, Any]) -> Key:
    """Under what an object finds this store."""
    metadata = obj["metadata"]
    namespace = metadata.get("namespace") or ""
    return ("SecretStore" if namespace else _CLUSTER_STORE, namespace, metadata["name"])


def _aws(settings: Mapping[str, Any]) -> Store | str:
    service = str(settings.get("service") or "SecretsManager")
    if service not in _AWS_SERVICES:
        return f"aws {service}"
    region = str(settings.get("region") or "")
    return Store(_AWS_SERVICES[service][0], (str(settings.get("role") or ""), region), region)


def _google(settings: Mapping[str, Any]) -> Store:
    scope = "/".join(str(settings[one]) for one in ("projectID", "location") if settings.get(one))
    return Store(Backend.GCP_SECRET_MANAGER, ("", scope), scope)


def _key_vault(settings: Mapping[str, Any]) -> Store:
    host = str(settings.get("vaultUrl") or "").partition("://")[2]
    name = host.partition(".")[0].lower()
    return Store(Backend.KEY_VAULT, ("", name), name)


def _vault(settings: Mapping[str, Any]) -> Store:
    lane = tuple(str(settings.get(one) or "") for one in ("server", "namespace", "path", "version"))
    return Store(Backend.VAULT, lane, lane[-1])


_PROVIDERS: Mapping[str, Callable[[Mapping[str, Any]], Store | str]] = {
    "aws": _aws,
    "gcpsm": _google,
    "azurekv": _key_vault,
    "vault": _vault,
}
