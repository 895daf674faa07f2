"""Whether a change concerns a read, and what the note about it says. Plain functions of plain data.

Fed by the index and the parsers; feeds listener.listen. A label that moved concerns those who read
this label; a read that is pinned to one version is concerned only when the secret vanishes or
returns.
"""

import hashlib

from externalsecret.ledger import Heard
from externalsecret.reference import Reference, Select
from listener.messages.meaning import Change, ChangeEvent

_LONGEST_ID = 200


def concerns(reference: Reference, event: ChangeEvent) -> bool:
    """Whether this event may change what this reference reads.

    The name is checked by the caller for paths (they are filed by prefix); here the scope, and for
    single secrets the name too.
    """
    if reference.selector.is_path():
        if not reference.secret.shares_scope(event.secret):
            return False
    elif not reference.secret.matches(event.secret):
        return False
    if event.change is not Change.VALUE:
        return True
    if reference.selector.is_pinned():
        return False
    if reference.selector.select is Select.LABEL and event.label is not None:
        return reference.selector.value in _moved(event.label)
    return True


def note_of(reference: Reference, event: ChangeEvent, via: str) -> Heard:
    """What the ledger shall say of this event.

    A version is told only where the event says that this very reference now reads it. What is gone
    or back, or moved with another label, is worth a look whatever version stands in the message.
    """
    version = event.version if event.change is Change.VALUE else None
    if reference.selector.select is Select.LABEL and event.label != reference.selector.value:
        version = None
    return Heard(_short(event.id), version, event.at or None, via)


def _moved(label: str) -> frozenset[str]:
    """AWSPREVIOUS moves together with AWSCURRENT, and no event names it."""
    return frozenset({label, "AWSPREVIOUS"} if label == "AWSCURRENT" else {label})


def _short(event_id: str) -> str:
    """An id as the ledger holds it: whoever sends messages shall not fill the status with it."""
    if len(event_id) <= _LONGEST_ID:
        return event_id
    return hashlib.sha256(event_id.encode("utf-8", "backslashreplace")).hexdigest()
