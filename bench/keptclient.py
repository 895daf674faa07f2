"""A plain client of the API server: one connection, kept, and nothing between it and the wire.

Feeds the unit of the round trips, the floor and the set-up of every scenario. Standard library
only, so that what it costs is what the API server costs. Not for several threads: each opens its
own.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import socket
import ssl
import time
import urllib.parse
from collections.abc import Mapping
from typing import Any

from testbed.cluster import MERGE_PATCH, Cluster

_IDLE_SECONDS = 30.0
"""A connection that was unused for longer is opened anew: the API server ends idle ones."""


class KeptClient:
    """The administrator on one kept connection."""

    def __init__(self, cluster: Cluster, *, timeout: float | None = 60.0) -> None:
        """`timeout` in seconds of silence, of which a watch may have any amount (None)."""
        config = json.loads(cluster.admin_kubeconfig.read_text())
        self._headers = {"Authorization": f"Bearer {config['users'][0]['user']['token']}"}
        address = urllib.parse.urlsplit(cluster.url)
        self._connection = http.client.HTTPSConnection(
            address.hostname or "",
            address.port,
            timeout=timeout,
            context=ssl.create_default_context(cafile=cluster.ca_file),
        )
        self._used_at = time.monotonic()

    def close(self) -> None:
        self._connection.close()

    def hang_up(self) -> None:
        """End what another thread reads from it; that thread may meet an OSError, and closes."""
        if self._connection.sock is not None:
            with contextlib.suppress(OSError):
                self._connection.sock.shutdown(socket.SHUT_RDWR)

    def open(self, method: str, path: str, body: bytes | None = None) -> http.client.HTTPResponse:
        """Send a request; the answer, of which only the head was read."""
        if time.monotonic() - self._used_at > _IDLE_SECONDS:
            self._connection.close()
        kind = MERGE_PATCH if method == "PATCH" else "application/json"
        self._connection.request(method, path, body, {**self._headers, "Content-Type": kind})
        answer = self._connection.getresponse()
        self._used_at = time.monotonic()
        if answer.status >= http.client.BAD_REQUEST:
            raise RuntimeError(f"{method} {path}: {answer.status} {answer.read(500)!r}")
        return answer

    def raw(self, method: str, path: str, body: bytes) -> bytes:
        """One call with a body that is made already; the unparsed answer."""
        return self.open(method, path, body).read()

    def request(
        self, method: str, path: str, body: Mapping[str, Any] | None = None
    ) -> dict[str, Any]:
        """One call; the parsed answer."""
        sent = None if body is None else json.dumps(body).encode()
        answer: dict[str, Any] = json.loads(self.open(method, path, sent).read())
        return answer

    def text(self, path: str) -> str:
        """The answer to a GET as it is."""
        return self.open("GET", path).read().decode()
