"""Objects: the ExternalSecrets of the cluster as the reconciler last saw them.

Fed by the watch (it is a Sink of externalsecret.reflect) and by the replies to our own status
patches; feeds the work queue with keys, and the reconcile story with objects. Objects are kept as
compact JSON, so that ten thousand fit into some tens of megabytes.

Guarantees: an older state never replaces a newer one, so that the echo of our own patch wakes
nobody. An object that cannot be understood, for whatever reason, reads nothing and costs the others
nothing. After a list every object is looked at once. `readers` tells who uses a read, for changes
that one reader discovers on behalf of all; `lanes`, `swept` and `reference`, by which the sweep
looks, know of no read that only objects use which may not (reconciler.guard), as of the moment when
they are asked.
"""

import json
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Mapping
from typing import Any

import structlog

from externalsecret.dialect.contract import Defaults
from externalsecret.errors import GiveUp, whereabouts
from externalsecret.ledger import is_covered
from externalsecret.manifest import Manifest, is_managed, read_manifest
from externalsecret.reference import Reference
from externalsecret.reflect import Key, key_of
from externalsecret.resource import ExternalSecret, read_resource
from reconciler.departed import Departed
from reconciler.firstsight import FirstSight
from reconciler.guard import Guard
from reconciler.paces import Own, Paces
from reconciler.reads import Lane, ReadKey, lane_of

log = structlog.get_logger()

Wake = Callable[[Key, bool], None]
"""(key, urgent): have this object looked at."""
_KEPT = ("name", "namespace", "uid", "resourceVersion", "generation", "deletionTimestamp")


class Objects:
    """All ExternalSecrets that this installation serves."""

    def __init__(
        self,
        defaults: Defaults,
        instance_id: str,
        wake: Wake,
        clock: Callable[[], float] = time.monotonic,
        guard: Guard | None = None,
    ) -> None:
        """Without a guard every object may read what it asks for."""
        self._guard = guard
        self._defaults = defaults
        self._instance_id = instance_id
        self._wake = wake
        self._lock = threading.Lock()
        self._raw: dict[Key, bytes] = {}
        self._versions: dict[Key, int] = {}
        self._departed = Departed(clock)
        self.first_sight = FirstSight(clock)
        """Of the notes that wait to be served."""
        self._reads: dict[Key, frozenset[ReadKey]] = {}
        self._readers: defaultdict[ReadKey, set[Key]] = defaultdict(set)
        self._paces = Paces()
        self._listed = False

    def __len__(self) -> int:
        return len(self._raw)

    def get(self, key: Key) -> ExternalSecret | None:
        """The object, or None when it is gone or not ours."""
        with self._lock:
            raw = self._raw.get(key)
        return None if raw is None else read_resource(json.loads(raw))

    def manifest(self, es: ExternalSecret) -> Manifest:
        """What the object asks for. Raises GiveUp."""
        return read_manifest(es.spec, self._defaults)

    def keys(self) -> list[Key]:
        with self._lock:
            return list(self._raw)

    def wake_all_of(self, namespace: str) -> None:
        """Have every object of a namespace looked at."""
        for key in self.keys():
            if key[0] == namespace:
                self._wake(key, True)

    def readers(self, read: ReadKey) -> list[Key]:
        """Who uses this read."""
        with self._lock:
            return list(self._readers.get(read, ()))

    def reference(self, read: ReadKey) -> Reference | None:
        """What a read asks for; None when nobody reads it any more who may."""
        for key in self.readers(read):
            es = self._permitted(key)
            manifest = None if es is None else _manifest_of(key, es.spec, self._defaults)
            found = None if manifest is None else manifest.references.get(read[1])
            if found is not None:
                return found
        return None

    def mentioning(self, text: bytes) -> list[Key]:
        """The objects in whose JSON this text stands: far cheaper than reading them all."""
        with self._lock:
            return [key for key, raw in self._raw.items() if text in raw]

    def lanes(self) -> dict[Lane, set[str]]:
        """Every read that is in use by somebody who may, by lane."""
        lanes: defaultdict[Lane, set[str]] = defaultdict(set)
        for lane, entry in self._permitted_readers():
            lanes[lane].add(entry)
        return lanes

    def swept(self, general: Own) -> dict[Own, dict[Lane, set[str]]]:
        """What is to be swept for those who may read it, by interval; see Paces.classes."""
        readers = self._permitted_readers()
        with self._lock:
            return self._paces.classes(readers, general)

    def own_intervals(self) -> set[float]:
        """The sweep intervals in seconds that objects ask for."""
        with self._lock:
            return self._paces.intervals()

    def is_suspended(self, key: Key) -> bool:
        with self._lock:
            return self._paces.is_suspended(key)

    def suspended(self) -> int:
        """How many objects are suspended."""
        with self._lock:
            return self._paces.suspended()

    def upsert(self, obj: dict[str, Any]) -> None:
        """An object as the watch shows it: keep it and have it looked at."""
        changed = self.replace(obj)
        if changed:
            self._wake(key_of(obj), self._listed or _is_new_or_heard(obj, self._defaults))

    def replace(self, obj: dict[str, Any]) -> bool:
        """Keep an object unless a newer state is known; whether it was kept."""
        key = key_of(obj)
        version = int(obj["metadata"]["resourceVersion"])
        reads: frozenset[ReadKey] | None = None
        if is_managed(obj.get("spec") or {}, self._instance_id):
            reads = _reads_of(obj, self._defaults)
        with self._lock:
            if self._known(key) >= version:
                return False
            self._forget(key)
            if reads is None:
                self._departed.note(key, version)
                return False
            self._departed.forget(key)
            self._versions[key] = version
            self._raw[key] = _compact(obj)
            self._paces.note(key, obj.get("spec") or {})
            self._reads[key] = reads
            for read in reads:
                self._readers[read].add(key)
        self.first_sight.look(key, obj.get("status") or {})
        return True

    def remove(self, obj: dict[str, Any]) -> None:
        key = key_of(obj)
        version = int(obj["metadata"]["resourceVersion"])
        with self._lock:
            if self._known(key) > version:
                return
            self._forget(key)
            # A reply to a patch that was sent before the end must not bring it back.
            self._departed.note(key, version)
        self._wake(key, True)

    def listed(self, keys: set[Key], namespace: str = "") -> None:
        def is_lost(key: Key) -> bool:
            return key not in keys and namespace in {"", key[0]}

        with self._lock:
            self._departed.forget_where(is_lost)
        for key in filter(is_lost, self.keys()):
            self._drop(key)
        self._listed = True
        for key in self.keys():
            self._wake(key, False)

    def _permitted_readers(self) -> dict[ReadKey, set[Key]]:
        """Every read that somebody uses who may, and who."""
        denied = {key for key in self.keys() if self._is_denied(key)}
        with self._lock:
            readers = {read: keys - denied for read, keys in self._readers.items()}
        return {read: keys for read, keys in readers.items() if keys}

    def _is_denied(self, key: Key) -> bool:
        if self._guard is None or self._guard.is_free(key[0]):
            return False
        return self._permitted(key) is None

    def _permitted(self, key: Key) -> ExternalSecret | None:
        """The object, if it may have what it asks for."""
        es = self.get(key)
        if es is None or self._guard is None:
            return es
        return es if self._guard.permits(es) else None

    def _drop(self, key: Key) -> None:
        with self._lock:
            self._forget(key)
        self._wake(key, True)

    def _known(self, key: Key) -> int:
        """The newest version that was seen of this object; -1 where none was."""
        return max(self._versions.get(key, -1), self._departed.version(key))

    def _forget(self, key: Key) -> None:
        self._raw.pop(key, None)
        self._versions.pop(key, None)
        self._paces.forget(key)
        for read in self._reads.pop(key, frozenset()):
            self._readers[read].discard(key)
            if not self._readers[read]:
                del self._readers[read]


