"""What the rows that AWS Secrets Manager answers mean: plain functions of plain data.

Fed and used by secretsmanager. A row is an answer of GetSecretValue or DescribeSecret, or one entry
of the answers of BatchGetSecretValue or ListSecrets.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from externalsecret.errors import GiveUp
from externalsecret.redacted import Redacted
from externalsecret.reference import Selector
from reconciler.backends import reasons
from reconciler.backends.contract import Binary, Value, Versions

Row = Mapping[str, Any]

CURRENT_STAGE = "AWSCURRENT"
_SUFFIX = 7
"""Characters that AWS adds to the name in an ARN: a hyphen and six at random."""


def value_of(row: Row) -> Value:
    """The value of a row that holds one; binary wins over text, as in KES. Raises GiveUp."""
    version = str(row.get("VersionId", ""))
    resource = str(row.get("ARN", ""))
    if not version or not resource:
        raise GiveUp(
            "AWS Secrets Manager gave an answer without version or ARN: check the endpoint.",
            reason=reasons.REFUSED,
        )
    held = _bytes_of(row)
    if held is None:
        raise GiveUp(
            f"Version {version} of the secret {row.get('Name', resource)} holds neither text that "
            "can be encoded nor binary: put a value into it.",
            reason=reasons.BAD_VALUE,
        )
    value = Redacted(held)
    is_binary = row.get("SecretBinary") is not None
    return Value(Binary(value) if is_binary else value, version, resource)


def _bytes_of(row: Row) -> bytes | None:
    binary = row.get("SecretBinary")
    if binary is not None:
        return bytes(binary)
    text = row.get("SecretString")
    if text is None:
        return None
    try:
        return str(text).encode()
    except UnicodeEncodeError:
        return None


def stages_of(row: Row) -> dict[str, frozenset[str]]:
    """Version ids with their staging labels, as DescribeSecret or ListSecrets names them."""
    stages: Mapping[str, Iterable[str]] = (
        row.get("VersionIdsToStages") or row.get("SecretVersionsToStages") or {}
    )
    return {version: frozenset(labels) for version, labels in stages.items()}


def versions_of(row: Row, selector: Selector) -> Versions:
    """What a selector chooses among the versions of a described or listed secret."""
    known = stages_of(row)
    if selector.is_pinned():
        current = selector.value if selector.value in known else None
    else:
        label = selector.value or CURRENT_STAGE
        current = next((version for version, labels in known.items() if label in labels), None)
    return Versions(current, known, str(row.get("ARN", "")), _why_gone(row))


def _why_gone(row: Row) -> str:
    if row.get("DeletedDate") is None:
        return ""
    return (
        f"The secret {row.get('Name', '')} is marked for deletion: restore it, or drop it from "
        "the ExternalSecret."
    )


def spellings(row: Row) -> tuple[str, str, str]:
    """The keys under which users may ask for a row's secret: ARN, ARN without suffix, name."""
    arn = str(row.get("ARN", ""))
    return (arn, arn[:-_SUFFIX], str(row.get("Name", "")))


def by_spelling(rows: Iterable[Row]) -> dict[str, Row]:
    """The rows by the keys that choose them for certain.

    A name that two rows have (secrets of two accounts, asked for by ARN) chooses neither.
    """
    chosen: dict[str, Row] = {}
    ambiguous: set[str] = set()
    for row in rows:
        for key in spellings(row):
            other = chosen.setdefault(key, row)
            if other.get("ARN") != row.get("ARN"):
                ambiguous.add(key)
    return {key: row for key, row in chosen.items() if key and key not in ambiguous}
