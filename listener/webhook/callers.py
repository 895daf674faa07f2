"""Callers: who may announce what.

Fed by a file (a mounted ConfigMap), read again when it changes; asked by listener.webhook.app with
each change before it is heard. Format and examples: docs/sources/webhook.md.

Guarantees: a caller who is not named may announce nothing. A change is within a scope only where it
names every part that the scope names: one that leaves its account open would concern every account.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import yaml

from externalsecret.errors import GiveUp
from externalsecret.identity import Backend, SecretId
from listener.messages.announced import BACKENDS, vault_path

_AWS = frozenset({"region", "account", "prefix"})
_FIELDS = {
    Backend.SECRETS_MANAGER: _AWS,
    Backend.PARAMETER_STORE: _AWS,
    Backend.GCP_SECRET_MANAGER: frozenset({"projectId", "location", "prefix"}),
    Backend.KEY_VAULT: frozenset({"keyVaultName", "prefix"}),
    Backend.VAULT: frozenset({"prefix"}),
}


@dataclass(frozen=True, slots=True)
class Scope:
    """A part of a backend. Empty parts exclude nothing."""

    backend: Backend
    region: str = ""
    account: str = ""
    prefix: str = ""

    def covers(self, secret: SecretId) -> bool:
        return (
            secret.backend is self.backend
            and self.region in {"", secret.region}
            and self.account in {"", secret.account}
            and all(name.startswith(self.prefix) for name in secret.names())
        )


@dataclass(frozen=True, slots=True)
class Callers:
    """The scopes of each caller, by the name that his proof gives him."""

    scopes: Mapping[str, tuple[Scope, ...]]

    def knows(self, caller: str) -> bool:
        return caller in self.scopes

    def may_announce(self, caller: str, secret: SecretId) -> bool:
        return any(scope.covers(secret) for scope in self.scopes.get(caller, ()))


def read_callers(text: str, kind: str) -> Callers:
    """The callers that a file names, each under the word `kind`; GiveUp (InvalidCallers)."""
    try:
        found = yaml.safe_load(text)
    except yaml.YAMLError:
        found = None
    if not isinstance(found, list) or not found:
        raise _wrong("The file of callers must be a YAML list with one entry for each caller.")
    scopes: dict[str, tuple[Scope, ...]] = {}
    for place, entry in enumerate(found):
        where = f"callers[{place}]"
        name = _caller(where, entry, kind)
        if name in scopes:
            raise _wrong(f"{where}: this caller stands in the file twice; join both entries.")
        scopes[name] = tuple(
            _scope(f"{where}.announces[{number}]", scope)
            for number, scope in enumerate(entry["announces"])
        )
    return Callers(scopes)


def _caller(where: str, entry: Any, kind: str) -> str:
    is_whole = isinstance(entry, dict) and set(entry) == {kind, "announces"}
    if not is_whole or not isinstance(entry["announces"], list) or not entry["announces"]:
        raise _wrong(
            f"{where} must have just {kind} and announces (a list of scopes), as HARK_WEBHOOK_AUTH "
            "proves who calls in this way and no other."
        )
    name = entry[kind]
    if not isinstance(name, str) or not name.strip():
        raise _wrong(f"{where}.{kind} must be a text.")
    return name.strip()


def _scope(where: str, scope: Any) -> Scope:
    if not isinstance(scope, dict) or scope.get("backend") not in BACKENDS:
        raise _wrong(f"{where}.backend must be one of {', '.join(BACKENDS)}.")
    backend = BACKENDS[scope["backend"]]
    parts = {
        name: value.strip() if isinstance(value, str) else value
        for name, value in scope.items()
        if name != "backend"
    }
    known = _FIELDS[backend]
    # An empty part, as a template leaves it, would exclude nothing.
    are_told = all(isinstance(part, str) and part for part in parts.values())
    if not set(parts) <= known or not are_told:
        raise _wrong(
            f"{where} may have {', '.join(sorted(known))} beside backend, each a text that is not "
            "empty (an account in quotes, so that YAML does not read a number). Leave out what "
            "shall exclude nothing."
        )
    return Scope(
        backend,
        region=parts.get("region") or parts.get("location") or "",
        account=parts.get("account") or parts.get("projectId") or _vault_name(parts),
        prefix=_prefix(backend, parts.get("prefix") or ""),
    )


def _vault_name(parts: Mapping[str, str]) -> str:
    return (parts.get("keyVaultName") or "").lower()


def _prefix(backend: Backend, prefix: str) -> str:
    """As the identities of this backend are written."""
    if backend is Backend.VAULT:
        path = vault_path(prefix)
        # A slash alone is the root, below which everything stands.
        return f"{path}/" if path and prefix.endswith("/") else path
    if backend is Backend.PARAMETER_STORE:
        return prefix.removeprefix("/")
    return prefix.lower() if backend is Backend.KEY_VAULT else prefix


def _wrong(sentence: str) -> GiveUp:
    return GiveUp(sentence, reason="InvalidCallers")
