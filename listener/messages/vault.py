"""parse: what a message about a Vault means.

Fed by bodies of Vault's event notifications, and by those of the same shape that
listener.sources.vaultnews makes of what a look at metadata showed; feeds listener.listen. Pure.

Guarantees: the identity is the one that manifests file (externalsecret.identity.vault): the path of
the API with the mount, and for the second key-value engine with its `data` segment, whether the
event names its path with the mount (later releases) or without (the first ones). An event in a
namespace that no manifest's path leads to is Ignored. What only touches metadata is no change.

Does not guarantee that a version is told: the first key-value engine has none, and an event knows
the number alone, a look also when that version was made (`hark_made`).

Vault pages: "Event notifications" (concepts) with the table of the key-value engines' types and
metadata, "/sys/events/subscribe" (API): every member of `metadata` is a text.
"""

import re
from collections.abc import Mapping

from externalsecret import identity
from externalsecret.identity import SecretId
from listener.messages.meaning import (
    Change,
    ChangeEvent,
    Ignored,
    IgnoredReason,
    Malformed,
    Meaning,
)
from listener.messages.untrusted import Json, json_object, section, text_of

MADE = "hark_made"
"""When the current version was made: a field of `metadata` that Vault's own events lack."""
GONE_MARK = "gone:"
"""How the ids of events begin that told of a deletion, so that the return is known for one."""

NAMESPACE = "namespace"
"""Attribute of an event's delivery: the namespace in which it was asked for."""
BASE = "base"
"""Attribute of an event's delivery: the namespace in which the manifests' paths begin."""

_V1: Mapping[str, Change] = {
    "kv-v1/write": Change.VALUE,
    "kv-v1/delete": Change.GONE,
}
_V2: Mapping[str, Change] = {
    "kv-v2/data-write": Change.VALUE,
    "kv-v2/data-patch": Change.VALUE,
    "kv-v2/data-delete": Change.GONE,
    "kv-v2/delete": Change.GONE,
    "kv-v2/destroy": Change.GONE,
    "kv-v2/metadata-delete": Change.GONE,
    "kv-v2/undelete": Change.BACK,
}
_NO_CHANGE = frozenset(("kv-v2/config-write", "kv-v2/metadata-write", "kv-v2/metadata-patch"))
_VERBS = frozenset(("data", "metadata", "delete", "undelete", "destroy"))
_NUMBER = re.compile(r"[1-9]\d{0,18}", re.ASCII)
_RFC_3339 = re.compile(
    r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(?:\.\d{1,9})?(?:[Zz]|[+-]\d\d:\d\d)", re.ASCII
)


def parse(body: str, subscribed: str = "", base: str = "") -> Meaning:
    """The change that a message announces, or why it announces none; raises Malformed.

    `subscribed` is the namespace whose events were asked for, which counts where the event names
    none; `base` the one that the manifests' paths begin in (VAULT_NAMESPACE).
    """
    message = json_object(body)
    data = section(message, "data")
    kind = text_of(data, "event_type")
    if not kind:
        raise Malformed("The message has no data.event_type; it is no event of a Vault's.")
    if not kind.startswith(("kv-v1/", "kv-v2/")):
        return Ignored(IgnoredReason.OTHER_SERVICE)
    if kind in _NO_CHANGE:
        return Ignored(IgnoredReason.NOT_A_CHANGE)
    change = _V2.get(kind) or _V1.get(kind)
    if change is None:
        return Ignored(IgnoredReason.OTHER_EVENT)
    event = section(data, "event")
    about = section(event, "metadata")
    if text_of(about, "modified") not in {"", "true"}:
        return Ignored(IgnoredReason.NOT_A_CHANGE)
    begins = _below(base, _bare(text_of(data, "namespace")) or _bare(subscribed))
    if begins is None:
        return Ignored(IgnoredReason.OTHER_NAMESPACE)
    told = text_of(event, "id") or text_of(message, "id")
    if not told:
        raise Malformed("The message has no id; every event of a Vault has one.")
    return (
        ChangeEvent(
            _secret(kind, begins, about, section(data, "plugin_info")),
            change,
            f"{GONE_MARK}{told}" if change is Change.GONE else told,
            _time(text_of(message, "time")),
            version=_version(about) if change is Change.VALUE and kind in _V2 else None,
        ),
    )


def _secret(kind: str, begins: str, about: Json, plugin: Json) -> SecretId:
    path = _bare(text_of(about, "data_path") or text_of(about, "path"))
    mount = _bare(text_of(plugin, "mount_path"))
    if not path:
        raise Malformed("The event has no data.event.metadata.path; it names no secret.")
    found = _path_v1(path, mount) if kind in _V1 else _path_v2(path, mount)
    return identity.vault("/".join(filter(None, (begins, *found))))


def _path_v1(path: str, mount: str) -> list[str]:
    behind = _behind(path, mount)
    return [mount, path if behind is None else behind]


def _path_v2(path: str, mount: str) -> list[str]:
    """Whatever the verb: what is deleted or restored is read below `data`."""
    behind = _behind(path, mount)
    for place in (behind, path):
        verb, _, name = (place or "").partition("/")
        if verb in _VERBS and name:
            return [mount, "data", name]
    raise Malformed("The path of the event is none of version 2 of the key-value engine.")


def _behind(path: str, mount: str) -> str | None:
    """The rest of a path that begins with the mount; None where it does not."""
    return path.removeprefix(f"{mount}/") if mount and path.startswith(f"{mount}/") else None


def _below(base: str, namespace: str) -> str | None:
    """How a path begins that leads to this namespace from the base; None where none leads there."""
    base = _bare(base)
    if not namespace or namespace == base:
        return ""
    return _behind(namespace, base) if base else namespace


def _bare(path: str) -> str:
    """As manifests file it: without slashes at the ends and doubled ones."""
    return "/".join(filter(None, path.split("/")))


def _version(about: Json) -> str | None:
    number = text_of(about, "current_version")
    if not number:
        return None
    if _NUMBER.fullmatch(number) is None:
        raise Malformed("The field current_version must be a positive whole number, as a text.")
    made = text_of(about, MADE)
    return f"{number}@{made}" if made else number


def _time(text: str) -> str:
    return text if _RFC_3339.fullmatch(text) else ""
