"""Manifest: what an ExternalSecret's spec asks for, read once and checked at the edge.

Fed by the watches of both halves (the raw `spec`), and by externalsecret.dialect with what its
words mean for one backend; feeds the listener's index (references) and the reconciler (references,
items, template). Follows kubernetes-external-secrets 8.5.5 in fields and
defaults.

Guarantees: a pure function; both halves, given equal Defaults, derive equal references. What the
CRD admits but Hark cannot serve raises GiveUp with a sentence that names the field.
"""

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import astuple, dataclass, field
from enum import StrEnum
from typing import Any

from externalsecret.dialect.aws import ParameterStoreDialect, SecretsManagerDialect
from externalsecret.dialect.contract import Defaults, Dialect, invalid
from externalsecret.dialect.google import GoogleDialect
from externalsecret.dialect.keyvault import KeyVaultDialect
from externalsecret.dialect.vault import VaultDialect
from externalsecret.entrykey import entry_key
from externalsecret.errors import GiveUp
from externalsecret.identity import Backend
from externalsecret.reference import Identity, Reference

MAX_REFERENCES = 1000
_OPTIONAL: Mapping[bool, tuple[str, ...]] = {False: (), True: ("optional",)}
"""Adds to an item's fingerprint; that of a required one stays what it was before there were others.
"""
_DIALECTS: Mapping[str, Callable[[Mapping[str, Any], Defaults], Dialect]] = {
    "secretsManager": SecretsManagerDialect,
    "systemManager": ParameterStoreDialect,
    "gcpSecretsManager": GoogleDialect,
    "azureKeyVault": KeyVaultDialect,
    "vault": VaultDialect,
}


class ItemKind(StrEnum):
    """What a manifest's item makes of the value that it reads."""

    DATA = "data"
    """One Secret entry, from the whole value or from a property of it."""
    DOCUMENT = "document"
    """One Secret entry for each member of a JSON object (dataFrom, dataFromWithOptions)."""
    PATH = "path"
    """One Secret entry for each parameter below a path."""


@dataclass(frozen=True, slots=True)
class Item:
    """One item of the manifest; `where` and `key` are for messages to the user."""

    entry: str
    where: str
    key: str
    kind: ItemKind
    name: str | None = None
    property: str | None = None
    is_binary: bool = False
    is_optional: bool = False
    """What the backend does not have is no error."""


@dataclass(frozen=True, slots=True)
class Manifest:
    """A spec, understood. Items stand in merge order: a later one wins an entry's name."""

    backend: Backend
    identity: Identity
    items: tuple[Item, ...]
    references: Mapping[str, Reference]
    secret_type: str
    """Never evaluated; "" where the manifest has something that is no text."""
    template: Mapping[str, Any] = field(default_factory=dict)
    """spec.template as it stands there: only the reconciler needs it, and judges its form."""

    def is_optional(self, entry: str) -> bool:
        """Whether nothing that this read supplies has to be there."""
        return all(item.is_optional for item in self.items if item.entry == entry)

    def fingerprint(self, entry: str) -> str:
        """Digest of all that decides what a read of this entry makes of the Secret, but the
        version: what is read and as whom, and what the manifest's items take from it.
        """
        reference = self.references[entry]
        parts = [
            reference.secret.backend,
            reference.scope,
            reference.key,
            reference.selector.select,
            reference.selector.value,
            *astuple(self.identity),
            *(
                [item.kind, item.name, item.property, item.is_binary, *_OPTIONAL[item.is_optional]]
                for item in self.items
                if item.entry == entry
            ),
        ]
        return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:16]


def read_manifest(spec: Mapping[str, Any], defaults: Defaults) -> Manifest:
    """Understand a spec that the API server has admitted; GiveUp where Hark cannot serve it.

    The watches of all objects pass through here, so nothing else is ever raised.
    """
    try:
        return _read(spec, defaults)
    except (AttributeError, KeyError, TypeError, ValueError):
        # Another schema than ours let it in.
        raise GiveUp(
            "The spec has a field of a form that its definition does not allow. Install Hark's "
            "definition of ExternalSecret and apply the manifest again.",
            reason="InvalidSpec",
        ) from None


