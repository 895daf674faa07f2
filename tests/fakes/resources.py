"""Raw ExternalSecrets, references and lanes for unit tests, with as little said as each needs."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from externalsecret import identity
from externalsecret.dialect.contract import Defaults
from externalsecret.identity import Backend
from externalsecret.manifest import Manifest, read_manifest
from externalsecret.reference import Identity, Reference, Select, Selector
from externalsecret.resource import ExternalSecret, read_resource
from reconciler.reads import Lane

REGION = "eu-central-1"
DEFAULTS = Defaults(region=REGION)
LANE = Lane(Backend.SECRETS_MANAGER, Identity(), REGION)


@dataclass(slots=True)
class Clock:
    """Seconds that pass only when told."""

    seconds: float = 100.0

    def __call__(self) -> float:
        return self.seconds


def entry_of(key: str) -> str:
    """The ledger key under which the current version of a secret stands."""
    return f"secretsmanager/{REGION}/{key}#AWSCURRENT"


def reference(key: str) -> Reference:
    secret = identity.secrets_manager(key).within(region=REGION)
    return Reference(entry_of(key), secret, key, Selector(Select.LABEL, "AWSCURRENT"), REGION)


def spec(**names: str) -> dict[str, Any]:
    """A spec whose Secret entries are supplied by these keys: `spec(password="db")`."""
    data = [{"key": key, "name": name} for name, key in names.items()]
    return {"backendType": "secretsManager", "data": data}


def manifest(**names: str) -> Manifest:
    return read_manifest(spec(**names), DEFAULTS)


def raw(
    name: str = "shop",
    *,
    wanted: Mapping[str, Any] | None = None,
    status: Mapping[str, Any] | None = None,
    version: int = 1,
    generation: int = 1,
    uid: str = "u1",
) -> dict[str, Any]:
    """An ExternalSecret in the namespace `team`, as the API server shows it."""
    metadata = {
        "name": name,
        "namespace": "team",
        "uid": uid,
        "resourceVersion": str(version),
        "generation": generation,
    }
    return {
        "metadata": metadata,
        "spec": dict(wanted or spec(password="db")),
        "status": dict(status or {}),
    }


def external_secret(**fields: Any) -> ExternalSecret:
    return read_resource(raw(**fields))


def heard(identity: str, version: str | None = None, at: str | None = None) -> dict[str, Any]:
    return {"id": identity, "version": version, "at": at, "via": "sqs"}


def synced(
    found: Manifest, key: str, version: str, *, note: str | None = None, feeds: Sequence[str] = ()
) -> dict[str, Any]:
    """The leaf that a pass over this manifest leaves."""
    return {
        "note": note,
        "version": version,
        "at": "2026-01-01T00:00:00Z",
        "via": "spec",
        "resource": f"memory:{key}",
        "feeds": list(feeds),
        "fingerprint": found.fingerprint(entry_of(key)),
    }
