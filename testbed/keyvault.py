"""Key vaults in memory, as the REST API of Azure Key Vault shows them to whoever reads secrets.

Part of the Azure double (testbed.azure), which brings the wire and the tokens. Changes are made by
methods. Follows the service where it surprises: versions are listed in the order of their ids, the
list of secrets names no versions, times are whole seconds, a disabled newest version hides the ones
before, expired versions are given out, a deleted secret can be recovered, next pages name port 443.
Not here: keys, certificates, writing over the wire, purge, permissions of single callers.
"""

from __future__ import annotations

import base64
import dataclasses
import secrets
import threading
import time
from typing import Any

from testbed.azurecall import Answer, Call, refusal

SUFFIX = "vault.azure.net"
SCOPE = "https://vault.azure.net/.default"
_API_VERSIONS = {"7.0", "7.1", "7.2", "7.3", "7.4", "7.5", "7.6", "2025-07-01", "2026-04-01"}
_PAGE = 25


@dataclasses.dataclass
class Version:
    """One version of a secret; times in seconds since 1970."""

    id: str
    value: str = dataclasses.field(repr=False)
    created: int
    updated: int
    enabled: bool = True
    expires: int | None = None
    not_before: int | None = None

    def attributes(self) -> dict[str, Any]:
        """As the API shows them."""
        times = {"exp": self.expires, "nbf": self.not_before}
        return {
            "enabled": self.enabled,
            "created": self.created,
            "updated": self.updated,
            "recoveryLevel": "Recoverable+Purgeable",
            **{name: at for name, at in times.items() if at is not None},
        }


class KeyVaults:
    """Several vaults. Names of vaults and secrets are equal whatever their case."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._vaults: dict[str, dict[str, list[Version]]] = {}
        self._deleted: dict[tuple[str, str], list[Version]] = {}

    def create(self, vault: str) -> None:
        """Make a vault, empty."""
        with self._lock:
            self._vaults[vault.lower()] = {}

    def has(self, host: str) -> bool:
        """Whether a vault is at this host."""
        vault, _, suffix = host.lower().partition(".")
        with self._lock:
            return suffix == SUFFIX and vault in self._vaults

    def put(self, vault: str, name: str, value: str, *, at: float | None = None) -> str:
        """Make a new version, the newest; its id. `at` is when it is created, which else is now,
        or a second after the version before.
        """
        with self._lock:
            versions = self._vaults[vault].setdefault(name.lower(), [])
            newest = max((one.created for one in versions), default=0)
            created = max(int(time.time()), newest + 1) if at is None else int(at)
            made = Version(secrets.token_hex(16), value, created, created)
            versions.append(made)
            return made.id

    def change(self, vault: str, name: str, version: str = "", **attributes: Any) -> None:
        """Set attributes of a version, the newest if none is named: `enabled`, `expires` ..."""
        with self._lock:
            one = _find(self._vaults[vault][name.lower()], version)
            if one is None:
                raise KeyError(version)
            for attribute, value in attributes.items():
                setattr(one, attribute, value)
            one.updated = attributes.get("updated", max(int(time.time()), one.updated + 1))

    def delete(self, vault: str, name: str) -> None:
        """Delete a secret, softly."""
        with self._lock:
            self._deleted[vault, name.lower()] = self._vaults[vault].pop(name.lower())

    def recover(self, vault: str, name: str) -> None:
        """Bring a deleted secret back as it was."""
        with self._lock:
            self._vaults[vault][name.lower()] = self._deleted.pop((vault, name.lower()))

    def answer(self, call: Call) -> Answer:
        """Answer an authorised call."""
        version = call.query.get("api-version")
        if version not in _API_VERSIONS:
            said = f"The specified version ({version}) isn't recognized."
            return refusal(400, "BadParameter", said)
        parts = [part for part in call.path.split("/") if part]
        with self._lock:
            held = self._vaults[call.vault]
            if call.operation == "list":
                rows = [_item(call, name, held[name]) for name in sorted(held)]
                return _page(call, rows)
            versions = held.get(parts[1].lower(), [])
            if call.operation == "versions":
                rows = [
                    {"id": _id(call, parts[1], one), "attributes": one.attributes()}
                    for one in sorted(versions, key=lambda one: one.id)
                ]
                return _page(call, rows)
            return _get(call, parts[1], versions, parts[2] if parts[2:] else "")


def operation_of(path: str) -> str:
    """What a path of a vault asks for."""
    parts = [part for part in path.split("/") if part]
    if parts == ["secrets"]:
        return "list"
    return "versions" if parts[2:] == ["versions"] else "get"


def _get(call: Call, name: str, versions: list[Version], version: str) -> Answer:
    one = _find(versions, version)
    if one is None:
        said = (
            f"A secret with (name/id) {name}{'/' if version else ''}{version} was not found in "
            "this key vault. If you recently deleted this secret you may be able to recover it "
            "using the correct recovery command."
        )
        return refusal(404, "SecretNotFound", said)
    if not one.enabled:
        said = "Operation get is not allowed on a disabled secret."
        return refusal(403, "Forbidden", said, "SecretDisabled")
    found = {"value": one.value, "id": _id(call, name, one), "attributes": one.attributes()}
    return Answer(200, {**found, "tags": {}})


def _find(versions: list[Version], version: str) -> Version | None:
    if version:
        return next((one for one in versions if one.id == version.lower()), None)
    return max(versions, key=lambda one: one.created, default=None)


def _id(call: Call, name: str, version: Version) -> str:
    return f"https://{call.host}/secrets/{name}/{version.id}"


def _item(call: Call, name: str, versions: list[Version]) -> dict[str, Any]:
    newest = max(versions, key=lambda one: one.created)
    return {"id": f"https://{call.host}/secrets/{name}", "attributes": newest.attributes()}


def _page(call: Call, rows: list[dict[str, Any]]) -> Answer:
    size = min(_PAGE, int(call.query.get("maxresults", _PAGE)))
    start = int(base64.urlsafe_b64decode(call.query.get("$skiptoken", "") or "MA=="))
    more = None
    if start + size < len(rows):
        token = base64.urlsafe_b64encode(str(start + size).encode()).decode()
        more = (
            f"https://{call.host}:443{call.path}?api-version={call.query['api-version']}"
            f"&$skiptoken={token}&maxresults={size}"
        )
    return Answer(200, {"value": rows[start : start + size], "nextLink": more})
