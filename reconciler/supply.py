"""Which Secret entries one item of the manifest supplies from the value that was read for it.

Fed by render, item by item; feeds the merge. Text forms and lookup are those of
kubernetes-external-secrets 8.5.5; where that one dropped entries in silence (no JSON, no object, a
lost parameter) the entry is held here: claimed by the item, but without a value, so that the merge
leaves what the Secret has. One thing differs knowingly: isBinary of dataFromWithOptions, which that
one ignored, decodes each text member. Nothing is raised for a bad value, and no problem's sentence
holds a piece of one: the names of a document's members are part of it, so a bad one is told by its
number among the members.
"""

import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field

from externalsecret.errors import GiveUp
from externalsecret.manifest import Item, ItemKind
from externalsecret.redacted import Redacted
from reconciler import base64text
from reconciler.backends.contract import Binary, ReadValue
from reconciler.jsontext import Json, NotJson, Parsed, as_text, json_or_refusal
from reconciler.propertypath import lookup

# IsConfigMapKey of Kubernetes' API machinery, which data of a Secret must pass.
_ENTRY_NAME = re.compile(r"(?!\.\.)(?!\.\Z)[-._a-zA-Z0-9]{1,253}")
_LONGEST_NAME_SHOWN = 80
_MOST_NAMES_SHOWN = 5
_ALLOWED_NAMES = (
    "letters, digits, '-', '_' and '.' are allowed, at most 253 of them, but neither '.' alone "
    "nor '..' at the start."
)


@dataclass(frozen=True, slots=True)
class Missing:
    """In place of a value: the backend has none, and every item that wants it is optional."""


Readable = ReadValue | Missing
_ReadJson = Callable[[bytes], Parsed]


class BadValue(GiveUp):
    """A value that cannot become what the manifest asks for, until one of the two is changed."""

    def __init__(self, message: str) -> None:
        super().__init__(message, reason="BadValue")


class NoProperty(BadValue):
    """The value is a document that does not have the property."""


@dataclass(frozen=True, slots=True)
class Supply:
    """What one item brings. Names in `held` are its own, but of unknown value: leave them."""

    values: Mapping[str, Redacted] = field(default_factory=dict)
    held: frozenset[str] = frozenset()
    problems: tuple[str, ...] = ()


def is_entry_name(name: str) -> bool:
    """Whether Kubernetes takes it as the key of a Secret's entry."""
    return _ENTRY_NAME.fullmatch(name) is not None


def supply(
    item: Item,
    read: Readable,
    fed_before: Collection[str],
    read_json: _ReadJson = json_or_refusal,
) -> Supply:
    """What `item` makes of what was read.

    `fed_before` are the entries that the read was known to feed: as its members (of a document or
    path), or as this item's name. What is missing but optional holds them and nothing else.
    """
    if isinstance(read, Missing):
        return Supply(held=frozenset(fed_before))
    if item.kind is ItemKind.PATH:
        if not isinstance(read, Mapping):
            raise TypeError(f"{item.where} is a path, so its read must be a mapping")
        return _from_path(item, read, fed_before, read_json)
    if isinstance(read, Mapping):
        raise TypeError(f"{item.where} is no path, so its read must be a single value")
    if item.kind is ItemKind.DOCUMENT:
        return _from_document(item, read, fed_before, read_json)
    return _from_value(item, read, fed_before, read_json)


def _from_value(
    item: Item, read: Redacted | Binary, fed_before: Collection[str], read_json: _ReadJson
) -> Supply:
    name = item.name or ""
    if not is_entry_name(name):
        return Supply(problems=(_bad_name(item, name),))
    try:
        return Supply({name: _entry(item, read, item.key, read_json)})
    except NoProperty as problem:
        if item.is_optional:
            return Supply(held=frozenset(fed_before))
        return Supply(held=frozenset({name}), problems=(problem.message,))
    except BadValue as problem:
        return Supply(held=frozenset({name}), problems=(problem.message,))


