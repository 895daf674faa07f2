"""What the rows that AWS Parameter Store answers mean: plain functions of plain data.

Fed and used by parameterstore. A row is one parameter in an answer of GetParameter, GetParameters,
GetParametersByPath or DescribeParameters (the last without a value).

A version is `<number>@<seconds>`: the service's number and when that version was made, in whole
seconds since the epoch. A parameter that is deleted and created anew counts from 1 again, so that
the number alone would not tell it from its predecessor. Where an answer has no date the version is
the number alone. Does not tell two parameters of one name apart that were made in the same second.

AWS facts: `LastModifiedDate` of "Parameter" and "ParameterMetadata" in the Systems Manager API
reference. Milliseconds are left out: not everything that speaks this API gives them.
"""

import hashlib
import math
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from typing import Any

from externalsecret.errors import GiveUp
from externalsecret.redacted import Redacted
from reconciler.backends import reasons
from reconciler.backends.contract import CannotLook, Value, Versions

Row = Mapping[str, Any]

MOST_MEMBERS = 1000
_MOST_BYTES = 1 << 20
_DIGEST_CHARACTERS = 16


def value_of(row: Row) -> Value:
    """The value of one parameter. Raises GiveUp where it holds none."""
    return Value(_value(row), version_of(row), str(row.get("ARN", "")))


def value_of_path(path: str, rows: Iterable[Row]) -> Value:
    """The members of a path by the last segments of their names.

    Raises GiveUp where two members end alike: KES lets the last one win, and nobody notices. Raises
    it also, and takes no more rows, where a Secret could not hold the members.
    """
    names: dict[str, str] = {}
    values: dict[str, Redacted] = {}
    lines: list[str] = []
    size = 0
    for row in _few(path, rows):
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
        lines.append(_line(row))
        size += len(values[segment])
        if size > _MOST_BYTES:
            raise GiveUp(
                f"The values below {path} are more than the 1 MiB that a Secret can hold. Name a "
                "path with fewer parameters, or read those that are wanted by key.",
                reason=reasons.TOO_LARGE,
            )
    return Value(values, _digest(lines), "")


def version_of_path(path: str, rows: Iterable[Row]) -> str:
    """One version for many parameters: it differs when a member comes, goes or changes.

    Raises GiveUp, and takes no more rows, where there are too many.
    """
    return _digest([_line(row) for row in _few(path, rows)])


def _few(path: str, rows: Iterable[Row]) -> Iterator[Row]:
    for number, row in enumerate(rows, start=1):
        if number > MOST_MEMBERS:
            raise GiveUp(
                f"There are more than {MOST_MEMBERS} parameters below {path}, too many for one "
                "Secret. Name a path with fewer, or read those that are wanted by key.",
                reason=reasons.TOO_LARGE,
            )
        yield row


def _line(row: Row) -> str:
    return f"{row.get('Name', '')}\n{version_of(row)}\n"


def _digest(lines: Iterable[str]) -> str:
    return hashlib.sha256("".join(sorted(lines)).encode()).hexdigest()[:_DIGEST_CHARACTERS]


def versions_of(row: Row, pinned: str) -> Versions | CannotLook:
    """What a description says of the newest version, or of one that a number pins ("" = none).

    A description names the newest version only; versions count up from 1. That an older one is
    there can be told, but not when it was made: whether it is another than before.
    """
    newest = version_of(row)
    number = _number(row)
    resource = str(row.get("ARN", ""))
    known = {newest: frozenset[str]()}
    if pinned in {"", number}:
        return Versions(newest, known, resource)
    if _is_number(pinned) and _is_number(number) and 1 <= int(pinned) < int(number):
        return CannotLook(f"When version {pinned} was made shows only when it is read.")
    return Versions(None, known, resource)


def version_of(row: Row) -> str:
    """The number and the time of making."""
    made = row.get("LastModifiedDate")
    number = _number(row)
    return f"{number}@{math.floor(made.timestamp())}" if isinstance(made, datetime) else number


def _number(row: Row) -> str:
    return str(row.get("Version", ""))


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdecimal()


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
