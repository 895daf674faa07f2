"""The ledger: the part of an ExternalSecret's status in which the two halves meet.

For every distinct read of the spec it holds what was last `heard` (written by the listener only)
and what was last `synced` (written by the reconciler only). Fed by the raw `status`; feeds the
decisions of both halves and the merge patches that they send.

Guarantees: both leaves are written whole, so that the two writers never disturb each other; a
ledger that belongs to another object's uid is empty; reading never raises, whatever somebody wrote
into the status. Whether a key needs work is told by `is_covered` alone: ids and versions are
compared, never clocks.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Heard:
    """The last change that was announced for a read."""

    id: str
    """Of the event: equal for every delivery of it."""
    version: str | None
    at: str | None
    """When it happened, in the announcer's words (RFC 3339)."""
    via: str | None

    def leaf(self) -> dict[str, Any]:
        """For a merge patch: every field, an absent one as null, so that nothing old shines
        through.
        """
        return {"id": self.id, "version": self.version, "at": self.at, "via": self.via}


@dataclass(frozen=True, slots=True)
class Synced:
    """What the Secret holds of a read."""

    note: str | None
    """The id of the `heard` that stood here when the read began."""
    version: str | None
    at: str | None
    via: str | None
    """What caused the read: the event's via (`sqs`), `spec`, `sweep`, `refresh` or
    `repair`.
    """
    resource: str | None
    """The canonical identity of what was read, which the listener learns for matching."""
    feeds: tuple[str, ...]
    """The Secret entries that the read supplies, won or not."""
    fingerprint: str | None
    remark: str | None = None
    """A word for what the user was told of the value although it is used: that it has expired."""

    def leaf(self) -> dict[str, Any]:
        """For a merge patch; see Heard.leaf."""
        return {
            "note": self.note,
            "version": self.version,
            "at": self.at,
            "via": self.via,
            "resource": self.resource,
            "feeds": list(self.feeds),
            "fingerprint": self.fingerprint,
            "remark": self.remark,
        }


@dataclass(frozen=True, slots=True)
class Entry:
    """Both leaves of one read."""

    heard: Heard | None = None
    synced: Synced | None = None


@dataclass(frozen=True, slots=True)
class Templated:
    """What the Secret holds of spec.template. Empty where a template adds no entry and evaluates
    nothing.
    """

    fingerprint: str | None = None
    """Digest of the template that was merged with the present values; None: it is to be done."""
    feeds: tuple[str, ...] = ()
    """The entries of the Secret that come from the template."""

    def leaf(self) -> dict[str, Any] | None:
        """For a merge patch; see Heard.leaf."""
        if self == Templated():
            return None
        return {"fingerprint": self.fingerprint, "feeds": list(self.feeds)}


@dataclass(frozen=True, slots=True)
class Ledger:
    """The status of one object, as far as the halves meet in it."""

    entries: Mapping[str, Entry] = field(default_factory=dict)
    is_foreign: bool = False
    """It belongs to another object (a restored backup, a predecessor of the same name) or to none
    yet: its `synced` leaves mean nothing here. Every patch of the reconciler carries the uid.
    """
    secret_uid: str = ""
    secret_version: str = ""
    template: Templated = Templated()

    def entry(self, key: str) -> Entry:
        return self.entries.get(key, _NOTHING)

    def fed(self) -> frozenset[str]:
        """Every entry of the Secret that came from a read or from the template."""
        leaves = (one.synced for one in self.entries.values() if one.synced is not None)
        return frozenset(self.template.feeds).union(*(leaf.feeds for leaf in leaves))


_NOTHING = Entry()


def read_ledger(status: Mapping[str, Any], uid: str) -> Ledger:
    """The ledger in a raw status of the object with this uid."""
    foreign = status.get("uid") != uid
    keys = status.get("keys")
    secret = status.get("secret")
    entries = {
        key: Entry(_heard(leaves.get("heard")), None if foreign else _synced(leaves.get("synced")))
        for key, leaves in (keys.items() if isinstance(keys, Mapping) else ())
        if isinstance(leaves, Mapping)
    }
    if foreign or not isinstance(secret, Mapping):
        return Ledger(entries, foreign)
    return Ledger(
        entries,
        foreign,
        _text(secret.get("uid")) or "",
        _text(secret.get("resourceVersion")) or "",
        _templated(status.get("template")),
    )


def is_covered(entry: Entry, fingerprint: str) -> bool:
    """Whether what was heard is covered by what was synced; the heart of the two halves."""
    synced = entry.synced
    if synced is None or synced.fingerprint != fingerprint:
        return False
    heard = entry.heard
    if heard is None or heard.id == synced.note:
        return True
    return heard.version is not None and heard.version == synced.version


def _heard(leaf: Any) -> Heard | None:
    if not isinstance(leaf, Mapping) or not isinstance(leaf.get("id"), str):
        return None
    return Heard(
        leaf["id"], _text(leaf.get("version")), _text(leaf.get("at")), _text(leaf.get("via"))
    )


def _synced(leaf: Any) -> Synced | None:
    if not isinstance(leaf, Mapping):
        return None
    return Synced(
        _text(leaf.get("note")),
        _text(leaf.get("version")),
        _text(leaf.get("at")),
        _text(leaf.get("via")),
        _text(leaf.get("resource")),
        _names(leaf.get("feeds")),
        _text(leaf.get("fingerprint")),
        _text(leaf.get("remark")),
    )


def _templated(leaf: Any) -> Templated:
    if not isinstance(leaf, Mapping):
        return Templated()
    return Templated(_text(leaf.get("fingerprint")), _names(leaf.get("feeds")))


def _names(value: Any) -> tuple[str, ...]:
    return tuple(name for name in value if isinstance(name, str)) if isinstance(value, list) else ()


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) else None