def _from_path(
    item: Item, read: Mapping[str, Redacted], fed_before: Collection[str], read_json: _ReadJson
) -> Supply:
    values: dict[str, Redacted] = {}
    problems: list[str] = []
    for name, value in read.items():
        if not is_entry_name(name):
            problems.append(_bad_name(item, name))
            continue
        try:
            values[name] = _entry(item, value, f"parameter {name} of {item.key}", read_json)
        except BadValue as problem:
            problems.append(problem.message)
    lost = sorted(set(fed_before) - read.keys())
    if lost and not item.is_optional:
        more = ["..."] if len(lost) > _MOST_NAMES_SHOWN else []
        shown = ", ".join(lost[:_MOST_NAMES_SHOWN] + more)
        problems.append(
            f"{item.where}: gone from path {item.key}: {shown}. "
            "What the Secret holds of it is kept; create the parameter again, or name the wanted "
            "parameters one by one in spec.data."
        )
    held = (read.keys() | set(fed_before)) - values.keys()
    return Supply(values, frozenset(filter(is_entry_name, held)), tuple(problems))


def _from_document(
    item: Item, read: Redacted | Binary, fed_before: Collection[str], read_json: _ReadJson
) -> Supply:
    try:
        members = _members(item, read, fed_before, read_json)
    except BadValue as problem:
        return Supply(held=frozenset(fed_before), problems=(problem.message,))
    values = {
        name: _text_or_bytes(item, value) for name, value in members.items() if is_entry_name(name)
    }
    if len(values) == len(members):
        return Supply(values)
    # A document that is not wholly understood is no word on which members have left it.
    return Supply(
        values,
        frozenset(fed_before) - values.keys(),
        (_bad_members(item, members),),
    )


def _members(
    item: Item, read: Redacted | Binary, fed_before: Collection[str], read_json: _ReadJson
) -> Mapping[str, Json]:
    document = read_json(_bytes_of(read))
    if not isinstance(document, dict):
        position = f" ({document})" if isinstance(document, NotJson) else ""
        raise BadValue(
            f"{item.where}: {item.key} is not a JSON object{position}, but each member is to "
            "become an entry. Store an object, or take the value as one entry in spec.data."
        )
    if not document and fed_before:
        raise BadValue(
            f"{item.where}: {item.key} became an empty JSON object. The entries that came from it "
            "are kept; to drop them remove the item from the manifest."
        )
    return document


def _entry(item: Item, read: Redacted | Binary, source: str, read_json: _ReadJson) -> Redacted:
    if item.property is None:
        if not item.is_binary or isinstance(read, Binary):
            return read.value if isinstance(read, Binary) else read
        return Redacted(base64text.decode(read.reveal().decode("utf-8", "replace")))
    value = _property(item, item.property, read_json(_bytes_of(read)), source)
    return _text_or_bytes(item, value)


def _text_or_bytes(item: Item, value: Json) -> Redacted:
    """A member's entry; only text can be base64."""
    if item.is_binary and isinstance(value, str):
        return Redacted(base64text.decode(value))
    return Redacted(as_text(value))


def _property(item: Item, path: str, document: Parsed, source: str) -> Json:
    if isinstance(document, NotJson):
        raise BadValue(
            f"{item.where}: {source} is {document}, so property {path} cannot be looked up. "
            "Store JSON, or remove property to take the whole value."
        )
    found = lookup(document, path)
    if found is None:
        # Users alert on this text of kubernetes-external-secrets.
        raise NoProperty(f"Could not find property {path} in {source}")
    return found.value


def _bytes_of(read: Redacted | Binary) -> bytes:
    return (read.value if isinstance(read, Binary) else read).reveal()


def _bad_name(item: Item, name: str) -> str:
    shown = ascii(name[:_LONGEST_NAME_SHOWN]) + ("..." if len(name) > _LONGEST_NAME_SHOWN else "")
    return (
        f"{item.where}: {shown} (from {item.key}) cannot name an entry of a Secret. Rename it: "
        f"{_ALLOWED_NAMES}"
    )


def _bad_members(item: Item, members: Collection[str]) -> str:
    """Where the members with a bad name stand: the name itself is part of the value."""
    bad = [str(at) for at, name in enumerate(members, start=1) if not is_entry_name(name)]
    shown = ", ".join(bad[:_MOST_NAMES_SHOWN] + ["..."] * (len(bad) > _MOST_NAMES_SHOWN))
    return (
        f"{item.where}: {len(bad)} of the {len(members)} members of {item.key} cannot name an "
        f"entry of a Secret (counted from 1: member {shown}). Rename them: {_ALLOWED_NAMES}"
    )
