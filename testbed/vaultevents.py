"""The event notifications of Vault Enterprise, as a double of the wire before a real OpenBao.

No server that may be had speaks them, so this one does: GET /v1/sys/events/subscribe/<types> is a
WebSocket, answered with what `tell` is given; it wants a token that the real server behind knows
(403 else), and hears one namespace. It can lose messages, as Vault may, and end its connections.
Every other GET is sent on to the real server; other methods are not served, so the product must be
given a token (VAULT_TOKEN) in place of a login.

Vault pages: "/sys/events/subscribe" (API), "Event notifications" (concepts).
"""

from __future__ import annotations

import contextlib
import http
import json
import threading
import urllib.error
import urllib.request
from typing import Any, Self

from websockets.datastructures import Headers
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response
from websockets.sync.server import Server, ServerConnection, serve

_PATH = "/v1/sys/events/subscribe/"
_SECONDS = 20.0


class VaultEvents:
    """Listens on a free port of 127.0.0.1 until `close`; sends on what is not about events."""

    def __init__(self, vault: str) -> None:
        """`vault` is the address of the real server."""
        self._vault = vault
        self._changed = threading.Condition()
        self._open: dict[ServerConnection, str] = {}
        self.tokens: list[str] = []
        """Of every subscription, refused ones included."""
        self.refuses_with = 0
        """An HTTP status for every subscription; 0 for none."""
        self.loses = False
        """What is told meanwhile reaches nobody."""
        self._server: Server = serve(
            self._hold, "127.0.0.1", 0, process_request=self._judge, compression=None
        )
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def url(self) -> str:
        """For VAULT_ADDR."""
        return f"http://127.0.0.1:{self._server.socket.getsockname()[1]}"

    def tell(self, event: dict[str, Any], namespace: str = "") -> int:
        """Send an event to who subscribed that namespace; to how many it went."""
        with self._changed:
            heard = [one for one, space in self._open.items() if space == namespace]
        for connection in () if self.loses else heard:
            with contextlib.suppress(ConnectionClosed):
                connection.send(json.dumps(event))
        return 0 if self.loses else len(heard)

    def await_open(self, count: int, seconds: float = 30.0) -> None:
        """Wait until so many sockets are open."""
        with self._changed:
            if not self._changed.wait_for(lambda: len(self._open) == count, seconds):
                raise TimeoutError(f"{len(self._open)} sockets are open, not {count}.")

    def await_subscriptions(self, count: int, seconds: float = 30.0) -> None:
        """Wait until so many were tried since the start."""
        with self._changed:
            if not self._changed.wait_for(lambda: len(self.tokens) >= count, seconds):
                raise TimeoutError(f"{len(self.tokens)} subscriptions, not {count}.")

    def cut(self) -> None:
        """End every connection."""
        with self._changed:
            connections = list(self._open)
        for connection in connections:
            connection.close(1001)

    def close(self) -> None:
        """Stop listening; may be called twice."""
        self._server.shutdown()
        self._thread.join()

    def _judge(self, _: ServerConnection, request: Request) -> Response | None:
        """None lets the handshake go on."""
        if not request.path.startswith(_PATH):
            return self._passed_on(request)
        token = request.headers.get("X-Vault-Token", "")
        status = self.refuses_with or self._status_of(token)
        with self._changed:
            self.tokens.append(token)
            self._changed.notify_all()
        return None if status == http.HTTPStatus.OK else _response(status)

    def _hold(self, connection: ServerConnection) -> None:
        request = connection.request
        namespace = "" if request is None else request.headers.get("X-Vault-Namespace", "")
        with self._changed:
            self._open[connection] = namespace
            self._changed.notify_all()
        try:
            for _ in connection:
                pass
        finally:
            with self._changed:
                del self._open[connection]
                self._changed.notify_all()

    def _status_of(self, token: str) -> int:
        status, _ = self._ask("auth/token/lookup-self", token)
        return status

    def _passed_on(self, request: Request) -> Response:
        token = request.headers.get("X-Vault-Token", "")
        status, body = self._ask(request.path.removeprefix("/v1/"), token)
        return _response(status, body)

    def _ask(self, path: str, token: str) -> tuple[int, bytes]:
        """One GET of the real server; the library of WebSockets takes no other method."""
        asked = urllib.request.Request(  # noqa: S310 - of our own making
            f"{self._vault}/v1/{path}", headers={"X-Vault-Token": token}
        )
        try:
            with urllib.request.urlopen(asked, timeout=_SECONDS) as reply:  # noqa: S310
                return reply.status, reply.read()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read()


def _response(status: int, body: bytes = b'{"errors": ["permission denied"]}') -> Response:
    headers = Headers(
        {
            "Content-Type": "application/json",
            "Content-Length": str(len(body)),
            "Connection": "close",
        }
    )
    return Response(status, http.HTTPStatus(status).phrase, headers, body)
