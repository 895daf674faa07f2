"""What Vault's answers mean: plain functions of plain data.

Fed and used by vault. A document is handed on as JSON.stringify of kubernetes-external-secrets
prints it: members in Vault's order, numbers as JavaScript reads them.

The version of a key-value 2 secret is `<number>@<time of making>`: a path whose metadata was
deleted counts from 1 again when it is written anew. Two other kinds are in reconciler.versions.

Vault facts: "KV secrets engine - version 2 (API)": a deleted version answers 404 with its metadata.
"""

from collections.abc import Callable, Mapping
from datetime import datetime

from externalsecret.errors import GiveUp, HarkError
from externalsecret.redacted import Redacted
from reconciler.backends import reasons
from reconciler.backends.contract import Value, Versions
from reconciler.backends.vaulterrors import refusal
from reconciler.backends.vaulttoken import seconds_of
from reconciler.backends.vaultwire import Reply
from reconciler.jsontext import Json, compact
from reconciler.versions import Lease

_MISSING = 404
Fields = Mapping[str, Json]


def lease_in(reply: Reply, until: float | None) -> Lease | None:
    """The lease that dynamic credentials carry; None where the value is a lasting one."""
    answer = reply.answer or {}
    lease_id = answer.get("lease_id")
    if not reply.is_success() or not isinstance(lease_id, str) or not lease_id:
        return None
    seconds = seconds_of(answer.get("lease_duration"))
    return Lease(lease_id, seconds, answer.get("renewable") is True, until)


def value_v1(path: str, reply: Reply, version: Callable[[bytes], str]) -> Value:
    """The members of `data`. Raises HarkError."""
    if not reply.is_success():
        raise _refused_v1(path, reply)
    return _value(path, reply.member("data"), version)


def value_v2(path: str, reply: Reply) -> Value:
    """The members of `data.data`. Raises HarkError."""
    about = _metadata(reply)
    if about is not None and reply.status == _MISSING:
        gone = _gone(path, _number(about.get("version")), about)
        raise GiveUp(gone, reason=reasons.MARKED_FOR_DELETION)
    if not reply.is_success():
        raise refusal(reply.status, reply.answer, f"secret {path}", reply.headers)
    if about is None:
        raise GiveUp(
            f"{path} is not in version 2 of the key-value engine: its answer has no metadata. Set "
            "spec.kvVersion to 1.",
            reason=reasons.BAD_VALUE,
        )
    data = (reply.member("data") or {}).get("data")
    version = _version(_number(about.get("version")), about)
    return _value(path, data if isinstance(data, dict) else None, lambda _: version)


def versions_of(path: str, reply: Reply, pinned: str, now: float) -> Versions | HarkError:
    """What the metadata of a key-value 2 secret tells of its newest version, or of a pinned one.

    `now` in seconds since the epoch: a version may be due for deletion later.
    """
    data = reply.member("data")
    if not reply.is_success() or data is None:
        return refusal(reply.status, reply.answer, f"secret {path}", reply.headers)
    rows = data.get("versions")
    listed = {
        number: row
        for number, row in (rows if isinstance(rows, dict) else {}).items()
        if isinstance(row, dict)
    }
    known = {_version(number, row): frozenset[str]() for number, row in listed.items()}
    chosen = pinned or _number(data.get("current_version"))
    row = listed.get(chosen)
    if row is None:
        return Versions(None, known, path)
    is_gone = row.get("destroyed") is True or _is_past(row.get("deletion_time"), now)
    gone = _gone(path, chosen, row) if is_gone else ""
    return Versions(_version(chosen, row), known, path, gone)


def _value(path: str, document: Fields | None, version: Callable[[bytes], str]) -> Value:
    if document is None:
        raise GiveUp(
            f"{path} holds no document: its answer has no members. Write one, or correct the key "
            "and spec.kvVersion.",
            reason=reasons.BAD_VALUE,
        )
    text = compact(dict(document)).encode()
    return Value(Redacted(text), version(text), path)


def _refused_v1(path: str, reply: Reply) -> HarkError:
    refused = refusal(reply.status, reply.answer, f"secret {path}", reply.headers)
    is_versioned = "versioned" in refused.message and refused.reason == reasons.NOT_FOUND
    if is_versioned:
        return GiveUp(
            f"{refused.message} The engine keeps versions: set spec.kvVersion to 2, and write data "
            "behind the mount in the key.",
            reason=reasons.NOT_FOUND,
        )
    return refused


def _metadata(reply: Reply) -> Fields | None:
    data = reply.member("data")
    about = None if data is None else data.get("metadata")
    is_metadata = isinstance(about, dict) and "version" in about and "created_time" in about
    return about if isinstance(about, dict) and is_metadata else None


def _gone(path: str, number: str, about: Fields) -> str:
    """Why a version that is listed cannot be read."""
    if about.get("destroyed") is True:
        return f"Status 404: version {number} of {path} is destroyed. Write a new one."
    return f"Status 404: version {number} of {path} is deleted. Undelete it, or write a new one."


def _is_past(at: Json, now: float) -> bool:
    """Whether a time has come; delete_version_after sets one that lies ahead."""
    try:
        return bool(at) and datetime.fromisoformat(str(at)).timestamp() <= now
    except ValueError:
        return True


def _version(number: str, about: Fields) -> str:
    return f"{number}@{about.get('created_time') or ''}"


def _number(value: Json) -> str:
    return f"{value:.0f}" if isinstance(value, int | float) else str(value or "")
