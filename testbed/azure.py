"""An Azure of this machine: key vaults, Event Grid namespaces and the tokens for them, behind a
proxy for https.

There is no emulator of these, so this double speaks their wire protocols. It is reached by the
real names (https://NAME.vault.azure.net, https://NAME.westeurope-1.eventgrid.azure.net,
https://login.microsoftonline.com) through a proxy that knows these hosts and no others, with
certificates of its own authority: a process needs the variables of `env` and no other way out.
Plain http to the proxy's own address is the metadata service of a node.

Guarantees: what it answers comes from testbed.keyvault, testbed.eventgrid and testbed.entra, unless
a `reply` that was told to it says otherwise; every request is counted by host and operation.
"""

from __future__ import annotations

import http.server
import socket
import ssl
import threading
import urllib.parse
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Self

import trustme

from testbed import entra, eventgrid, keyvault
from testbed.azurecall import Answer, Call

Reply = Callable[[Call], Answer | None]
"""An answer in place of the service's; None leaves it to that."""

_NONE_KNOWN = 503


class AzureDouble:
    """A running double; `close` ends it."""

    def __init__(self, folder: Path) -> None:
        """Start on a free port of 127.0.0.1; certificates are put into the folder."""
        self.vaults = keyvault.KeyVaults()
        self.grid = eventgrid.EventGrid()
        self.entra = entra.Entra()
        authority = trustme.CA()
        self.ca_file = folder / "azure-double-ca.pem"
        authority.cert_pem.write_to_path(self.ca_file)
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        names = (f"*.{keyvault.SUFFIX}", f"*.{eventgrid.SUFFIX}", entra.AUTHORITY)
        authority.issue_cert(*names).configure_cert(self._context)
        self._lock = threading.Lock()
        self._replies: list[Reply] = []
        self._calls: list[Call] = []
        self._server = _Server(self, self._context)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_args: object) -> None:
        self.close()

    def close(self) -> None:
        """Stop listening and break every connection."""
        self._server.close()

    def env(self) -> dict[str, str]:
        """What leads a process here, without an identity."""
        return {
            "HTTPS_PROXY": self.url,
            "NO_PROXY": "127.0.0.1,localhost",
            "REQUESTS_CA_BUNDLE": str(self.ca_file),
        }

    def client_env(self) -> dict[str, str]:
        """What makes a process the application, by its client secret."""
        return {
            "AZURE_TENANT_ID": entra.TENANT,
            "AZURE_CLIENT_ID": entra.CLIENT,
            "AZURE_CLIENT_SECRET": self.entra.client_secret,
        }

    def when(self, reply: Reply) -> Callable[[], None]:
        """Let a function answer first; call what is returned to end that."""
        with self._lock:
            self._replies.insert(0, reply)

        def end() -> None:
            with self._lock:
                self._replies.remove(reply)

        return end

    def counts(self, vault: str = "") -> Counter[str]:
        """How often each operation was asked for: of a vault, or of all there is."""
        with self._lock:
            calls = list(self._calls)
        return Counter(call.operation for call in calls if vault in {"", call.vault})

    def calls(self) -> list[Call]:
        """All requests so far, in their order."""
        with self._lock:
            return list(self._calls)

    def knows(self, host: str) -> bool:
        """For the wire: whether such a host exists."""
        return host == entra.AUTHORITY or self.vaults.has(host) or self.grid.has(host)

    def answer(self, call: Call) -> Answer:
        """For the wire: answer a request whose operation is known."""
        with self._lock:
            self._calls.append(call)
            replies = list(self._replies)
        for reply in replies:
            answer = reply(call)
            if answer is not None:
                return answer
        if call.operation == "metadata":
            return self.entra.metadata(call)
        if call.host == entra.AUTHORITY:
            return self.entra.answer(call)
        if self.grid.has(call.host):
            bearer = _bearer(call.headers)
            return self.grid.answer(call, has_token=self.entra.is_good(bearer, eventgrid.SCOPE))
        if call.operation == "challenge":
            return _challenge()
        return self.vaults.answer(call)

    def operation(self, host: str, path: str, headers: dict[str, str]) -> str:
        """For the wire: what is asked for."""
        if not host:
            return "metadata"
        if host == entra.AUTHORITY:
            return "token" if path.endswith("/oauth2/v2.0/token") else "discovery"
        if self.grid.has(host):
            return eventgrid.operation_of(path)
        is_good = self.entra.is_good(_bearer(headers), keyvault.SCOPE)
        return keyvault.operation_of(path) if is_good else "challenge"


