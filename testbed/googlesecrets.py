"""The state of the double of Google's Secret Manager: projects, secrets and their versions.

Served by testbed.secretmanager; changed by whoever plays the administrator. Safe to use from
several threads. Answers are JSON objects as the service writes them.
"""

from __future__ import annotations

import base64
import re
import threading
from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import google_crc32c

_PATH = re.compile(
    r"(?P<secret>projects/[^/]+(?:/locations/[^/]+)?/secrets/[^/]+)(?:/versions/(?P<version>[^/]+))?"
)
_PAGE = 250


class Refusal(Exception):
    """What the service answers when it refuses."""

    def __init__(
        self, code: int, status: str, message: str, details: tuple[Mapping[str, Any], ...] = ()
    ) -> None:
        super().__init__(message)
        self.code = code
        self._status = status
        self._details = details

    def body(self) -> dict[str, Any]:
        """The JSON of the answer."""
        error: dict[str, Any] = {"code": self.code, "message": str(self), "status": self._status}
        if self._details:
            error["details"] = list(self._details)
        return {"error": error}


@dataclass(slots=True)
class _Version:
    payload: bytes | None
    made: str
    state: str = "ENABLED"


@dataclass(slots=True)
class _Secret:
    made: str
    versions: dict[int, _Version] = field(default_factory=dict)
    aliases: dict[str, int] = field(default_factory=dict)


class SecretManager:
    """Secrets by resource name. Those that are not there yet are made by `add`."""

    def __init__(self, projects: Mapping[str, str] | None = None) -> None:
        """`projects` are the numbers of project ids; other projects are refused."""
        self._numbers = dict(projects or {"shop-prod": "4711"})
        self._lock = threading.RLock()
        self._secrets: dict[str, _Secret] = {}
        self._corrupt: set[str] = set()
        self._made_as_of: datetime | None = None

    def at_once(self) -> AbstractContextManager[object]:
        """Let nobody be answered until all changes in this context are made."""
        return self._lock

    # What an administrator does. Names are projects/P[/locations/L]/secrets/S.

    def add(self, name: str, payload: bytes) -> str:
        """Add a version; its number."""
        with self._lock:
            made = self._now()
            secret = self._secrets.setdefault(self._numbered(name), _Secret(made))
            number = max(secret.versions, default=0) + 1
            secret.versions[number] = _Version(payload, made)
            return str(number)

    def create(self, name: str) -> None:
        """Make a secret without a version."""
        with self._lock:
            self._secrets[self._numbered(name)] = _Secret(self._now())

    def delete(self, name: str) -> None:
        """Delete a secret with all that it has; one of that name counts from 1 again."""
        with self._lock:
            del self._secrets[self._numbered(name)]

    def disable(self, name: str, number: str) -> None:
        self._set_state(name, number, "DISABLED")

    def enable(self, name: str, number: str) -> None:
        self._set_state(name, number, "ENABLED")

    def destroy(self, name: str, number: str) -> None:
        self._set_state(name, number, "DESTROYED")

    def alias(self, name: str, alias: str, number: str) -> None:
        """Let an alias name a version."""
        with self._lock:
            self._secrets[self._numbered(name)].aliases[alias] = int(number)

    def corrupt(self, name: str, *, is_corrupt: bool = True) -> None:
        """Send values that are not what their checksum says, until told otherwise."""
        with self._lock:
            numbered = self._numbered(name)
            (self._corrupt.add if is_corrupt else self._corrupt.discard)(numbered)

    def make_as_of(self, at: datetime | None) -> None:
        """What is made from now on was made at that time; None for the clock's."""
        with self._lock:
            self._made_as_of = at

    # What the service answers.

    def access(self, path: str) -> dict[str, Any]:
        """AccessSecretVersion. Raises Refusal, as the others do."""
        with self._lock:
            name, number, version = self._version(path)
            full = f"{name}/versions/{number}"
            if version.payload is None or version.state != "ENABLED":
                raise Refusal(
                    400,
                    "FAILED_PRECONDITION",
                    f"Secret Version [{full}] is in {version.state} state.",
                )
            payload = version.payload
            checksum = google_crc32c.value(payload)
            if name in self._corrupt:
                payload += b"!"
            data = base64.b64encode(payload).decode()
            return {"name": full, "payload": {"data": data, "dataCrc32c": str(checksum)}}

    def describe(self, path: str) -> dict[str, Any]:
        """GetSecretVersion."""
        with self._lock:
            name, number, version = self._version(path)
            return _described(name, number, version)

    def page(self, name: str, size: int, token: str) -> dict[str, Any]:
        """ListSecretVersions, the newest first."""
        with self._lock:
            numbered, secret = self._secret(name)
            numbers = sorted(secret.versions, reverse=True)
            start = int(token or "0")
            end = start + min(size or _PAGE, _PAGE)
            body: dict[str, Any] = {
                "versions": [
                    _described(numbered, number, secret.versions[number])
                    for number in numbers[start:end]
                ],
                "totalSize": len(numbers),
            }
            if end < len(numbers):
                body["nextPageToken"] = str(end)
            return body

    def secret(self, name: str) -> dict[str, Any]:
        """GetSecret."""
        with self._lock:
            numbered, secret = self._secret(name)
            return {
                "name": numbered,
                "createTime": secret.made,
                "replication": {"automatic": {}},
                "versionAliases": {name: str(number) for name, number in secret.aliases.items()},
            }

    def _set_state(self, name: str, number: str, state: str) -> None:
        with self._lock:
            version = self._secrets[self._numbered(name)].versions[int(number)]
            version.state = state
            if state == "DESTROYED":
                version.payload = None

    def _version(self, path: str) -> tuple[str, int, _Version]:
        found = _PATH.fullmatch(path)
        if found is None or found["version"] is None:
            raise Refusal(400, "INVALID_ARGUMENT", f"The resource name [{path}] is not valid.")
        name, secret = self._secret(found["secret"])
        chosen = found["version"]
        if not secret.versions:
            raise Refusal(404, "NOT_FOUND", f"Secret [{name}] not found or has no versions.")
        number = secret.aliases.get(chosen, 0)
        if chosen == "latest":
            number = max(secret.versions)
        elif chosen.isdecimal():
            number = int(chosen)
        if number not in secret.versions:
            raise Refusal(404, "NOT_FOUND", f"Secret Version [{name}/versions/{chosen}] not found.")
        return name, number, secret.versions[number]

    def _secret(self, name: str) -> tuple[str, _Secret]:
        numbered = self._numbered(name)
        if numbered not in self._secrets:
            raise Refusal(404, "NOT_FOUND", f"Secret [{numbered}] not found or has no versions.")
        return numbered, self._secrets[numbered]

    def _numbered(self, name: str) -> str:
        project, _, rest = name.removeprefix("projects/").partition("/")
        number = self._numbers.get(project, project)
        if number not in self._numbers.values():
            raise Refusal(
                403,
                "PERMISSION_DENIED",
                f"Permission 'secretmanager.versions.access' denied for resource '{name}' (or it "
                "may not exist).",
            )
        return f"projects/{number}/{rest}"

    def _now(self) -> str:
        at = self._made_as_of or datetime.now(UTC)
        return at.isoformat(timespec="microseconds").replace("+00:00", "Z")


def _described(name: str, number: int, version: _Version) -> dict[str, Any]:
    return {
        "name": f"{name}/versions/{number}",
        "createTime": version.made,
        "state": version.state,
        "clientSpecifiedPayloadChecksum": False,
    }
