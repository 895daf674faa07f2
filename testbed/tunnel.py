"""A proxy for https (CONNECT) that knows a few hosts and no others: for a product that shall reach
doubles by the real services' names, and nothing else.

Feeds nothing but bytes through; what it logs are the names that were asked for. TLS is the business
of both ends.
"""

from __future__ import annotations

import contextlib
import http.server
import socket
import threading
from collections.abc import Mapping
from typing import Self

_PIECE_BYTES = 64 * 1024


class Tunnel:
    """Listens on a free port of 127.0.0.1 until `close`."""

    def __init__(self, hosts: Mapping[str, int]) -> None:
        """`hosts` leads from names to ports of 127.0.0.1."""
        self._server = _Server(dict(hosts))
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(0.05,), name="tunnel", daemon=True
        )
        self._thread.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def url(self) -> str:
        """For HTTPS_PROXY."""
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    @property
    def asked(self) -> tuple[str, ...]:
        """The hosts that were asked for, in order, known or not."""
        return tuple(self._server.asked)

    def close(self) -> None:
        """Stop listening; may be called twice."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class _Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False

    def __init__(self, hosts: dict[str, int]) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.hosts = hosts
        self.asked: list[str] = []

    def handle_error(self, request: object, client_address: object) -> None:
        """Be silent about clients that went away."""


class _Handler(http.server.BaseHTTPRequestHandler):
    server: _Server

    def do_CONNECT(self) -> None:
        """Join the client with a host, until one of them ends."""
        host = self.path.rpartition(":")[0]
        self.server.asked.append(host)
        port = self.server.hosts.get(host)
        if port is None:
            self.send_error(502, "no such host")
            return
        with socket.create_connection(("127.0.0.1", port)) as there:
            self.send_response(200)
            self.end_headers()
            back = threading.Thread(target=_pass, args=(there, self.connection), daemon=True)
            back.start()
            _pass(self.connection, there)
            back.join()

    def log_message(self, *_args: object) -> None:
        """Write nothing to standard error."""


def _pass(one: socket.socket, other: socket.socket) -> None:
    """Send on what comes, and the end."""
    with contextlib.suppress(OSError):
        while piece := one.recv(_PIECE_BYTES):
            other.sendall(piece)
    for end in (one, other):
        with contextlib.suppress(OSError):
            end.shutdown(socket.SHUT_RDWR)
