"""Ledger keys: one name for each distinct read, backend/scope/key#selector.

Fed by externalsecret.manifest; feeds the ledger, in which both halves find a read under the same
key.

Guarantees: two different reads never share a key, as far as a digest of 128 bits can tell; a key is
printable and no longer than 253 bytes, whatever somebody wrote into a manifest.
"""

import hashlib

from externalsecret import identity
from externalsecret.identity import Backend
from externalsecret.reference import Select, Selector

_MAX_ENTRY_BYTES = 253
_KEPT_OF_LONG_ENTRY = 180


def split_parameter(key: str) -> tuple[str, str]:
    """A parameter's key without and with its `:version` or `:label` ("" where it has none)."""
    arn = identity.parse_arn(key)
    tail = key if arn is None else arn.resource
    name, colon, suffix = tail.rpartition(":")
    if not colon or not name:
        return (key, "")
    return (key[: -len(suffix) - 1], suffix)


def entry_key(backend: Backend, scope: str, key: str, selector: Selector) -> str:
    """The ledger key of a read: backend/scope/key#selector, shortened by a digest when long."""
    chosen = f"{selector.select}:{selector.value}" if selector.value else str(selector.select)
    if selector.select is Select.LABEL and ":" not in selector.value and "#" not in selector.value:
        # The usual case reads best: `#AWSCURRENT`. It cannot be taken for a kind of selector.
        chosen = selector.value if selector.value not in set(Select) else chosen
    text = f"{backend}/{scope}/{key}#{chosen}"
    encoded = text.encode("utf-8", "backslashreplace")
    if len(encoded) <= _MAX_ENTRY_BYTES and text.isprintable():
        return text
    kept = encoded[:_KEPT_OF_LONG_ENTRY].decode("utf-8", "ignore")
    printable = "".join(letter if letter.isprintable() else "_" for letter in kept)
    return f"{printable}~{hashlib.sha256(encoded).hexdigest()[:32]}"