def _read(spec: Mapping[str, Any], defaults: Defaults) -> Manifest:
    dialect = _dialect(spec, defaults)
    reader = _Reader(spec, dialect)
    items = reader.items()
    if len(reader.references) > MAX_REFERENCES:
        raise invalid(
            f"The manifest reads {len(reader.references)} different keys; at most {MAX_REFERENCES} "
            "fit into one ExternalSecret's status. Split it into several ExternalSecrets."
        )
    template = spec.get("template") or {}
    if not isinstance(template, Mapping):
        raise invalid("spec.template is no map; correct the manifest.")
    return Manifest(
        dialect.backend,
        dialect.identity(),
        items,
        reader.references,
        _secret_type(template, spec),
        template,
    )


def _secret_type(template: Mapping[str, Any], spec: Mapping[str, Any]) -> str:
    wanted = template.get("type") or spec.get("type") or "Opaque"
    return wanted if isinstance(wanted, str) else ""


def is_managed(spec: Mapping[str, Any], instance_id: str) -> bool:
    """Whether this installation serves the object: controllerId and INSTANCE_ID are equal."""
    return (spec.get("controllerId") or "") == instance_id


def _dialect(spec: Mapping[str, Any], defaults: Defaults) -> Dialect:
    name = spec.get("backendType")
    make = _DIALECTS.get(name) if isinstance(name, str) else None
    if make is None:
        served = ", ".join(sorted(_DIALECTS))
        raise GiveUp(
            f"backendType {name} is not served by this version of Hark (it serves {served}). "
            "Leave this object to another controller by setting spec.controllerId.",
            reason="UnsupportedBackend",
        )
    return make(spec, defaults)


class _Reader:
    """Collects the references while the items are read."""

    def __init__(self, spec: Mapping[str, Any], dialect: Dialect) -> None:
        self.references: dict[str, Reference] = {}
        self._spec = spec
        self._dialect = dialect

    def items(self) -> tuple[Item, ...]:
        return (
            *(
                self._document(f"spec.dataFrom[{place}]", {"key": key})
                for place, key in enumerate(self._spec.get("dataFrom") or [])
            ),
            *(
                self._document(f"spec.dataFromWithOptions[{place}]", options)
                for place, options in enumerate(self._spec.get("dataFromWithOptions") or [])
            ),
            *(
                self._data(f"spec.data[{place}]", item)
                for place, item in enumerate(self._spec.get("data") or [])
            ),
        )

    def _document(self, where: str, item: Mapping[str, Any]) -> Item:
        return Item(
            self._refer(where, item["key"], item),
            where,
            item["key"],
            ItemKind.DOCUMENT,
            is_binary=item.get("isBinary") is True,
        )

    def _data(self, where: str, item: Mapping[str, Any]) -> Item:
        is_path = item.get("path") is not None
        if is_path and not self._dialect.reads_paths:
            # Users alert on the first words, which are those of kubernetes-external-secrets.
            raise invalid(
                f"_getByPath not implemented: {where}.path is for backendType systemManager alone. "
                "Write key and name."
            )
        key: str = item["path"] if is_path else item["key"]
        return Item(
            self._refer(where, key, item),
            where,
            key,
            ItemKind.PATH if is_path else ItemKind.DATA,
            name=None if is_path else item["name"],
            property=item.get("property"),
            is_binary=item.get("isBinary") is True,
            is_optional=item.get("optional") is True,
        )

    def _refer(self, where: str, key: str, item: Mapping[str, Any]) -> str:
        if not key:
            raise invalid(f"{where} has an empty key; name the backend secret.")
        place = self._dialect.place(where, key, item)
        entry = entry_key(self._dialect.backend, place.scope, key, place.selector)
        self.references[entry] = Reference(entry, place.secret, key, place.selector, place.scope)
        return entry
