"""Azure Key Vault as a spec speaks of it: spec.keyVaultName and the names of its secrets.

Fed by externalsecret.manifest; follows the contract in externalsecret.dialect.contract. The scope
of a name is its vault. Everybody is read as Hark itself: a spec has no words for another identity.

`version` pins only where it has the form of a version. kubernetes-external-secrets always read the
newest one, whatever stood there, and such manifests go on to work.

Azure facts: "Naming rules and restrictions for Azure resources" (vaults) and "Object identifiers"
of the Key Vault overview (secrets, versions; case does not count).
"""

import re
from collections.abc import Mapping
from typing import Any

from externalsecret import identity
from externalsecret.dialect.contract import Defaults, Place, Spec, invalid
from externalsecret.identity import Backend
from externalsecret.reference import Identity, Select, Selector

_VAULT = re.compile(r"(?!.*--)[a-z][a-z0-9-]{1,22}[a-z0-9]", re.ASCII | re.IGNORECASE)
_NAME = re.compile(r"[a-z0-9-]{1,127}", re.ASCII | re.IGNORECASE)
_VERSION = re.compile(r"[0-9a-f]{32}", re.ASCII | re.IGNORECASE)
_SHOWN = 130


class KeyVaultDialect:
    """backendType azureKeyVault."""

    backend = Backend.KEY_VAULT
    reads_paths = False

    def __init__(self, spec: Spec, _defaults: Defaults) -> None:
        self._vault = spec.get("keyVaultName") or ""

    def identity(self) -> Identity:
        return Identity()

    def place(self, where: str, key: str, item: Mapping[str, Any]) -> Place:
        if not _VAULT.fullmatch(self._vault):
            raise invalid(_bad_vault(self._vault))
        if not _NAME.fullmatch(key):
            raise invalid(
                f"{where}.key: {_shown(key)} is no name of a Key Vault secret. It is the name "
                "alone, without vault or version: 1 to 127 letters, digits and hyphens."
            )
        secret = identity.key_vault(self._vault, key)
        return Place(secret, _selector(item), secret.account)


def _selector(item: Mapping[str, Any]) -> Selector:
    version = str(item.get("version") or "")
    if _VERSION.fullmatch(version):
        return Selector(Select.VERSION, version.lower())
    return Selector(Select.LATEST)


def _bad_vault(name: str) -> str:
    if not name:
        return "spec.keyVaultName is missing: azureKeyVault needs the name of the key vault."
    return (
        f"spec.keyVaultName: {_shown(name)} is no name of a key vault. It is the first part of the "
        "vault's host name alone: 3 to 24 letters, digits and single hyphens, a letter first and "
        "no hyphen last."
    )


def _shown(text: str) -> str:
    return ascii(text[:_SHOWN]) + ("..." if len(text) > _SHOWN else "")
