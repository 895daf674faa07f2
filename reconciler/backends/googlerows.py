"""What the answers of Google's Secret Manager mean: plain functions of plain data.

Fed and used by googlesecretmanager with the SDK's messages.

A version is the service's number. A secret that is deleted and created anew counts from 1 again,
and the answer with a value does not tell when its version was made; the description of a version
does, and goes along as Versions.made (see reconciler.remade).

Google facts: "AccessSecretVersionResponse", "SecretPayload" and "SecretVersion" in the Secret
Manager API reference; every name in an answer has the project's number.
"""

import math
from typing import TYPE_CHECKING

import google_crc32c

from externalsecret.errors import Retry
from externalsecret.redacted import Redacted
from reconciler.backends import reasons
from reconciler.backends.contract import Value, Versions
from reconciler.backends.googleerrors import destroyed, disabled

if TYPE_CHECKING:
    from google.cloud.secretmanager_v1 import AccessSecretVersionResponse, SecretVersion


def value_of(row: "AccessSecretVersionResponse", subject: str) -> Value:
    """The value of an answer. Raises Retry where the value is not what its checksum says."""
    data = bytes(row.payload.data)
    if "data_crc32c" in row.payload and google_crc32c.value(data) != row.payload.data_crc32c:
        raise Retry(
            f"The value of {subject} did not arrive as it was sent: its checksum differs. It is "
            "read again; if this lasts, look at what stands between Hark and Google.",
            reason=reasons.BAD_CHECKSUM,
        )
    resource, number = _parts(row.name)
    return Value(Redacted(data), number, resource)


def versions_of(row: "SecretVersion", subject: str, now: float) -> Versions:
    """The version that was asked for, and whether it can be read. `now` in seconds since 1970."""
    resource, number = _parts(row.name)
    state = row.state.name
    made = row.create_time.timestamp() if row.create_time else None
    age = math.inf if made is None else now - made
    known = {number: frozenset[str]()}
    if state == "DISABLED":
        gone = disabled(subject, number)
    elif state == "DESTROYED":
        gone = destroyed(subject, number)
    else:
        return Versions(number, known, resource, made=made, age=age)
    return Versions(number, known, resource, gone.message, gone.reason, made, age)


def _parts(name: str) -> tuple[str, str]:
    """The secret's resource name, and the version's number."""
    resource, _, number = name.partition("/versions/")
    return (resource, number)