def _manifest_of(key: Key, spec: Mapping[str, Any], defaults: Defaults) -> Manifest | None:
    """What a spec asks for; None where it cannot be understood, or where we have a fault."""
    try:
        return read_manifest(spec, defaults)
    except GiveUp:
        return None
    except Exception as fault:  # noqa: BLE001 - one object must not end the watch of all
        log.error("object.fault", object="/".join(key), fault=whereabouts(fault))
        return None


def _reads_of(obj: dict[str, Any], defaults: Defaults) -> frozenset[ReadKey]:
    manifest = _manifest_of(key_of(obj), obj.get("spec") or {}, defaults)
    if manifest is None:
        return frozenset()
    return frozenset(
        (lane_of(manifest, reference), reference.entry)
        for reference in manifest.references.values()
    )


def _is_new_or_heard(obj: dict[str, Any], defaults: Defaults) -> bool:
    """Whether the first list should put this object before those that rest."""
    es = read_resource(obj)
    manifest = _manifest_of(es.key, es.spec, defaults)
    return manifest is not None and any(
        not is_covered(es.ledger.entry(entry), manifest.fingerprint(entry))
        for entry in manifest.references
    )


def _compact(obj: dict[str, Any]) -> bytes:
    metadata = obj["metadata"]
    kept = {name: metadata[name] for name in _KEPT if name in metadata}
    annotations = {
        name: text
        for name, text in (metadata.get("annotations") or {}).items()
        if name.startswith("externalsecrets.kubernetes-client.io/")
    }
    small = {
        "metadata": {**kept, "annotations": annotations},
        "spec": obj.get("spec") or {},
        "status": obj.get("status") or {},
    }
    return json.dumps(small, separators=(",", ":")).encode()
