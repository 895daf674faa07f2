"""A double of Google's Secret Manager: its HTTP and JSON protocol, spoken to by the real SDK.

No emulator of it is to be had. Serves what reads: access, get and list of versions, get of secrets,
on free port of 127.0.0.1, over TLS where a context is given. Secrets are changed by calling the
methods of `SecretManager`. Answers name the project's number, as the real service's do, whichever
name of the project was asked for; values carry their CRC32C. Faults of the network and of quotas
are a WireProxy's business (testbed.proxy, with `refusal`). Not there: IAM, topics, replication,
customer keys, expiry; nothing is eventually consistent.

Google facts: "REST Resource: projects.secrets.versions" in the Secret Manager API reference.
"""

from __future__ import annotations

import http.server
import json
import ssl
import threading
import urllib.parse
from collections import Counter
from collections.abc import Mapping
from typing import Any, Self

from testbed.actions import Action, answer
from testbed.googlesecrets import Refusal, SecretManager

__all__ = ["Refusal", "SecretManager", "SecretManagerServer", "refusal"]

_BACKLOG = 128


class SecretManagerServer(http.server.ThreadingHTTPServer):
    """Serves a SecretManager until `close`."""

    daemon_threads = True
    block_on_close = False
    request_queue_size = _BACKLOG

    def __init__(
        self, manager: SecretManager | None = None, context: ssl.SSLContext | None = None
    ) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.manager = manager or SecretManager()
        self._lock = threading.Lock()
        self._calls: Counter[str] = Counter()
        self._tokens: set[str] = set()
        self._scheme = "http"
        if context is not None:
            self._scheme = "https"
            # The handshake belongs to the connection's thread, not to the one that accepts.
            self.socket = context.wrap_socket(
                self.socket, server_side=True, do_handshake_on_connect=False
            )
        self._thread = threading.Thread(
            target=self.serve_forever, args=(0.05,), name="secret manager", daemon=True
        )
        self._thread.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def port(self) -> int:
        return int(self.server_address[1])

    @property
    def url(self) -> str:
        return f"{self._scheme}://127.0.0.1:{self.port}"

    @property
    def calls(self) -> Counter[str]:
        """Calls so far by the service's name of the method, such as AccessSecretVersion."""
        with self._lock:
            return Counter(self._calls)

    @property
    def tokens(self) -> frozenset[str]:
        """The bearer tokens that came."""
        with self._lock:
            return frozenset(self._tokens)

    def note(self, method: str, authorization: str) -> None:
        """For the handler: count a call."""
        with self._lock:
            self._calls[method] += 1
            self._tokens.add(authorization.removeprefix("Bearer "))

    def close(self) -> None:
        """Stop listening; may be called twice."""
        self.shutdown()
        self.server_close()
        self._thread.join()

    def handle_error(self, request: object, client_address: object) -> None:
        """Be silent about clients that went away."""


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: SecretManagerServer

    def do_GET(self) -> None:
        """Answer one call."""
        address = urllib.parse.urlsplit(self.path)
        path = urllib.parse.unquote(address.path).removeprefix("/v1/")
        query = dict(urllib.parse.parse_qsl(address.query))
        method = _method(path)
        self.server.note(method, self.headers.get("Authorization", ""))
        try:
            body = self._answered(method, path, query)
        except Refusal as refused:
            self._send(refused.code, refused.body())
        else:
            self._send(200, body)

    def _answered(self, method: str, path: str, query: Mapping[str, str]) -> dict[str, Any]:
        manager = self.server.manager
        if not self.headers.get("Authorization", "").startswith("Bearer "):
            raise Refusal(401, "UNAUTHENTICATED", "Request is missing required credentials.")
        if method == "AccessSecretVersion":
            return manager.access(path.removesuffix(":access"))
        if method == "GetSecretVersion":
            return manager.describe(path)
        if method == "ListSecretVersions":
            size = int(query.get("pageSize", "0"))
            return manager.page(path.removesuffix("/versions"), size, query.get("pageToken", ""))
        return manager.secret(path)

    def _send(self, status: int, body: dict[str, Any]) -> None:
        encoded = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json; charset=UTF-8")
        self.send_header("Content-Length", str(len(encoded)))
        self.end_headers()
        self.wfile.write(encoded)

    def log_message(self, *_args: object) -> None:
        """Write nothing to standard error."""


def _method(path: str) -> str:
    if path.endswith(":access"):
        return "AccessSecretVersion"
    if path.endswith("/versions"):
        return "ListSecretVersions"
    return "GetSecretVersion" if "/versions/" in path else "GetSecret"


def refusal(
    code: int,
    status: str,
    message: str,
    *,
    details: tuple[Mapping[str, Any], ...] = (),
    headers: Mapping[str, str] | None = None,
) -> Action:
    """For a rule of the wire proxy: what Google answers when it refuses."""
    body = json.dumps(Refusal(code, status, message, details).body()).encode()
    return answer(code, body, {"Content-Type": "application/json", **(headers or {})})
