"""What the answers of Google's Secret Manager mean: plain functions of plain data.

Fed and used by googlesecretmanager with the SDK's messages.

A version is the service's number. A secret that is deleted and created anew counts from 1 again,
and the answer with a value does not tell when its version was made; the description of a version
does, and goes along as Versions.made (see reconciler.remade).

Google facts: "AccessSecretVersionResponse", "SecretPayload" and "SecretVersion" in the Secret
Manager API reference; every name in an answer has the project's number.
"""

import math
import re
from typing import TYPE_CHECKING

import google_crc32c

from externalsecret.errors import Retry
from externalsecret.redacted import Redacted
from reconciler.backends import reasons
from reconciler.backends.contract import Value, Versions
from reconciler.backends.googleerrors import destroyed, disabled, foreign

if TYPE_CHECKING:
    from google.cloud.secretmanager_v1 import AccessSecretVersionResponse, SecretVersion


_VERSION = re.compile(r"(projects/.+/secrets/([^/]+))/versions/([1-9][0-9]*)", re.ASCII)


def value_of(row: "AccessSecretVersionResponse", key: str, subject: str) -> Value:
    """The value of an answer for the secret `key`. Raises Retry where the answer is not about it,
    or the value is not what its checksum says.
    """
    resource, number = _parts(row.name, key, subject)
    data = bytes(row.payload.data)
    if "data_crc32c" in row.payload and google_crc32c.value(data) != row.payload.data_crc32c:
        raise Retry(
            f"The value of {subject} did not arrive as it was sent: its checksum differs. It is "
            "read again; if this lasts, look at what stands between Hark and Google.",
            reason=reasons.BAD_CHECKSUM,
        )
    return Value(Redacted(data), number, resource)


def versions_of(row: "SecretVersion", key: str, subject: str, now: float) -> Versions:
    """The version that was asked for, and whether it can be read. `now` in seconds since 1970.

    Raises Retry where the answer is not about the secret `key`.
    """
    resource, number = _parts(row.name, key, subject)
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


def _parts(name: str, key: str, subject: str) -> tuple[str, str]:
    """The secret's resource name, and the version's number.

    To the SDK any JSON object is an answer, {} that of an empty value: the name tells.
    """
    found = _VERSION.fullmatch(name)
    if found is None or found[2] != key:
        raise foreign(subject)
    return (found[1], found[3])