def _bearer(headers: Mapping[str, str]) -> str:
    return headers.get("authorization", "").removeprefix("Bearer ")


def _challenge() -> Answer:
    said = (
        f'Bearer authorization="https://{entra.AUTHORITY}/{entra.TENANT}", '
        'resource="https://vault.azure.net"'
    )
    error = {"code": "Unauthorized", "message": "AKV10000: Request is missing a Bearer token."}
    return Answer(401, {"error": error}, {"WWW-Authenticate": said})


class _Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 128

    def __init__(self, double: AzureDouble, context: ssl.SSLContext) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.double = double
        self.context = context
        self._lock = threading.Lock()
        self._open: set[socket.socket] = set()
        self._thread = threading.Thread(
            target=self.serve_forever, args=(0.05,), name="azure double", daemon=True
        )
        self._thread.start()

    def note(self, connection: socket.socket, *, is_open: bool) -> None:
        with self._lock:
            (self._open.add if is_open else self._open.discard)(connection)

    def close(self) -> None:
        self.shutdown()
        self.server_close()
        with self._lock:
            connections = list(self._open)
        for connection in connections:
            try:
                # Beneath TLS: its own shutdown would pull the state from under the reading thread.
                socket.socket.shutdown(connection, socket.SHUT_RDWR)
            except OSError:
                continue
        self._thread.join()

    def handle_error(self, request: object, client_address: object) -> None:
        """Be silent about clients that went away."""


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: _Server
    tunnel = ""
    """The host at the other end, once the client asked for one."""

    def setup(self) -> None:
        super().setup()
        self.server.note(self.connection, is_open=True)

    def finish(self) -> None:
        self.server.note(self.connection, is_open=False)
        super().finish()
        self.connection.close()

    def do_CONNECT(self) -> None:
        host = self.path.rpartition(":")[0].lower()
        if not self.server.double.knows(host):
            self.send_error(_NONE_KNOWN, "No such host")
            self.close_connection = True
            return
        self.send_response_only(200, "Connection established")
        self.end_headers()
        self.server.note(self.connection, is_open=False)
        self.rfile.close()
        self.connection = self.server.context.wrap_socket(self.connection, server_side=True)
        self.server.note(self.connection, is_open=True)
        self.rfile = self.connection.makefile("rb")
        self.wfile = self.connection.makefile("wb", 0)
        self.tunnel = host
        self.close_connection = False

    def do_GET(self) -> None:
        self._answer()

    def do_POST(self) -> None:
        self._answer()

    def log_message(self, *_args: object) -> None:
        """Write nothing to standard error."""

    def _answer(self) -> None:
        double = self.server.double
        address = urllib.parse.urlsplit(self.path)
        headers = {name.lower(): value for name, value in self.headers.items()}
        call = Call(
            method=self.command,
            host=self.tunnel,
            path=address.path,
            query=dict(urllib.parse.parse_qsl(address.query, keep_blank_values=True)),
            headers=headers,
            body=self.rfile.read(int(headers.get("content-length", "0"))),
            operation=double.operation(self.tunnel, address.path, headers),
        )
        answer = double.answer(call)
        content = answer.content()
        self.send_response_only(answer.status)
        for name, value in {"Content-Type": "application/json", **answer.headers}.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)
