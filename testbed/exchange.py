"""One request on its way through the wire proxy: the steps that a rule may take with it, in any
order.

proxy.py makes one for each request; actions.py composes the steps. Streams pass as they come:
whatever part of a response has arrived is sent on at once, so watches and long polls work.
"""

from __future__ import annotations

import contextlib
import dataclasses
import http.client
import io
import socket
import ssl
import threading
import urllib.parse
from collections.abc import Mapping

from testbed.request import Head, Request

_HOP_BY_HOP = frozenset(
    (
        "connection",
        "keep-alive",
        "proxy-connection",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    )
)
_PIECE_BYTES = 64 * 1024
_BODILESS_STATUSES = (http.client.NO_CONTENT, http.client.NOT_MODIFIED)


class HangUpError(Exception):
    """The connection to the client shall be closed without another word."""


@dataclasses.dataclass(slots=True)
class Entry:
    """What the proxy's log keeps of one exchange."""

    head: Head
    forwarded: bool = False
    status: int | None = None
    """Of the upstream's answer, or of the one that a rule gave; None while there is none."""
    delivered: bool = False
    """The whole answer was sent to the client."""


class Upstream:
    """A connection to the real server, kept open between the requests of one client connection."""

    def __init__(self, base_url: str, context: ssl.SSLContext | None) -> None:
        """Connect lazily to an http or https address."""
        address = urllib.parse.urlsplit(base_url)
        self.host = address.netloc
        host = address.hostname or ""
        self.connection: http.client.HTTPConnection
        if address.scheme == "https":
            self.connection = http.client.HTTPSConnection(host, address.port, context=context)
        else:
            self.connection = http.client.HTTPConnection(host, address.port)

    def abort(self) -> None:
        """Break the connection, so that the thread which reads from it is woken; it then closes."""
        connected = self.connection.sock
        if connected is not None:
            with contextlib.suppress(OSError):
                # Beneath TLS: its own shutdown would pull the state from under the reading thread.
                socket.socket.shutdown(connected, socket.SHUT_RDWR)

    def close(self) -> None:
        """End the connection."""
        self.connection.close()


class Exchange:
    """A request, and the steps to take with it; each raises HangUpError when a side is gone."""

    def __init__(
        self,
        request: Request,
        target: str,
        wfile: io.BufferedIOBase,
        upstream: Upstream,
        *,
        stopping: threading.Event,
        entry: Entry,
    ) -> None:
        self.request = request
        self._target = target
        self._wfile = wfile
        self._upstream = upstream
        self._stopping = stopping
        self._entry = entry
        self._response: http.client.HTTPResponse | None = None

    def forward(self) -> None:
        """Send the request to the real server, if not done, and wait until it begins to answer."""
        if self._response is not None:
            return
        headers = {
            name: value
            for name, value in self.request.headers.items()
            if name not in _HOP_BY_HOP and name != "content-length"
        }
        headers["host"] = self._upstream.host
        self._entry.forwarded = True
        try:
            self._upstream.connection.request(
                self.request.method, self._target, self.request.body or None, headers
            )
            self._response = self._upstream.connection.getresponse()
        except (OSError, http.client.HTTPException) as error:
            self._upstream.close()
            raise HangUpError from error
        self._entry.status = self._response.status

    def deliver(self) -> None:
        """Send the real server's answer to the client, piece by piece as it arrives."""
        self.forward()
        response = self._response
        if response is None:
            raise HangUpError
        length = response.getheader("Content-Length")
        bodiless = self.request.method == "HEAD" or response.status in _BODILESS_STATUSES
        headers = [
            (name, value)
            for name, value in response.getheaders()
            if name.lower() not in _HOP_BY_HOP and name.lower() != "content-length"
        ]
        chunked = length is None and not bodiless
        if length is not None:
            headers.append(("Content-Length", length))
        if chunked:
            headers.append(("Transfer-Encoding", "chunked"))
        try:
            self._wfile.write(_response_head(response.status, response.reason, headers))
            if bodiless:
                response.read()
            else:
                self._stream(response, chunked=chunked)
        except (OSError, http.client.HTTPException) as error:
            self._upstream.close()
            raise HangUpError from error
        self._entry.delivered = True

    def answer(self, status: int, body: bytes, headers: Mapping[str, str]) -> None:
        """Give the client an answer of our own; the real server's, if it has come, is dropped."""
        if self._response is not None:
            self._upstream.close()
        fields = [*headers.items(), ("Content-Length", str(len(body)))]
        reason = http.client.responses.get(status, "")
        self._entry.status = status
        try:
            self._wfile.write(_response_head(status, reason, fields) + body)
        except OSError as error:
            raise HangUpError from error
        self._entry.delivered = True

    def hold(self, released: threading.Event) -> None:
        """Leave the client waiting until the event; hangs up when the proxy stops before."""
        while not released.wait(0.05):
            if self._stopping.is_set():
                raise HangUpError

    def hang_up(self) -> None:
        """Close the connection to the client without an answer."""
        raise HangUpError

    def _stream(self, response: http.client.HTTPResponse, *, chunked: bool) -> None:
        missing = response.length or 0
        while piece := response.read1(_PIECE_BYTES):
            missing -= len(piece)
            framed = b"%x\r\n%s\r\n" % (len(piece), piece) if chunked else piece
            self._wfile.write(framed)
        if chunked:
            self._wfile.write(b"0\r\n\r\n")
        elif missing > 0:
            raise HangUpError
        # Frees the connection for the next request: read1 does not notice that it has read all.
        response.close()


def _response_head(status: int, reason: str, headers: list[tuple[str, str]]) -> bytes:
    lines = [f"HTTP/1.1 {status} {reason}", *(f"{name}: {value}" for name, value in headers)]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")
