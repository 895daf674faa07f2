"""Vault (and OpenBao) as a spec speaks of it.

Fed by externalsecret.manifest; follows the contract in externalsecret.dialect.contract. A key is a
path of Vault's HTTP API as it stands after /v1/, so that of the second key-value engine holds the
segment `data`. The scope is the form of the answer that `kvVersion` promises: v1 (the members of
`data`; also dynamic credentials) or v2 (those of `data.data`).

Guarantees: a path leads nowhere but to a secrets engine: no query, no parent, no system or auth
path, nor the one that would answer with Hark's own token. Slashes at the ends and doubled ones do
not count. `version` pins one version of the second engine; kubernetes-external-secrets ignored it.

Vault facts: "KV secrets engine - version 2 (API)"; `sys`, `auth`, `identity` and `cubbyhole` are
mounted for good and cannot be a secrets engine's (`cubbyhole` belongs to one token). A path may
begin with the names of Enterprise namespaces.
"""

import unicodedata
from collections.abc import Mapping, Sequence
from typing import Any

from externalsecret import identity
from externalsecret.dialect.contract import Defaults, Place, Spec, invalid
from externalsecret.identity import Backend
from externalsecret.reference import Identity, Select, Selector

DATA = "data"
DEFAULT_MOUNT = "kubernetes"
V1 = "v1"
V2 = "v2"
_SYSTEM = frozenset(("sys", "auth", "identity", "cubbyhole"))
_OWN_TOKEN = ("auth", "token", "lookup-self")
_SPECIAL = frozenset("?#%\\")
_LATEST = frozenset(("", "0", "latest"))


class VaultDialect:
    """backendType vault."""

    backend = Backend.VAULT
    reads_paths = False

    def __init__(self, spec: Spec, defaults: Defaults) -> None:
        self._spec = spec
        self._defaults = defaults

    def identity(self) -> Identity:
        role = self._spec.get("vaultRole") or self._defaults.vault_role
        mount = self._spec.get("vaultMountPoint") or self._defaults.vault_mount or DEFAULT_MOUNT
        where = "spec.vaultMountPoint (or DEFAULT_VAULT_MOUNT_POINT)"
        return Identity(vault_role=role, vault_mount="/".join(_segments(where, mount)))

    def place(self, where: str, key: str, item: Mapping[str, Any]) -> Place:
        scope = self._scope()
        segments = _segments(f"{where}.key", key)
        _refuse_system(where, key, segments)
        if scope == V2 and DATA not in segments[1:-1]:
            raise invalid(
                f"{where}: {key} is no path of version 2 of the key-value engine, which has the "
                "segment data behind the mount: write secret/data/app for the secret app in the "
                "mount secret, or set spec.kvVersion to 1 for any other engine."
            )
        selector = _selector(where, item) if scope == V2 else Selector(Select.LATEST)
        return Place(identity.vault("/".join(segments)), selector, scope)

    def _scope(self) -> str:
        version = self._spec.get("kvVersion")
        if version is None:
            return V2
        if isinstance(version, bool) or version not in {1, 2}:
            raise invalid('spec.kvVersion: Unknown "kvVersion" specified; write 1 or 2.')
        return V1 if version == 1 else V2


def _segments(where: str, path: str) -> list[str]:
    """The segments of a path that may stand in a URL. Raises GiveUp."""
    if any(letter in _SPECIAL or unicodedata.category(letter) in {"Cc", "Cs"} for letter in path):
        raise invalid(
            f"{where}: a path in Vault has no control characters and none of ? # % and backslash; "
            "write the path alone, as it stands after /v1/ and not encoded."
        )
    segments = [segment for segment in path.split("/") if segment]
    if not segments or not {".", ".."}.isdisjoint(segments):
        raise invalid(
            f"{where}: {path!r} is no path in Vault: write the names from the mount downwards, "
            "without . and .. segments."
        )
    return segments


def _refuse_system(where: str, key: str, segments: Sequence[str]) -> None:
    runs = (tuple(segments[start : start + 3]) for start in range(len(segments)))
    if segments[0] in _SYSTEM or _OWN_TOKEN in runs:
        raise invalid(
            f"{where}: {key} belongs to Vault itself and not to a secrets engine; only paths of "
            "secrets engines are read."
        )


def _selector(where: str, item: Mapping[str, Any]) -> Selector:
    given = item.get("version")
    text = "" if given is None else str(given)
    if text in _LATEST:
        return Selector(Select.LATEST)
    if not (text.isascii() and text.isdecimal()):
        raise invalid(
            f"{where}.version: {text!r} is no version of the key-value engine: write its number, "
            "or leave it out to follow the newest."
        )
    return Selector(Select.VERSION, str(int(text)))
