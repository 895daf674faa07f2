"""Serves the webhook's application from threads of this process, with TLS of its own or without.

Fed by listener.webhook.app; cheroot does the work. Guarantees: the port is bound when the
constructor returns; a connection holds a thread only once it has sent something, and the handshake
of TLS is done in that thread; whoever holds idle connections, however many, loses the longest idle
one to the next that comes; what the server itself refuses is a sentence in JSON too. No access
log, as a query may hold a secret. `close` answers what is under way and returns when the port is
free.
"""

import json
import socket
import ssl
import sys
import threading
from collections.abc import Callable
from http import HTTPStatus
from typing import Any

import structlog
from cheroot.errors import FatalSSLAlert
from cheroot.makefile import MakeFile
from cheroot.server import HTTPConnection, HTTPRequest
from cheroot.ssl import Adapter
from cheroot.wsgi import Server

from externalsecret.errors import GiveUp
from listener.webhook import reading

log = structlog.get_logger()

THREADS = 32
_MOST_CONNECTIONS = 200
_BACKLOG = 64
_IDLE_SECONDS = 10
_CLOSE_SECONDS = 5
_MOST_HEADER_BYTES = 64 * 1024
_SLACK_BYTES = 64 * 1024
_POLL_SECONDS = 0.2

Context = Callable[[], ssl.SSLContext]
"""The certificate to show in the next handshake."""


class Served:
    """An application that is being served."""

    def __init__(self, app: Any, port: int, longest_body: int, context: Context | None) -> None:
        """Bind and serve; port 0 takes a free one. GiveUp (PortTaken) where it cannot be bound."""
        self._server = _Server(app, _place(port), longest_body)
        if context is not None:
            self._server.ssl_adapter = _Tls(context)
        try:
            self._server.prepare()
        except OSError as error:
            raise GiveUp(
                f"Port {port} cannot be served ({error.strerror or error}). End what uses it, or "
                "set HARK_WEBHOOK_PORT to another one.",
                reason="PortTaken",
            ) from error
        self.port = int(self._server.bind_addr[1])
        self._thread = threading.Thread(
            target=self._server.serve, name=f"webhook-{self.port}", daemon=True
        )
        self._thread.start()

    def close(self) -> None:
        """Take no more requests, answer those under way; may be called twice."""
        self._server.stop()
        self._thread.join(_CLOSE_SECONDS)


class _Request(HTTPRequest):
    """One request; what is wrong with it as HTTP is told in JSON."""

    def parse_request(self) -> None:
        connected = self.conn.socket
        if isinstance(connected, ssl.SSLSocket):
            try:
                connected.do_handshake()
            except (OSError, ValueError) as error:
                raise FatalSSLAlert(*error.args) from None
        self.conn.rfile.hurry(reading.HEAD_SECONDS)
        self.header_reader = reading.Headers()
        super().parse_request()
        self.conn.rfile.hurry(reading.REST_SECONDS)
        if self.ready and not self.inheaders.get(b"Content-Length", b"0").isdigit():
            self.ready = False
            self.simple_response("400 Bad Request", "Content-Length must be a number.")
        if self.ready and b"Transfer-Encoding" in self.inheaders and not self._has_chunks_alone():
            # A proxy in front may believe the other one, and take a part of this for the next.
            self.ready = False
            self.simple_response("400 Bad Request", "Send one of Content-Length and chunks.")
        if self.chunked_read:
            # Where chunks end, another server may see another end: nothing may follow them.
            self.close_connection = True

    def _has_chunks_alone(self) -> bool:
        coding = self.inheaders[b"Transfer-Encoding"].lower()
        is_new = self.response_protocol == "HTTP/1.1"
        return is_new and coding == b"chunked" and b"Content-Length" not in self.inheaders

    def send_headers(self) -> None:
        """Whoever sent chunks has not seen his answer while something of them is not read."""
        self.conn.rfile.hurry(reading.UNREAD_SECONDS)
        if self.chunked_read and self.rfile.closed:
            self.conn.rfile.readline()
        super().send_headers()

    def simple_response(self, status: str, msg: str = "") -> None:
        """Answer what does not reach the application; `msg` is the server's own sentence."""
        code = HTTPStatus(int(status.split(maxsplit=1)[0]))
        self.close_connection = True
        body = json.dumps({"error": msg or f"{code.phrase}."}).encode() + b"\n"
        head = [
            f"{self.server.protocol} {code.value} {code.phrase}",
            "Content-Type: application/json",
            f"Content-Length: {len(body)}",
            "Connection: close",
        ]
        self.conn.wfile.write("\r\n".join([*head, "", ""]).encode("latin-1") + body)


