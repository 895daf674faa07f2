"""Index: from a changed secret to the ExternalSecrets that read it.

Fed by the watch of ExternalSecrets (it is a Sink of externalsecret.reflect) and by the replies to
notes; feeds listener.listen. It keeps for each object only what matching needs, so that ten
thousand objects fit into some tens of megabytes.

Guarantees: a lookup costs the number of matches, not the number of objects; an entry matches only
within the scope it reads from (partition, account, region), which `synced.resource` makes exact
after the first read. An object that cannot be understood reads nothing and is left to the
reconciler, which says so. All methods may be called from several threads.
"""

import threading
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from externalsecret import identity
from externalsecret.dialect.contract import Defaults
from externalsecret.errors import GiveUp
from externalsecret.identity import Backend, SecretId
from externalsecret.ledger import Heard, Ledger, is_covered, read_ledger
from externalsecret.manifest import Manifest, is_managed, read_manifest
from externalsecret.reference import Reference
from externalsecret.reflect import Key, key_of
from listener.concern import concerns, is_of
from listener.messages.meaning import ChangeEvent, IgnoredReason
from listener.reader import Reader
from listener.recent import Recent
from listener.slots import Slot, slots_asked, slots_of
from listener.standing import Standing


@dataclass(frozen=True, slots=True)
class Target:
    """One read of one ExternalSecret that a change concerns."""

    key: Key
    reference: Reference
    heard: str
    """Id of the note that stands there, as far as the index knows; "" for none."""
    served: str
    """Id of the note that the last read served; "" for none."""

    def has(self, note: Heard) -> bool:
        """Whether this very note stands there, or was served already: to repeat it says nothing."""
        return note.id in {self.heard, self.served}


@dataclass(frozen=True, slots=True)
class _Record:
    """What the index remembers of one object."""

    uid: str
    version: int
    references: tuple[Reference, ...]
    heard: Mapping[str, str]
    served: Mapping[str, str]
    uncovered: Mapping[str, Heard]
    synced: Mapping[str, str]
    """Versions, kept only of what the listener looks at itself."""


_LOOKED_AT = frozenset((Backend.VAULT,))

OnMissed = Callable[[Key, Mapping[str, Heard]], None]


