"""What the rows that AWS Parameter Store answers mean: plain functions of plain data.

Fed and used by parameterstore. A row is one parameter in an answer of GetParameter, GetParameters,
GetParametersByPath or DescribeParameters (the last without a value).
"""

import hashlib
from collections.abc import Iterable, Mapping
from typing import Any

from externalsecret.errors import GiveUp
from externalsecret.redacted import Redacted
from reconciler.backends import reasons
from reconciler.backends.contract import Value, Versions

Row = Mapping[str, Any]

_DIGEST_CHARACTERS = 16


def value_of(row: Row) -> Value:
    """The value of one parameter. Raises GiveUp where it holds none."""
    return Value(_value(row), version_of(row), str(row.get("ARN", "")))


def value_of_path(path: str, rows: Iterable[Row]) -> Value:
    """The members of a path by the last segments of their names.

    Raises GiveUp where two members end alike: KES lets the last one win, and nobody notices.
    """
    members = list(rows)
    names: dict[str, str] = {}
    values: dict[str, Redacted] = {}
    for row in members:
        name = str(row.get("Name", ""))
        segment = name.rsplit("/", 1)[-1]
        if segment in names:
            raise GiveUp(
                f"The parameters {names[segment]} and {name} below {path} would both become "
                f"{segment}: rename one, or read them by key.",
                reason=reasons.AMBIGUOUS_NAMES,
            )
        names[segment] = name
        values[segment] = _value(row)
    return Value(values, digest(members), "")


def digest(rows: Iterable[Row]) -> str:
    """One version for many parameters: it differs when a member comes, goes or changes."""
    lines = sorted(f"{row.get('Name', '')}\n{version_of(row)}\n" for row in rows)
    return hashlib.sha256("".join(lines).encode()).hexdigest()[:_DIGEST_CHARACTERS]


def versions_of(row: Row, pinned: str) -> Versions:
    """What a description says of the newest version, or of one that a number pins ("" = none).

    A description names the newest version only; versions count up from 1.
    """
    newest = version_of(row)
    resource = str(row.get("ARN", ""))
    if not pinned:
        return Versions(newest, {newest: frozenset()}, resource)
    exists = pinned.isdigit() and newest.isdigit() and 1 <= int(pinned) <= int(newest)
    known = {newest: frozenset[str]()}
    if exists:
        known[pinned] = frozenset()
    return Versions(pinned if exists else None, known, resource)


def version_of(row: Row) -> str:
    return str(row.get("Version", ""))


def _value(row: Row) -> Redacted:
    text = row.get("Value")
    encoded = None if text is None else _encoded(str(text))
    if encoded is None:
        raise GiveUp(
            f"The parameter {row.get('Name', '')} holds no text that can be encoded: put a value "
            "into it.",
            reason=reasons.BAD_VALUE,
        )
    return Redacted(encoded)


def _encoded(text: str) -> bytes | None:
    try:
        return text.encode()
    except UnicodeEncodeError:
        return None
