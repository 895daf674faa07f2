"""What the Azure double is asked and what it answers: plain data, shared by its parts."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from typing import Any


@dataclasses.dataclass(frozen=True)
class Call:
    """One request. Its repr shows neither headers nor body."""

    method: str
    host: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str] = dataclasses.field(repr=False)
    """Names are in lower case."""
    body: bytes = dataclasses.field(repr=False, default=b"")
    operation: str = ""
    """get, versions, list, challenge, token, metadata or another, once that is known."""

    @property
    def vault(self) -> str:
        """The first label of the host: the vault's name, where a vault is asked."""
        return self.host.partition(".")[0]


@dataclasses.dataclass(frozen=True)
class Answer:
    """What is sent back."""

    status: int
    body: Any = None
    """Becomes JSON, unless it is bytes."""
    headers: Mapping[str, str] = dataclasses.field(default_factory=dict)

    def content(self) -> bytes:
        """The body as it is sent."""
        return self.body if isinstance(self.body, bytes) else json.dumps(self.body).encode()


def refusal(
    status: int,
    code: str,
    message: str,
    inner: str = "",
    headers: Mapping[str, str] | None = None,
) -> Answer:
    """What Key Vault answers when it refuses; `inner` is the code of the inner error."""
    error: dict[str, Any] = {"code": code, "message": message}
    if inner:
        error["innererror"] = {"code": inner}
    return Answer(status, {"error": error}, headers or {})
