"""What a message can mean to Hark: a change, something that does not concern it, or nothing known
at all.

Fed by the parsers of this folder; feeds listener.listen. A parser is a pure function: it gives
ChangeEvents, or Ignored with a reason from a closed list, or raises Malformed; never anything else,
and never with a part of the body in it.
"""

from dataclasses import dataclass
from enum import StrEnum

from externalsecret.identity import SecretId


class Change(StrEnum):
    """What happened to the secret, as far as a reader of it cares."""

    VALUE = "value"
    """Another version, or a label on another version: read it."""
    GONE = "gone"
    """Deleted, marked for deletion or disabled: look, say so, keep the Secret."""
    BACK = "back"
    """Restored or enabled again."""


@dataclass(frozen=True, slots=True)
class ChangeEvent:
    """One announced change of one secret."""

    secret: SecretId
    change: Change
    id: str
    """The event's own id: equal for every delivery of one event."""
    at: str
    """When it happened, RFC 3339 as the cloud wrote it; "" where it did not say."""
    version: str | None = None
    """The version that the change made or that now carries `label`; None where the message names
    none.
    """
    label: str | None = None
    """The staging label or alias that moved; None where the message names none: any label may have.
    """


class IgnoredReason(StrEnum):
    """Why a well-formed message asks for nothing. Closed: each is the value of a metric's label."""

    OTHER_SERVICE = "other_service"
    OTHER_EVENT = "other_event"
    FAILED_CALL = "failed_call"
    READ_ONLY_CALL = "read_only_call"
    PENDING_VERSION = "pending_version"
    NOT_A_CHANGE = "not_a_change"
    TEST_MESSAGE = "test_message"
    OTHER_NAMESPACE = "other_namespace"
    UNUSED_SECRET = "unused_secret"  # noqa: S105 - the name of a reason, no password
    """Nobody reads a secret of this name."""
    OTHER_SCOPE = "other_scope"
    """One of this name is read, but in another account, region, project or vault."""
    OTHER_VERSION = "other_version"
    """The secret is read, but by another label, or pinned to a version that stays as it is."""
    DUPLICATE = "duplicate"
    """All whom it concerns carry this very note already."""


@dataclass(frozen=True, slots=True)
class Ignored:
    """The message is understood and asks for nothing; it is acknowledged and counted."""

    reason: IgnoredReason


class Malformed(Exception):
    """No known envelope. The sentence names what is missing and never quotes the body."""


Meaning = tuple[ChangeEvent, ...] | Ignored
