"""The live Secrets: metadata of every Secret that carries our label, never a value.

Fed by a metadata watch with a label selector (it is a Sink of externalsecret.reflect) and by the
replies to our own writes; feeds the decision whether a Secret still is what we made it, and wakes
its ExternalSecret when it may not be.

Guarantees: an older state never replaces a newer one, so that the echo of our own write wakes
nobody. Whether an entry is still ours is read from managedFields: a value that somebody else
changed belongs to him.
"""

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from externalsecret.kubeapi import FIELD_MANAGER
from externalsecret.reflect import Key, key_of
from externalsecret.resource import API_VERSION, KIND, MANAGED_LABEL, MANAGED_VALUE, ExternalSecret
from reconciler.departed import Departed
from reconciler.objects import Wake

Owner = Mapping[str, Any]
_GROUP = API_VERSION.partition("/")[0]


@dataclass(frozen=True, slots=True)
class LiveSecret:
    """What a Secret's metadata tells."""

    uid: str
    version: str
    owned: frozenset[str]
    """Entries of `data` whose present value we wrote."""
    owners: tuple[Owner, ...]
    labels: Mapping[str, str]
    annotations: Mapping[str, str]
    owned_labels: frozenset[str] = frozenset()
    """Labels whose present text we wrote."""
    owned_annotations: frozenset[str] = frozenset()

    def has_label(self) -> bool:
        return self.labels.get(MANAGED_LABEL) == MANAGED_VALUE

    def owner(self, es: ExternalSecret) -> Owner | None:
        """The reference to an ExternalSecret of this name, whatever its uid."""
        for owner in self.owners:
            if is_named(owner, es):
                return owner
        return None

    def is_owned_by(self, es: ExternalSecret) -> bool:
        """Whether our reference stands there as we write it; more in it may be somebody's wish."""
        owner = self.owner(es)
        return owner is not None and owner.items() >= owner_reference(es).items()


class LiveSecrets:
    """Every Secret with our label, as it was last seen."""

    def __init__(self, wake: Wake, clock: Callable[[], float] = time.monotonic) -> None:
        self._wake = wake
        self._lock = threading.Lock()
        self._live: dict[Key, LiveSecret] = {}
        self._departed = Departed(clock)

    def get(self, key: Key) -> LiveSecret | None:
        with self._lock:
            return self._live.get(key)

    def upsert(self, obj: dict[str, Any]) -> None:
        if self.replace(obj):
            self._wake(key_of(obj), True)

    def replace(self, obj: dict[str, Any]) -> bool:
        """Keep a state unless a newer one is known; whether it was kept."""
        key = key_of(obj)
        live = read_live(obj)
        with self._lock:
            known = self._live.get(key)
            if known is not None and int(known.version) >= int(live.version):
                return False
            # A Secret that lost its label leaves the watch at the version it has from then on.
            if self._departed.version(key) > int(live.version):
                return False
            self._live[key] = live
            self._departed.forget(key)
            return True

    def remove(self, obj: dict[str, Any]) -> None:
        key = key_of(obj)
        version = int(obj["metadata"]["resourceVersion"])
        with self._lock:
            known = self._live.get(key)
            if known is not None and int(known.version) > version:
                return
            self._live.pop(key, None)
            self._departed.note(key, version)
        self._wake(key, True)

    def forget(self, key: Key) -> None:
        """What is known of this Secret turned out wrong."""
        with self._lock:
            self._live.pop(key, None)

    def listed(self, keys: set[Key], namespace: str = "") -> None:
        with self._lock:
            lost = [key for key in self._live if key not in keys and namespace in {"", key[0]}]
            for key in lost:
                del self._live[key]
            self._departed.forget_where(lambda key: namespace in {"", key[0]})
        for key in lost:
            self._wake(key, True)


def read_live(obj: Mapping[str, Any]) -> LiveSecret:
    """Read a raw Secret or its metadata."""
    metadata = obj["metadata"]
    managed = metadata.get("managedFields") or []
    return LiveSecret(
        metadata["uid"],
        metadata["resourceVersion"],
        _owned(managed, "f:data"),
        tuple(metadata.get("ownerReferences") or ()),
        metadata.get("labels") or {},
        metadata.get("annotations") or {},
        _owned(managed, "f:metadata", "f:labels"),
        _owned(managed, "f:metadata", "f:annotations"),
    )


def is_named(owner: Owner, es: ExternalSecret) -> bool:
    """Whether a reference is to an ExternalSecret of this name, whatever its uid.

    Of our API group: external-secrets.io has a kind of the same name, whose Secrets are not ours.
    """
    group = str(owner.get("apiVersion")).partition("/")[0]
    return (group, owner.get("kind"), owner.get("name")) == (_GROUP, KIND, es.key[1])


def owner_reference(es: ExternalSecret) -> dict[str, Any]:
    """As kubernetes-external-secrets writes it."""
    return {
        "apiVersion": API_VERSION,
        "kind": KIND,
        "name": es.key[1],
        "uid": es.uid,
        "controller": True,
    }


def _owned(managed: list[Mapping[str, Any]], *place: str) -> frozenset[str]:
    """The names below a place whose present value we wrote."""
    names: set[str] = set()
    for manager in managed:
        if manager.get("manager") == FIELD_MANAGER:
            fields: Mapping[str, Any] = manager.get("fieldsV1") or {}
            for step in place:
                fields = fields.get(step) or {}
            names |= {name.removeprefix("f:") for name in fields if name.startswith("f:")}
    return frozenset(names)
