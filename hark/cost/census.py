"""Counts what the ExternalSecrets of a cluster read: those of KES and those of ESO.

Fed by hark.cost.cluster, object by object; feeds hark.cost.compare with estates. Keeps counts and
the names of what is read, for as long as it counts; no object and no status.

Guarantees: no object stops the count: what cannot be priced is counted apart, by reason. A path of
parameters and a `find` count as one read, though they may bring many; `several` says how many.
"""

import math
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import astuple, dataclass, field
from typing import Any

from externalsecret.dialect.contract import Defaults
from externalsecret.duration import parse_duration
from externalsecret.errors import GiveUp
from externalsecret.identity import Backend
from externalsecret.manifest import ItemKind, read_manifest
from hark.cost.estate import MONTH, NEVER, Estate, Group
from hark.cost.stores import Key, Store, store_key

Lane = tuple[str, ...]
Read = tuple[Backend, Lane, str]
"""What one item reads: the system, what it is shared by, and a name of the secret."""

_OF_AWS = (Backend.SECRETS_MANAGER, Backend.PARAMETER_STORE)
_ONCE = {"CreatedOnce", "OnChange"}
_DAYS = MONTH / 86400.0


@dataclass(slots=True)
class _Tally:
    """Of one backend."""

    groups: defaultdict[float | None, list[int]] = field(
        default_factory=lambda: defaultdict(lambda: [0, 0, 0])
    )
    """Objects, items and keys, by interval."""
    lanes: defaultdict[Lane, set[str]] = field(default_factory=lambda: defaultdict(set))

    def add(self, reads: Sequence[Read], interval: float | None) -> None:
        counts = self.groups[interval]
        counts[0] += 1
        counts[1] += len(reads)
        counts[2] += len(set(reads))
        for _, lane, entry in reads:
            self.lanes[lane].add(entry)

    def secrets(self) -> int:
        return sum(map(len, self.lanes.values()))


class Census:
    """The count; used from one thread."""

    def __init__(self, defaults: Defaults) -> None:
        self.kes = 0
        """Objects of kubernetes-client.io, which Hark serves too."""
        self.eso = 0
        """Objects of external-secrets.io."""
        self.unpriced: Counter[str] = Counter()
        """Objects, or parts of them, that no figure holds, by reason."""
        self.several = 0
        """Items that may bring more than one secret, and count as one."""
        self._defaults = defaults
        self._tallies: defaultdict[Backend, _Tally] = defaultdict(_Tally)

    def add_kes(self, obj: Mapping[str, Any]) -> None:
        """Count an object of kubernetes-client.io."""
        self.kes += 1
        spec = obj.get("spec") or {}
        try:
            manifest = read_manifest(spec, self._defaults)
        except GiveUp as error:
            is_foreign = error.reason == "UnsupportedBackend"
            self.unpriced[str(spec.get("backendType")) if is_foreign else "bad manifest"] += 1
            return
        self.several += sum(item.kind is ItemKind.PATH for item in manifest.items)
        reads: list[Read] = []
        for item in manifest.items:
            scope = manifest.references[item.entry].scope
            identity = [part for part in astuple(manifest.identity) if part]
            lane = (identity[0] if identity else "", *identity[1:], scope)
            reads.append((manifest.backend, lane, item.entry))
        self._add(reads, None)

    def add_eso(self, obj: Mapping[str, Any], stores: Mapping[Key, Store | str]) -> None:
        """Count an object of external-secrets.io."""
        self.eso += 1
        spec = obj.get("spec") or {}
        namespace = obj["metadata"].get("namespace") or ""
        reads: list[Read] = []
        left_out = set()
        for item in [*(spec.get("data") or []), *(spec.get("dataFrom") or [])]:
            source = item.get("sourceRef") or {}
            if source.get("generatorRef"):
                left_out.add("generators")
                continue
            named = source.get("storeRef") or spec.get("secretStoreRef") or {}
            store = stores.get(store_key(namespace, named), "no such store")
            if isinstance(store, str):
                left_out.add(store)
                continue
            remote = item.get("remoteRef") or item.get("extract") or {}
            if not remote:
                self.several += 1
            entry = store.entry(str(remote.get("key") or item), str(remote.get("version") or ""))
            reads.append((store.backend, store.lane, entry))
        self.unpriced.update(left_out)
        self._add(reads, _interval(spec))

    def _add(self, reads: Sequence[Read], interval: float | None) -> None:
        for backend in {read[0] for read in reads}:
            of_backend = [read for read in reads if read[0] is backend]
            self._tallies[backend].add(of_backend, interval)

    def estates(self, changes_a_day: float | None) -> list[Estate]:
        """What was counted, by backend. `changes_a_day` are shared out by secrets; None: each
        secret once in a month.
        """
        total = sum(tally.secrets() for tally in self._tallies.values())
        month = total if changes_a_day is None else changes_a_day * _DAYS
        regions = {
            lane[-1] for backend in _OF_AWS for lane in self._tallies.get(backend, _Tally()).lanes
        }
        return [
            Estate(
                backend,
                tuple(
                    Group(objects, items, keys, every)
                    for every, (objects, items, keys) in sorted_groups(tally.groups)
                ),
                tuple(sorted(map(len, tally.lanes.values()))),
                month * tally.secrets() / total,
                queues=len(regions) if backend in _OF_AWS else 1,
            )
            for backend in Backend
            if (tally := self._tallies.get(backend))
        ]


def sorted_groups(
    groups: Mapping[float | None, list[int]],
) -> list[tuple[float | None, list[int]]]:
    """Shortest interval first, those without one last."""
    return sorted(groups.items(), key=lambda one: math.inf if one[0] is None else one[0])


def _interval(spec: Mapping[str, Any]) -> float | None:
    """Of an object of External Secrets Operator; see its page "ExternalSecret"."""
    text = str(spec.get("refreshInterval") or "").strip()
    if spec.get("refreshPolicy") in _ONCE:
        return NEVER
    if not text:
        return None
    try:
        # The controller takes no other duration without a unit.
        seconds = 0.0 if text == "0" else parse_duration(text)
    except ValueError:
        return None
    return seconds or NEVER