class _Connection(HTTPConnection):
    RequestHandlerClass = _Request

    def __init__(self, server: Any, sock: Any, makefile: Any = MakeFile) -> None:
        def made(connected: Any, mode: str, size: int) -> Any:
            if "r" in mode:
                return reading.Reader(connected, size)
            return makefile(connected, mode, size)

        super().__init__(server, sock, made)


class _Server(Server):
    """cheroot's server, with our bounds and without its standard error."""

    ConnectionClass = _Connection
    keep_alive_conn_limit = _MOST_CONNECTIONS
    expiration_interval = _POLL_SECONDS

    def __init__(self, app: Any, place: tuple[str, int], longest_body: int) -> None:
        super().__init__(
            place,
            app,
            numthreads=THREADS,
            server_name="hark",
            max=THREADS,
            request_queue_size=_BACKLOG,
            timeout=_IDLE_SECONDS,
            shutdown_timeout=_CLOSE_SECONDS,
            accepted_queue_size=_BACKLOG,
            accepted_queue_timeout=0,
        )
        self.max_request_header_size = _MOST_HEADER_BYTES
        # Above the application's own limit, which it answers better.
        self.max_request_body_size = longest_body + _SLACK_BYTES

    def process_conn(self, conn: Any) -> None:
        """Hand a connection to a thread, a new one not before it has sent something."""
        if conn.last_used is not None:
            super().process_conn(conn)
            return
        if self.can_add_keepalive_connection or self._ends_longest_idle():
            self.put_conn(conn)
        else:
            conn.close()

    def _ends_longest_idle(self) -> bool:
        """Make room for one more, if anybody is idle. Called by the one thread that looks for what
        arrived, as cheroot's own expiry is: whoever has sent something is left to that look.
        """
        watched: Any = vars(self)["_connections"]._selector  # noqa: SLF001 - it has no other name
        speaking = {place for place, _ in watched.select(timeout=0)}
        idle = {
            place: conn
            for place, conn in watched.connections
            if conn is not self and place not in speaking
        }
        if not idle:
            return False
        longest = min(idle, key=lambda place: idle[place].last_used)
        watched.unregister(longest)
        idle[longest].close()
        return True

    def error_log(self, msg: str = "", level: int = 20, traceback: bool = False) -> None:  # noqa: ARG002, FBT001, FBT002 - cheroot's own shape
        """Its texts may quote what was sent: the kind of the error is told."""
        kind = sys.exc_info()[0]
        log.warning("webhook.server", problem=kind.__name__ if kind else "told by cheroot")


class _Tls(Adapter):
    """Wraps connections with the certificate of the moment; handshakes are left to the threads."""

    def __init__(self, context: Context) -> None:
        self._context_now = context

    def bind(self, sock: socket.socket) -> socket.socket:
        return sock

    def wrap(self, sock: socket.socket) -> tuple[ssl.SSLSocket, dict[str, str]]:
        try:
            wrapped = self._context_now().wrap_socket(
                sock, server_side=True, do_handshake_on_connect=False
            )
        except OSError as error:
            raise FatalSSLAlert(*error.args) from None
        return wrapped, self.get_environ()

    def get_environ(self) -> dict[str, str]:
        return {"wsgi.url_scheme": "https", "HTTPS": "on"}

    def makefile(self, sock: ssl.SSLSocket, mode: str = "r", bufsize: int = -1) -> Any:
        return MakeFile(sock, mode, bufsize)


def _place(port: int) -> tuple[str, int]:
    """Every address of the machine, of IPv4 and of IPv6 as far as it has them."""
    return ("::", port) if socket.has_dualstack_ipv6() else ("0.0.0.0", port)
