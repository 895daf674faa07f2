"""Manifest: what an ExternalSecret's spec asks for, read once and checked at the edge.

Fed by the watches of both halves (the raw `spec`); feeds the listener's index (references) and the
reconciler (references, items, template). Follows kubernetes-external-secrets 8.5.5 in fields and
defaults.

Guarantees: a pure function; both halves, given equal Defaults, derive equal references. What the
CRD admits but Hark cannot serve raises GiveUp with a sentence that names the field.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from externalsecret import identity
from externalsecret.entrykey import entry_key, split_parameter
from externalsecret.errors import GiveUp
from externalsecret.identity import Backend, SecretId
from externalsecret.plaintemplate import read_template
from externalsecret.reference import Identity, Reference, Select, Selector

MAX_REFERENCES = 1000
_SERVED = {
    "secretsManager": Backend.SECRETS_MANAGER,
    "systemManager": Backend.PARAMETER_STORE,
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


@dataclass(frozen=True, slots=True)
class Defaults:
    """What a spec need not say, from the settings that both halves share."""

    region: str = ""
    region_forced: bool = False
    """LOCALSTACK mode: the settings' region beats the spec's, as in kubernetes-external-secrets."""


@dataclass(frozen=True, slots=True)
class Manifest:
    """A spec, understood. Items stand in merge order: a later one wins an entry's name."""

    backend: Backend
    identity: Identity
    items: tuple[Item, ...]
    references: Mapping[str, Reference]
    secret_type: str
    labels: Mapping[str, str] = field(default_factory=dict)
    annotations: Mapping[str, str] = field(default_factory=dict)

    def fingerprint(self, entry: str) -> str:
        """Digest of all that decides what a read of this entry makes of the Secret, but the
        version: what is read and as whom, and what the manifest's items take from it.
        """
        reference = self.references[entry]
        parts = [
            reference.secret.backend,
            reference.region,
            reference.key,
            reference.selector.select,
            reference.selector.value,
            self.identity.role_arn,
            *(
                [item.kind, item.name, item.property, item.is_binary]
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
    reader = _Reader(spec, _backend(spec), defaults)
    items = reader.items()
    if len(reader.references) > MAX_REFERENCES:
        raise GiveUp(
            f"The manifest reads {len(reader.references)} different keys; at most {MAX_REFERENCES} "
            "fit into one ExternalSecret's status. Split it into several ExternalSecrets.",
            reason="InvalidSpec",
        )
    template = read_template(spec)
    return Manifest(
        reader.backend,
        Identity(role_arn=spec.get("roleArn") or ""),
        items,
        reader.references,
        template.secret_type,
        template.labels,
        template.annotations,
    )


def is_managed(spec: Mapping[str, Any], instance_id: str) -> bool:
    """Whether this installation serves the object: controllerId and INSTANCE_ID are equal."""
    return (spec.get("controllerId") or "") == instance_id


def _backend(spec: Mapping[str, Any]) -> Backend:
    name = spec.get("backendType")
    backend = _SERVED.get(name) if isinstance(name, str) else None
    if backend is None:
        served = ", ".join(sorted(_SERVED))
        raise GiveUp(
            f"backendType {name} is not served by this version of Hark (it serves {served}). "
            "Leave this object to another controller by setting spec.controllerId.",
            reason="UnsupportedBackend",
        )
    return backend


class _Reader:
    """Collects the references while the items are read."""

    def __init__(self, spec: Mapping[str, Any], backend: Backend, defaults: Defaults) -> None:
        self.backend = backend
        self.references: dict[str, Reference] = {}
        self._spec = spec
        self._defaults = defaults
        role = identity.account_of_role(spec.get("roleArn") or "")
        self._partition, self._account = role

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
            self._refer(where, item["key"], self._selector(item, item["key"])),
            where,
            item["key"],
            ItemKind.DOCUMENT,
            is_binary=item.get("isBinary") is True,
        )

    def _data(self, where: str, item: Mapping[str, Any]) -> Item:
        is_path = item.get("path") is not None
        if is_path and self.backend is not Backend.PARAMETER_STORE:
            raise GiveUp(
                f"{where}.path: only backendType systemManager reads paths; use key and name.",
                reason="InvalidSpec",
            )
        key: str = item["path"] if is_path else item["key"]
        if is_path:
            selector = Selector(Select.TREE if item.get("recursive") is True else Select.PATH)
        else:
            selector = self._selector(item, key)
        return Item(
            self._refer(where, key, selector),
            where,
            key,
            ItemKind.PATH if is_path else ItemKind.DATA,
            name=None if is_path else item["name"],
            property=item.get("property"),
            is_binary=item.get("isBinary") is True,
        )

    def _selector(self, item: Mapping[str, Any], key: str) -> Selector:
        if self.backend is Backend.SECRETS_MANAGER:
            if item.get("versionId"):
                return Selector(Select.VERSION, item["versionId"])
            return Selector(Select.LABEL, item.get("versionStage") or "AWSCURRENT")
        _, suffix = split_parameter(key)
        if suffix.isascii() and suffix.isdecimal():
            return Selector(Select.VERSION, suffix)
        if suffix:
            return Selector(Select.LABEL, suffix)
        return Selector(Select.LATEST)

    def _refer(self, where: str, key: str, selector: Selector) -> str:
        if not key:
            raise GiveUp(
                f"{where} has an empty key; name the backend secret.", reason="InvalidSpec"
            )
        secret = self._secret(key)
        region = self._region(secret)
        if not region:
            raise GiveUp(
                f"{where}: no AWS region is known for {key}. "
                "Set spec.region, or AWS_REGION for both halves of Hark.",
                reason="InvalidSpec",
            )
        entry = entry_key(self.backend, region, key, selector)
        account, partition = self._account, self._partition
        scoped = secret.within(region=region, account=account, partition=partition)
        self.references[entry] = Reference(entry, scoped, key, selector, region)
        return entry

    def _secret(self, key: str) -> SecretId:
        if self.backend is Backend.SECRETS_MANAGER:
            return identity.secrets_manager(key)
        return identity.parameter(split_parameter(key)[0])

    def _region(self, secret: SecretId) -> str:
        if self._defaults.region_forced:
            return self._defaults.region
        return self._spec.get("region") or secret.region or self._defaults.region