class Index:
    """SecretId to ExternalSecrets."""

    def __init__(
        self, defaults: Defaults, instance_id: str, recent: Recent, on_missed: OnMissed
    ) -> None:
        """`on_missed` is told what was announced just before a reader was known."""
        self._recent = recent
        self._on_missed = on_missed
        self._defaults = defaults
        self._instance_id = instance_id
        self._lock = threading.Lock()
        self._records: dict[Key, _Record] = {}
        self._slots: defaultdict[Slot, set[tuple[Key, str]]] = defaultdict(set)

    def __len__(self) -> int:
        return len(self._records)

    def upsert(self, obj: dict[str, Any]) -> None:
        """Take an object as it is now, unless something newer is known already."""
        self._keep(obj, is_known=False)

    def refresh(self, obj: dict[str, Any]) -> None:
        """As `upsert`, for the reply to a note: it brings back nothing that is gone meanwhile."""
        self._keep(obj, is_known=True)

    def standing(self, key: Key) -> Standing:
        """The notes that stand in an object, as far as is known."""
        with self._lock:
            record = self._records.get(key)
        return Standing() if record is None else Standing(str(record.version), record.uncovered)

    def uid(self, key: Key) -> str:
        """The object's uid; "" where it is not known."""
        with self._lock:
            record = self._records.get(key)
        return "" if record is None else record.uid

    def references(self, backend: Backend) -> list[Reference]:
        """Every read of a backend, each once however many ask for it."""
        with self._lock:
            found = {
                reference.entry: reference
                for record in self._records.values()
                for reference in record.references
                if reference.secret.backend is backend
            }
        return list(found.values())

    def readers(self, reference: Reference) -> list[Reader]:
        """What the ledgers of all who ask for this very read say; see _LOOKED_AT."""
        entry = reference.entry
        with self._lock:
            places = {place for slot in slots_of(reference) for place in self._slots.get(slot, ())}
            records = [(key, self._records[key]) for key, filed in sorted(places) if filed == entry]
        return [
            Reader(
                key,
                reference,
                record.synced.get(entry, ""),
                (record.heard.get(entry, ""), record.served.get(entry, "")),
                record.uncovered.get(entry),
            )
            for key, record in records
        ]

    def _keep(self, obj: dict[str, Any], *, is_known: bool) -> None:
        key = key_of(obj)
        version = int(obj["metadata"]["resourceVersion"])
        record = self._record(obj, version)
        with self._lock:
            known = self._records.get(key)
            if known is not None and known.version > version:
                return
            if known is None and is_known:
                return
            self._forget(key)
            self._records[key] = record
            for reference in record.references:
                for slot in slots_of(reference):
                    self._slots[slot].add((key, reference.entry))
        self._catch_up(key, record, known)

    def _catch_up(self, key: Key, record: _Record, known: _Record | None) -> None:
        """Note what was announced while a reader was on its way to us."""
        before = () if known is None else {reference.entry for reference in known.references}
        missed = {}
        for reference in record.references:
            if reference.entry not in before:
                note = self._recent.note_for(reference)
                known_ids = {
                    record.heard.get(reference.entry),
                    record.served.get(reference.entry),
                }
                if note is not None and note.id not in known_ids:
                    missed[reference.entry] = note
        if missed:
            self._on_missed(key, missed)

    def remove(self, obj: dict[str, Any]) -> None:
        with self._lock:
            self._forget(key_of(obj))

    def listed(self, keys: set[Key], namespace: str = "") -> None:
        with self._lock:
            known = [key for key in self._records if namespace in {"", key[0]}]
            for key in known:
                if key not in keys:
                    self._forget(key)

    def lookup(self, event: ChangeEvent) -> list[Target]:
        """Every read that this change concerns."""
        with self._lock:
            # `get`: a slot that is asked for must not come to be by that.
            found = {
                place for slot in slots_asked(event.secret) for place in self._slots.get(slot, ())
            }
            targets = list(self._targets(event, found))
        return sorted(targets, key=lambda target: (target.key, target.reference.entry))

    def why_unused(self, event: ChangeEvent) -> IgnoredReason:
        """Why a change concerns nobody."""
        with self._lock:
            filed = [
                reference
                for slot in slots_asked(event.secret)
                for key, entry in self._slots.get(slot, ())
                for reference in self._records[key].references
                if reference.entry == entry
            ]
        if any(is_of(reference, event) for reference in filed):
            return IgnoredReason.OTHER_VERSION
        if any(not reference.secret.shares_scope(event.secret) for reference in filed):
            return IgnoredReason.OTHER_SCOPE
        return IgnoredReason.UNUSED_SECRET

    def _targets(self, event: ChangeEvent, found: set[tuple[Key, str]]) -> Iterator[Target]:
        for key, entry in found:
            record = self._records[key]
            for reference in record.references:
                if reference.entry == entry and concerns(reference, event):
                    heard, served = record.heard.get(entry, ""), record.served.get(entry, "")
                    yield Target(key, reference, heard, served)

    def _record(self, obj: Mapping[str, Any], version: int) -> _Record:
        spec = obj.get("spec") or {}
        uid = obj["metadata"]["uid"]
        ledger = read_ledger(obj.get("status") or {}, uid)
        nothing = _Record(uid, version, (), {}, {}, {}, {})
        if not is_managed(spec, self._instance_id):
            return nothing
        try:
            manifest = read_manifest(spec, self._defaults)
        except GiveUp:
            return nothing
        references = tuple(
            replace(reference, secret=_learned(manifest, ledger, reference))
            for reference in manifest.references.values()
        )
        entries = {entry: ledger.entry(entry) for entry in manifest.references}
        heard = {name: entry.heard for name, entry in entries.items() if entry.heard is not None}
        return _Record(
            uid,
            version,
            references,
            heard={name: note.id for name, note in heard.items()},
            served={
                name: entry.synced.note
                for name, entry in entries.items()
                if entry.synced is not None and entry.synced.note
            },
            uncovered={
                name: note
                for name, note in heard.items()
                if not is_covered(entries[name], manifest.fingerprint(name))
            },
            synced={
                name: entry.synced.version
                for name, entry in entries.items()
                if manifest.backend in _LOOKED_AT
                and entry.synced is not None
                and entry.synced.version
            },
        )

    def _forget(self, key: Key) -> None:
        record = self._records.pop(key, None)
        if record is None:
            return
        for reference in record.references:
            for slot in slots_of(reference):
                places = self._slots[slot]
                places.discard((key, reference.entry))
                if not places:
                    del self._slots[slot]


def _learned(manifest: Manifest, ledger: Ledger, reference: Reference) -> SecretId:
    """The reference's id, made exact by what the backend itself called it at the last read."""
    synced = ledger.entry(reference.entry).synced
    if synced is None or not synced.resource:
        return reference.secret
    if synced.fingerprint != manifest.fingerprint(reference.entry):
        return reference.secret
    if reference.secret.backend is Backend.SECRETS_MANAGER:
        return identity.secrets_manager_arn(synced.resource) or reference.secret
    if reference.secret.backend is Backend.GCP_SECRET_MANAGER:
        return identity.google_learned(reference.secret, synced.resource)
    if reference.secret.backend is Backend.PARAMETER_STORE:
        return identity.parameter(synced.resource)
    # Whatever else there is says in the spec all that there is to know.
    return reference.secret
