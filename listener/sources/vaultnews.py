"""News of a path in Vault: what a look at its metadata means beside what the ledgers say. Pure.

Fed by listener.sources.vaultpoll with what was seen and with what stands in the ledgers of the
readers; feeds listener.sources.vault with bodies in the shape of Vault's own event notifications,
so that one parser (listener.messages.vault) reads both.

Guarantees: what is synced, or noted already, is no news, so that a restart of the listener writes
nothing; the id of a new version is the same whenever it is seen. A deletion is news once, until a
note of another kind covers it; the return from one is news although the version is the one that was
synced. A reader that has synced nothing yet is the reconciler's affair, until the next round.
"""

import hashlib
import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from externalsecret.errors import HarkError
from externalsecret.reference import Reference
from externalsecret.reflect import Key
from listener.messages.meaning import Change
from listener.messages.vault import GONE_MARK, MADE
from listener.reader import Reader

_TYPES = {
    Change.VALUE: "kv-v2/data-write",
    Change.GONE: "kv-v2/delete",
    Change.BACK: "kv-v2/undelete",
}
_DIGEST = 24


@dataclass(frozen=True, slots=True)
class Sight:
    """What the metadata of a path showed."""

    version: str | None
    """The current version, `number@time of making`, as the reconciler writes it; None: none."""
    is_gone: bool = False
    """It, or all that was at the path, is deleted or destroyed."""


@dataclass(frozen=True, slots=True)
class Unseen:
    """The metadata may not be looked at, or cannot be."""

    reason: str
    message: str


Look = Sight | Unseen | HarkError
"""A HarkError speaks of Vault as a whole: away, throttled, or it refuses the login."""


class Eyes(Protocol):
    """The listener's own login at Vault. It looks at metadata and at nothing else."""

    def look(self, references: Sequence[Reference]) -> Mapping[str, Look]:
        """What lies at each path now, by the reference's entry; some are asked at the same time."""

    def close(self) -> None:
        """Let go of connections."""


@dataclass(frozen=True, slots=True)
class News:
    """One difference to be noted, as a message."""

    key: str
    """The same whenever this difference is seen, although a deletion's event gets another id."""
    body: str


def news_of(
    reference: Reference,
    sight: Sight,
    readers: Iterable[Reader],
    lingering: Collection[Key],
    at: str,
) -> News | None:
    """What is to be said of a path; None for nothing. `lingering` are readers that had synced
    nothing in the round before either; `at` is now, RFC 3339.
    """
    path = reference.secret.name
    value = _digest(path, sight.version or "")
    for reader in readers:
        gone = _gone_noted(reader)
        if sight.is_gone:
            if reader.synced and not gone:
                return _news(path, Change.GONE, _digest(path, value, at), sight, at)
        elif gone and sight.version == reader.synced:
            return _news(path, Change.BACK, _digest(value, gone), sight, at)
        elif not reference.selector.is_pinned() and _is_behind(reader, sight, value, lingering):
            return _news(path, Change.VALUE, value, sight, at)
    return None


def _is_behind(reader: Reader, sight: Sight, value: str, lingering: Collection[Key]) -> bool:
    if sight.version is None or sight.version == reader.synced:
        return False
    if not reader.synced and reader.key not in lingering:
        return False
    if value in {noted.partition("+")[0] for noted in reader.noted}:
        return False
    announced = None if reader.pending is None else reader.pending.version
    return announced not in {sight.version, sight.version.partition("@")[0]}


def _gone_noted(reader: Reader) -> str:
    """The id of a deletion that was noted and that nothing has covered since; "" for none."""
    pending = reader.pending
    return pending.id if pending is not None and pending.id.startswith(GONE_MARK) else ""


def _news(path: str, change: Change, identity: str, sight: Sight, at: str) -> News:
    number, _, made = (sight.version or "").partition("@")
    about = {"path": path, "data_path": path, "modified": "true"}
    if number:
        about |= {"current_version": number, MADE: made}
    event = {"id": identity, "metadata": about}
    mount = path[: path.index("/data/")] if "/data/" in path else ""
    body = {
        "id": identity,
        "source": "hark",
        "specversion": "1.0",
        "type": "*",
        "time": at,
        "data": {
            "event": event,
            "event_type": _TYPES[change],
            "plugin_info": {"mount_path": mount, "plugin": "kv"},
        },
    }
    return News(f"{change}:{_digest(path, sight.version or '')}", json.dumps(body))


def _digest(*parts: str) -> str:
    text = "\n".join(parts).encode("utf-8", "backslashreplace")
    return hashlib.sha256(text).hexdigest()[:_DIGEST]
