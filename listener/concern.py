"""Whether a change concerns a read, and what the note about it says. Plain functions of plain data.

Fed by the index and the parsers; feeds listener.listen. A label that moved concerns those who read
this label; a read that is pinned to one version is concerned only when the secret vanishes or
returns.
"""

import hashlib
from dataclasses import replace

from externalsecret.ledger import Heard
from externalsecret.reference import Reference, Select
from listener.messages.meaning import Change, ChangeEvent

_LONGEST_ID = 200


def concerns(reference: Reference, event: ChangeEvent) -> bool:
    """Whether this event may change what this reference reads.

    The name is checked by the caller for paths (they are filed by prefix); here the scope, and for
    single secrets the name too.
    """
    if not is_of(reference, event):
        return False
    if event.change is not Change.VALUE:
        return True
    if reference.selector.is_pinned():
        return False
    if reference.selector.select is Select.LABEL and event.label is not None:
        return reference.selector.value in _moved(event.label)
    return True


def is_of(reference: Reference, event: ChangeEvent) -> bool:
    """Whether the event speaks of what this reference names, whichever version it reads of it."""
    if reference.selector.is_path():
        return reference.secret.shares_scope(event.secret)
    return reference.secret.matches(event.secret)


def note_of(reference: Reference, event: ChangeEvent, via: str) -> Heard:
    """What the ledger shall say of this event.

    A version is told only where the event says that this very reference now reads it. What is gone
    or back, moved with another label, a member of a path, or of a project that may be another one
    is worth a look whatever version stands in the message.
    """
    version = event.version if _is_told(reference, event) else None
    return Heard(_short(event.id), version, event.at or None, via)


def in_place_of(standing: Heard | None, note: Heard) -> Heard:
    """The note to write where another one stands that no read has covered yet (None: no such one).

    Messages come in any order, so the later one may name just the version that was read last: the
    ledger would then look covered and the change that was noted before be lost. Unless both name
    the same version the note names none, and somebody looks which one is current. It has an id of
    its own then: a read that began with this very note, before the other one was there, covers
    neither.
    """
    if standing is None:
        return note
    if note.id == standing.id or standing.id.startswith(f"{note.id}+"):
        return standing
    if note.version is not None and note.version == standing.version:
        return note
    digest = hashlib.sha256(standing.id.encode("utf-8", "backslashreplace")).hexdigest()[:12]
    return replace(note, id=_short(f"{note.id}+{digest}"), version=None)


def joined(earlier: Heard, note: Heard) -> Heard:
    """One note for two changes that come together, of one message perhaps, in no certain order."""
    if earlier.id != note.id:
        return in_place_of(earlier, note)
    return note if earlier.version == note.version else replace(note, version=None)


def _is_told(reference: Reference, event: ChangeEvent) -> bool:
    """Whether the event's version is what this reference reads now."""
    if event.change is not Change.VALUE or not reference.secret.is_surely_of(event.secret):
        return False
    if reference.selector.select is Select.LABEL:
        return event.label == reference.selector.value
    return reference.selector.select is Select.LATEST and event.label is None


def _moved(label: str) -> frozenset[str]:
    """AWSPREVIOUS moves together with AWSCURRENT, and no event names it."""
    return frozenset({label, "AWSPREVIOUS"} if label == "AWSCURRENT" else {label})


def _short(event_id: str) -> str:
    """An id as the ledger holds it: whoever sends messages shall not fill the status with it."""
    if len(event_id) <= _LONGEST_ID:
        return event_id
    return hashlib.sha256(event_id.encode("utf-8", "backslashreplace")).hexdigest()
