"""The listening side of the wire proxy: accepts connections, reads requests, and hands them on.

Feeds proxy.py through a Treatment, and knows nothing of rules. One thread a connection, which is
kept alive between requests.
"""

from __future__ import annotations

import contextlib
import http.server
import io
import socket
import threading
from typing import Protocol

from testbed.exchange import HangUpError, Upstream
from testbed.request import Request, read_request

_LISTEN_BACKLOG = 128


class Treatment(Protocol):
    """What the server asks of the proxy."""

    def connect(self) -> Upstream:
        """Make the upstream side of a new connection."""

    def treat(
        self, request: Request, target: str, wfile: io.BufferedIOBase, upstream: Upstream
    ) -> None:
        """Answer a request, or raise HangUpError."""


class ProxyServer(http.server.ThreadingHTTPServer):
    """Listens on a free port of 127.0.0.1 until `close`."""

    daemon_threads = True
    # Threads that hold a request back would make closing wait for them.
    block_on_close = False
    request_queue_size = _LISTEN_BACKLOG

    def __init__(self, treatment: Treatment) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.treatment = treatment
        self._lock = threading.Lock()
        self._connections: dict[socket.socket, Upstream] = {}
        self._thread = threading.Thread(
            target=self.serve_forever, args=(0.05,), name="wire proxy", daemon=True
        )
        self._thread.start()

    @property
    def url(self) -> str:
        """The address to give to clients."""
        return f"http://127.0.0.1:{self.server_address[1]}"

    def opened(self, client: socket.socket) -> Upstream:
        """Note a new connection and return its upstream side."""
        upstream = self.treatment.connect()
        with self._lock:
            self._connections[client] = upstream
        return upstream

    def closed(self, client: socket.socket) -> None:
        """Forget a connection."""
        with self._lock:
            upstream = self._connections.pop(client, None)
        if upstream is not None:
            upstream.close()

    def cut_connections(self) -> None:
        """Break every open connection on both sides."""
        with self._lock:
            connections = tuple(self._connections.items())
        for client, upstream in connections:
            with contextlib.suppress(OSError):
                client.shutdown(socket.SHUT_RDWR)
            upstream.abort()

    def close(self) -> None:
        """Stop listening and break every connection; may be called twice."""
        self.shutdown()
        self.server_close()
        self.cut_connections()
        self._thread.join()

    def handle_error(self, request: object, client_address: object) -> None:
        """Be silent about clients that went away, which is a wire proxy's daily business."""


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: ProxyServer

    def setup(self) -> None:
        super().setup()
        self._upstream = self.server.opened(self.connection)

    def finish(self) -> None:
        self.server.closed(self.connection)
        super().finish()

    def handle_any(self) -> None:
        """Read one request and have it treated."""
        headers = {name.lower(): value for name, value in self.headers.items()}
        request = read_request(self.command, self.path, headers, self._read_body(headers))
        try:
            self.server.treatment.treat(request, self.path, self.wfile, self._upstream)
        except HangUpError:
            self.close_connection = True

    # http.server looks for a method by the verb's name.
    do_DELETE = do_GET = do_HEAD = do_PATCH = do_POST = do_PUT = handle_any  # noqa: N815

    def log_message(self, *_args: object) -> None:
        """Write nothing to standard error."""

    def _read_body(self, headers: dict[str, str]) -> bytes:
        if headers.get("transfer-encoding", "").lower() != "chunked":
            return self.rfile.read(int(headers.get("content-length", "0")))
        body = b""
        while size := int(self.rfile.readline().split(b";")[0], 16):
            body += self.rfile.read(size)
            self.rfile.readline()
        while self.rfile.readline().strip():
            continue
        return body
