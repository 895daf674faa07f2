"""parse: what a message of Azure Event Grid means, whichever way it came here.

Fed by the body of a storage queue's message, of a namespace's event or of a webhook's request;
feeds listener.listen. Pure. Guarantees: it gives a Meaning or raises Malformed, whatever the body,
and shows no part of the body but in the ChangeEvents themselves.

- SecretNewVersionCreated and CertificateNewVersionCreated name the version to read: a certificate's
  secret has its name and its version. A key may be a certificate's too, but one that stands for
  itself shares no version with a secret of its name: that event only asks for a look.
- An expired secret can still be read; nevertheless somebody has to look and to say so.
- That a policy of access changed is no change of a secret. Whoever was denied is tried again
  anyway.
- Nothing is announced when a secret is deleted, recovered, disabled or enabled: the sweep finds it.

Azure pages: "Azure Key Vault as Event Grid source", "About Azure Key Vault certificates".
"""

import re
from collections.abc import Callable

from externalsecret.identity import SecretId, key_vault, key_vault_url
from listener.messages.eventgrid import GridEvent, field_text, grid_event
from listener.messages.meaning import (
    Change,
    ChangeEvent,
    Ignored,
    IgnoredReason,
    Malformed,
    Meaning,
)
from listener.messages.untrusted import json_items, texts_of_items

VALIDATION = "microsoft.eventgrid.subscriptionvalidationevent"
"""The type, in lower case, of what Event Grid's own schema asks a new webhook with."""

_KEY_VAULT = "microsoft.keyvault."
_NO_CHANGE = frozenset(
    {
        "certificatenearexpiry",
        "keyexpired",
        "keynearexpiry",
        "secretnearexpiry",
        "vaultaccesspolicychanged",
    }
)
_NAME = re.compile(r"[a-z0-9-]{1,127}", re.ASCII | re.IGNORECASE)
_VERSION = re.compile(r"[a-z0-9]{1,64}", re.ASCII | re.IGNORECASE)
_VAULT_RESOURCE = re.compile(
    r"/subscriptions/.*/providers/microsoft\.keyvault/vaults/([^/]+)/?", re.IGNORECASE
)


def parse(body: str) -> Meaning:
    """The changes that a message announces, or why it announces none; raises Malformed.

    Of several events in one message those that nobody can read hide no change of the others: they
    are told only where there is none. Who can answer for each event by itself parses each of
    `events_of`.
    """
    changes: list[ChangeEvent] = []
    ignored: list[Ignored] = []
    problem = ""
    for item in json_items(body):
        try:
            meaning = _meaning(grid_event(item))
        except Malformed as refusal:
            problem = str(refusal)
            continue
        if isinstance(meaning, Ignored):
            ignored.append(meaning)
        else:
            changes.extend(meaning)
    if changes:
        return tuple(dict.fromkeys(changes))
    if problem:
        raise Malformed(problem)
    return ignored[0]


def events_of(body: str) -> list[str]:
    """A body for each event of a body, in their order; raises Malformed where it holds none."""
    return texts_of_items(body)


def _meaning(event: GridEvent) -> Meaning:
    kind = event.type.lower()
    if kind == VALIDATION:
        return Ignored(IgnoredReason.TEST_MESSAGE)
    if not kind.startswith(_KEY_VAULT):
        return Ignored(IgnoredReason.OTHER_SERVICE)
    what = kind.removeprefix(_KEY_VAULT)
    if what in _NO_CHANGE:
        return Ignored(IgnoredReason.NOT_A_CHANGE)
    read = _CHANGES.get(what)
    return Ignored(IgnoredReason.OTHER_EVENT) if read is None else (read(event),)


def _new_version(event: GridEvent) -> ChangeEvent:
    version = _version(event) or None
    return ChangeEvent(_secret(event), Change.VALUE, event.id, event.at, version)


def _new_key(event: GridEvent) -> ChangeEvent:
    return ChangeEvent(_secret(event), Change.VALUE, event.id, event.at)


def _expired(event: GridEvent) -> ChangeEvent:
    return ChangeEvent(_secret(event), Change.GONE, event.id, event.at)


_CHANGES: dict[str, Callable[[GridEvent], ChangeEvent]] = {
    "certificateexpired": _expired,
    "certificatenewversioncreated": _new_version,
    "keynewversioncreated": _new_key,
    "secretexpired": _expired,
    "secretnewversioncreated": _new_version,
}


def _secret(event: GridEvent) -> SecretId:
    """Whose event it is: by the names in its data, else by the identifier, else by the envelope."""
    vault = field_text(event.data, "vaultname")
    name = field_text(event.data, "objectname")
    identified = key_vault_url(field_text(event.data, "id"))
    if identified is not None:
        vault = vault or identified[0].account
        name = name or identified[0].name
    resource = _VAULT_RESOURCE.fullmatch(event.source)
    if resource is not None:
        vault = vault or resource[1]
    name = name or event.subject
    if not _NAME.fullmatch(vault) or not _NAME.fullmatch(name):
        raise Malformed(
            "The event of Key Vault names no vault and object (data.VaultName, data.ObjectName);"
            " let the subscription send it unchanged."
        )
    return key_vault(vault, name)


def _version(event: GridEvent) -> str:
    version = field_text(event.data, "version")
    if not version:
        identified = key_vault_url(field_text(event.data, "id"))
        version = identified[1] if identified is not None else ""
    if version and not _VERSION.fullmatch(version):
        raise Malformed("The field data.Version of the event is no version of Key Vault.")
    return version.lower()
