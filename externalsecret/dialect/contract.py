"""The contract of the dialects: what a spec's words mean for the backend that it names.

Fed by externalsecret.manifest with the spec and its items; feeds it with identities and places. One
file for each family of backends.

Guarantees: pure functions of the spec and the Defaults; no name leaves a dialect that its backend's
grammar does not allow, so that nothing of a manifest can bend a host name or a path. What cannot be
served raises GiveUp with a sentence that names the field.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from externalsecret.errors import GiveUp
from externalsecret.identity import Backend, SecretId
from externalsecret.reference import Identity, Selector

Spec = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Defaults:
    """What a spec need not say, from the settings that both halves share."""

    region: str = ""
    region_forced: bool = False
    """LOCALSTACK mode: the settings' region beats the spec's, as in kubernetes-external-secrets."""
    google_project: str = ""
    """GCP: the project where the spec names none; "" is that of the reconciler's credentials."""
    vault_role: str = ""
    vault_mount: str = ""
    """Where Vault's auth method is mounted; "" for `kubernetes`."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where an item's value is: the secret, how a version of it is chosen, and the scope of names
    that it lies in (see Reference.scope).
    """

    secret: SecretId
    selector: Selector
    scope: str


class Dialect(Protocol):
    """One backend's words, for one spec."""

    backend: Backend
    reads_paths: bool
    """Whether an item may have `path` instead of key and name."""

    def identity(self) -> Identity:
        """As whom the spec's items are read. Raises GiveUp."""

    def place(self, where: str, key: str, item: Mapping[str, Any]) -> Place:
        """Where the item at `where` is read, whose key (or path) is never "". Raises GiveUp."""


def invalid(message: str) -> GiveUp:
    """The refusal of a spec that its author must correct."""
    return GiveUp(message, reason="InvalidSpec")
