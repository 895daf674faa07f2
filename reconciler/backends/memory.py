"""A backend that holds its secrets in memory: for tests and simulations of what uses backends.

It is no system that an ExternalSecret can name. It stands beside the real ones, and not among the
tests, so that whoever builds on the contract has a fake that is kept true to it: it passes the same
contract test. References choose by key (the name that `put` got) and selector; a path chooses every
name below it. What it counts are references, by entry.
"""

import hashlib
import threading
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from externalsecret.errors import GiveUp, HarkError
from externalsecret.redacted import Redacted
from externalsecret.reference import Reference, Select
from reconciler.backends import reasons
from reconciler.backends.asking import each
from reconciler.backends.contract import CannotLook, Look, Read, Value, Versions

_CURRENT = "AWSCURRENT"


@dataclass(slots=True)
class _Secret:
    values: dict[str, Redacted] = field(default_factory=dict)
    labels: dict[str, str] = field(default_factory=dict)
    """Which version carries a label."""
    newest: str = ""
    gone: str = ""


class MemoryBackend:
    """Secrets that a test sets, and failures that it orders."""

    batch_size = 20

    def __init__(self, gate: threading.Event | None = None) -> None:
        """While a `gate` is not set, reads wait for it."""
        self.gate = gate
        self.reads: Counter[str] = Counter()
        """Value reads by entry, failed ones included."""
        self.looks: Counter[str] = Counter()
        """Metadata looks by entry, of `look` and `sweep`."""
        self.calls: Counter[str] = Counter()
        """Calls of read, look and sweep."""
        self.closed = False
        self._lock = threading.Lock()
        self._secrets: dict[str, _Secret] = {}
        self._failures: dict[str, HarkError] = {}
        self._blind: set[str] = set()

    def put(
        self, name: str, value: bytes, version: str, labels: Iterable[str] = (_CURRENT,)
    ) -> None:
        """Add a version, or replace its value; the labels move to it."""
        with self._lock:
            secret = self._secrets.setdefault(name, _Secret())
            secret.values[version] = Redacted(value)
            secret.labels |= dict.fromkeys(labels, version)
            secret.newest = version
            secret.gone = ""

    def move(self, name: str, label: str, version: str) -> None:
        """Let another version carry a label."""
        with self._lock:
            self._secrets[name].labels[label] = version

    def delete(self, name: str) -> None:
        """Forget a secret."""
        with self._lock:
            self._secrets.pop(name, None)

    def mark_deleted(self, name: str) -> None:
        """Keep it listed but unreadable, until the next `put`."""
        with self._lock:
            self._secrets[name].gone = f"The secret {name} is marked for deletion: restore it."

    def fail(self, entry_or_key: str, error: HarkError | None) -> None:
        """Answer reads and looks of an entry or key with an error, until None is ordered."""
        with self._lock:
            if error is None:
                self._failures.pop(entry_or_key, None)
            else:
                self._failures[entry_or_key] = error

    def blind(self, entry_or_key: str) -> None:
        """Answer looks of an entry or key with CannotLook from now on."""
        with self._lock:
            self._blind.add(entry_or_key)

    def read(self, references: Sequence[Reference]) -> Mapping[str, Read]:
        """The values; see the contract."""
        with self._lock:
            self.calls["read"] += 1
            self.reads.update(one.entry for one in references)
        if self.gate is not None:
            self.gate.wait()
        with self._lock:
            return each({one.entry: one for one in references}, self._read_one)

    def look(self, references: Sequence[Reference]) -> Mapping[str, Look]:
        """The versions; see the contract."""
        return self._look("look", references)

    def sweep(self, references: Sequence[Reference]) -> Mapping[str, Look]:
        """As `look`, counted apart in `calls`."""
        return self._look("sweep", references)

    def close(self) -> None:
        """Remember that it was closed."""
        self.closed = True

    def _look(self, call: str, references: Sequence[Reference]) -> dict[str, Look]:
        with self._lock:
            self.calls[call] += 1
            self.looks.update(one.entry for one in references)
            blind = {one.entry for one in references if {one.entry, one.key} & self._blind}
            seen = {one.entry: one for one in references if one.entry not in blind}
            refused: dict[str, Look] = {one: CannotLook("Ordered by the test.") for one in blind}
            return refused | each(seen, self._look_at_one)

    def _read_one(self, reference: Reference) -> Value:
        self._refuse(reference)
        if reference.selector.is_path():
            members = self._members(reference)
            values = {
                name.rsplit("/", 1)[-1]: self._secrets[name].values[version]
                for name, version in members.items()
            }
            return Value(values, _digest(members), "")
        secret = self._secret(reference.key)
        if secret.gone:
            raise GiveUp(secret.gone, reason=reasons.MARKED_FOR_DELETION)
        version = _chosen(secret, reference)
        if version is None:
            raise GiveUp(f"{reference.entry} chooses no version.", reason=reasons.NOT_FOUND)
        return Value(secret.values[version], version, f"memory:{reference.key}")

    def _look_at_one(self, reference: Reference) -> Versions:
        self._refuse(reference)
        if reference.selector.is_path():
            version = _digest(self._members(reference))
            return Versions(version, {version: frozenset()}, "")
        secret = self._secret(reference.key)
        labels = {
            version: frozenset(label for label, at in secret.labels.items() if at == version)
            for version in secret.values
        }
        resource = f"memory:{reference.key}"
        return Versions(_chosen(secret, reference), labels, resource, secret.gone)

    def _refuse(self, reference: Reference) -> None:
        for name in (reference.entry, reference.key):
            if name in self._failures:
                raise self._failures[name]

    def _secret(self, key: str) -> _Secret:
        if key not in self._secrets:
            raise GiveUp(f"There is no secret {key}: create it.", reason=reasons.NOT_FOUND)
        return self._secrets[key]

    def _members(self, reference: Reference) -> dict[str, str]:
        above = reference.key.rstrip("/") + "/"
        deep = reference.selector.select is Select.TREE
        return {
            name: secret.newest
            for name, secret in self._secrets.items()
            if name.startswith(above) and (deep or "/" not in name.removeprefix(above))
        }


def _chosen(secret: _Secret, reference: Reference) -> str | None:
    selector = reference.selector
    if selector.is_pinned():
        return selector.value if selector.value in secret.values else None
    if selector.select is Select.LABEL:
        return secret.labels.get(selector.value)
    return secret.newest


def _digest(members: Mapping[str, str]) -> str:
    return hashlib.sha256(repr(sorted(members.items())).encode()).hexdigest()[:16]
