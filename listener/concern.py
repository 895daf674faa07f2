"""Whether a change concerns a read, and what the note about it says. Plain functions of plain data.

Fed by the index and the parsers; feeds listener.listen. A label that moved concerns those who read
this label; a read that is pinned to one version is concerned only when the secret vanishes or
returns.
"""

from externalsecret.ledger import Heard
from externalsecret.reference import Reference, Select
from listener.messages.meaning import Change, ChangeEvent


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
        return event.label == reference.selector.value
    return True


def note_of(event: ChangeEvent, via: str) -> Heard:
    """What the ledger shall say of this event.

    A version is told only for a change of value: what is gone or back is always worth a look,
    whatever version stands in the message.
    """
    version = event.version if event.change is Change.VALUE else None
    return Heard(event.id, version, event.at or None, via)
