"""The contract of every backend: read values, look at versions, and nothing else.

Fed by reconciler.fetch (values) and reconciler.sweep (versions); feeds both with answers that name
the version and the canonical identity of what was read. One backend object serves one identity and
region: it owns its SDK client and credentials and renews them before they expire. It is used from
several threads.

Guarantees: an answer stands for each reference that was asked, in place of an exception where that
one failed; a whole call raises only when nothing could be asked (no credentials, no network). All
failures are Retry or GiveUp with a sentence for the user and without a value. Reads use as few
calls as the API allows. `look` reads no value. It does not guarantee that what it read is the
newest: clouds are eventually consistent.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from externalsecret.errors import HarkError
from externalsecret.redacted import Redacted
from externalsecret.reference import Reference
from reconciler.backends import reasons


@dataclass(frozen=True, slots=True)
class Binary:
    """Bytes that the backend itself calls binary (SecretBinary): isBinary has nothing to decode."""

    value: Redacted

    def __len__(self) -> int:
        return len(self.value)


ReadValue = Redacted | Binary | Mapping[str, Redacted]
"""One value, or for a path: the last path segment of each member with its value."""


@dataclass(frozen=True, slots=True)
class Remark:
    """What the user should know of a value although it could be read, for an Event."""

    reason: str
    message: str


@dataclass(frozen=True, slots=True)
class Value:
    """What a read gave."""

    value: ReadValue
    version: str
    """The version that was read, in a text that no other content of the same reference ever had or
    will have; for a path the digest of its members' versions. It may tell more than the version
    that an event announces: of a parameter also when it was made. Where a read cannot tell that,
    a look does (Versions.made).
    """
    resource: str
    """The canonical identity in the backend's own words (an ARN); "" where it names none."""
    remark: Remark | None = None


@dataclass(frozen=True, slots=True)
class Versions:
    """What a look at metadata gave: versions and labels, no value."""

    current: str | None
    """The version that the reference's selector chooses now; None when it chooses none."""
    known: Mapping[str, frozenset[str]]
    """Every version that the backend lists, with its labels; only `current` where it lists none."""
    resource: str
    gone: str = ""
    """Why it cannot be read although it is listed (marked for deletion, ...), as a sentence."""
    gone_reason: str = reasons.MARKED_FOR_DELETION
    """The word for `gone`, one of reconciler.backends.reasons."""
    made: float | None = None
    """When the current version was made, in seconds since the epoch, where its text does not tell:
    a secret that is deleted and made anew may count its versions from 1 again.
    """
    age: float = math.inf
    """How old the version was then, in seconds; for use where `made` is given."""
    remark: Remark | None = None
    """What a read of the current version would tell of it (Value.remark) now."""


class CannotLook(Exception):
    """The backend has no metadata for such a reference, or denies it: only a read can tell."""


Read = Value | HarkError
Look = Versions | HarkError | CannotLook


class Backend(Protocol):
    """One system, asked as one identity in one region."""

    batch_size: int
    """How many references one `read` call is best given."""

    def read(self, references: Sequence[Reference]) -> Mapping[str, Read]:
        """The value of each reference, by its `entry`."""

    def look(self, references: Sequence[Reference]) -> Mapping[str, Look]:
        """The versions of each reference, by its `entry`, as fresh as the backend can tell."""

    def sweep(self, references: Sequence[Reference]) -> Mapping[str, Look]:
        """As `look` but in as few calls as the API allows, perhaps some minutes behind."""

    def close(self) -> None:
        """Let go of connections, and of the identity's credentials where no other backend has them.

        Waits for no call. A backend that is used again after it was closed opens anew.
        """


@runtime_checkable
class Recalls(Protocol):
    """A backend whose look lists not every version that there is."""

    def has_version(self, reference: Reference, version: str) -> bool:
        """Whether there is such a version, even one without a label. Raises Retry or GiveUp."""
