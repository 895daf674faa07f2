"""What the rows that Key Vault answers mean: plain functions of plain data.

Fed and used by keyvault. A row tells of one version of a secret, without its value.

Azure facts: "Get Secret Versions" in the REST reference orders by nothing that helps and tells of
no current one; it is the one that was created last, even if it is disabled ("About keys, secrets,
and certificates"). Times are whole seconds.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from externalsecret import identity
from externalsecret.errors import GiveUp
from externalsecret.redacted import Redacted
from externalsecret.reference import Selector
from reconciler.backends import reasons
from reconciler.backends.contract import CannotLook, Remark, Value, Versions

if TYPE_CHECKING:
    from azure.keyvault.secrets import KeyVaultSecret, SecretProperties


@dataclass(frozen=True, slots=True)
class Stamp:
    """What the list of secrets tells of a secret's newest version: another stamp, another state."""

    created: float
    updated: float
    is_enabled: bool


@dataclass(frozen=True, slots=True)
class Row:
    """One version."""

    version: str
    resource: str
    stamp: Stamp
    starts: float = 0.0
    """When it may be used, by its owner's word, in seconds since 1970; 0 where nothing is said."""
    expires: float = 0.0

    def remark(self, now: float) -> Remark | None:
        """What the user should know of it, although Key Vault gives it out."""
        if self.expires and self.expires <= now:
            return Remark(
                "SecretExpired",
                f"{self.resource} expired at {_time(self.expires)}. It is used all the same, as "
                "Key Vault gives it out; put a new version into the vault.",
            )
        if self.starts > now:
            return Remark(
                "SecretNotYetValid",
                f"{self.resource} is not to be used before {_time(self.starts)}. It is used all "
                "the same, as Key Vault gives it out.",
            )
        return None


def row_of(properties: "SecretProperties") -> Row | None:
    """The row of a version; None where the answer names none."""
    found = identity.key_vault_url(str(properties.id or ""))
    if found is None or not found[1]:
        return None
    return Row(
        found[1],
        str(properties.id).lower(),
        stamp_of(properties),
        _seconds(properties.not_before),
        _seconds(properties.expires_on),
    )


def stamp_of(properties: "SecretProperties") -> Stamp:
    """The times as seconds since 1970; 0 where Key Vault, of very old secrets, knows none."""
    return Stamp(
        _seconds(properties.created_on),
        _seconds(properties.updated_on),
        properties.enabled is not False,
    )


def newest_stamp(rows: Sequence[Row]) -> Stamp | None:
    """The stamp of the version that was created last; None where there is none."""
    return max((row.stamp for row in rows), key=lambda stamp: stamp.created, default=None)


def name_of(properties: "SecretProperties") -> str:
    """The name of a listed secret, in lower case; "" where the answer names none."""
    found = identity.key_vault_url(str(properties.id or ""))
    return "" if found is None else found[0].name


def value_of(secret: "KeyVaultSecret", key: str, now: float) -> Value:
    """The value of an answer for the secret `key`. Raises GiveUp."""
    row = row_of(secret.properties)
    # To the SDK any JSON object is an answer; one without a value must empty no Secret.
    if row is None or name_of(secret.properties) != key.lower() or secret.value is None:
        raise GiveUp(
            f"What was answered for the secret {key} lacks its identifier or its value: check the "
            "endpoint, and what stands before it.",
            reason=reasons.REFUSED,
        )
    try:
        value = Redacted(secret.value.encode())
    except UnicodeEncodeError:
        raise GiveUp(
            f"{row.resource} holds text that cannot be encoded as UTF-8: put a new version into "
            "the vault.",
            reason=reasons.BAD_VALUE,
        ) from None
    return Value(value, row.version, row.resource, row.remark(now))


def versions_of(
    rows: Sequence[Row], selector: Selector, subject: str, now: float
) -> Versions | GiveUp | CannotLook:
    """What a selector chooses among the versions: an error where that cannot be read, CannotLook
    where the rows do not tell. `now` in seconds since 1970.
    """
    if not rows:
        return GiveUp(
            f"There is no version of {subject}: create it, recover it if it was deleted, or "
            "correct it in the ExternalSecret.",
            reason=reasons.NOT_FOUND,
        )
    known = {row.version: frozenset[str]() for row in rows}
    chosen = _chosen(rows, selector)
    if len(chosen) > 1:
        return CannotLook("Two versions were created within one second: only a read tells.")
    if not chosen:
        return Versions(None, known, "")
    (row,) = chosen
    if not row.stamp.is_enabled:
        return GiveUp(
            f"Version {row.version} of {subject} is disabled: enable it, or put a new version "
            "into the vault.",
            reason=reasons.DISABLED,
        )
    return Versions(row.version, known, row.resource, remark=row.remark(now))


def _chosen(rows: Sequence[Row], selector: Selector) -> Sequence[Row]:
    if selector.is_pinned():
        return [row for row in rows if row.version == selector.value]
    newest = max(row.stamp.created for row in rows)
    return [row for row in rows if row.stamp.created == newest]


def stamps_of(listed: Iterable["SecretProperties"]) -> dict[str, Stamp]:
    """The stamps of a page of the list of secrets, by name in lower case."""
    return {name_of(one): stamp_of(one) for one in listed}


def _seconds(at: datetime | None) -> float:
    return 0.0 if at is None else at.timestamp()


def _time(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat().replace("+00:00", "Z")
