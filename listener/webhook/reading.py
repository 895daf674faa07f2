"""Reading: how long a request may take to arrive, and which headers are read from it.

Used by listener.webhook.serve. The server's own limit counts from byte to byte, so that who sends
one every few seconds would hold a thread for ever, and 32 of those the webhook. Guarantees: the
head and the rest of a request arrive within times of their own, or the connection ends; what a
proxy in front may read in another way than we do (a length given twice, a header that goes on in
the next line) is refused, and a header whose name has an underscore, which WSGI takes for the one
with a hyphen, is passed over.

RFC 9112, "HTTP/1.1": 5.1 (names), 5.2 (folding), 6.3 (lengths).
"""

import socket
import time
from typing import Any

from cheroot.makefile import StreamReader
from cheroot.server import HeaderReader

HEAD_SECONDS = 10.0
REST_SECONDS = 30.0
UNREAD_SECONDS = 5.0
"""For what nobody wants to read, but must be taken so that the sender sees his answer."""
_LONGEST_LINE = 1024
_ONCE = (b"Content-", b"Transfer-Encoding", b"Host", b"Authorization", b"X-Hark-", b"Aeg-", b"Ce-")


class Reader(StreamReader):
    """What arrives on a connection, until a deadline."""

    def __init__(self, connected: socket.socket, size: int) -> None:
        super().__init__(connected, "rb", size)
        self._raw: Any = _Deadline(connected)

    def hurry(self, seconds: float) -> None:
        """What is read from now on must arrive within `seconds`."""
        self._raw.until = time.monotonic() + seconds

    def readline(self, size: int | None = -1) -> bytes:
        """A line, or as much of it as anybody needs: that before a chunk may be of any length."""
        return super().readline(_LONGEST_LINE if size is None or size < 0 else size)


class _Deadline(socket.SocketIO):
    def __init__(self, connected: socket.socket) -> None:
        super().__init__(connected, "r")
        self._connected = connected
        self.until = float("inf")

    def readinto(self, buffer: Any) -> int | None:
        left = self.until - time.monotonic()
        if left <= 0:
            raise TimeoutError("timed out")
        patience = self._connected.gettimeout()
        self._connected.settimeout(left if patience is None else min(patience, left))
        try:
            return super().readinto(buffer)
        finally:
            self._connected.settimeout(patience)


class Headers(HeaderReader):
    """The headers of one request. A ValueError's sentence is told to the sender."""

    def __init__(self) -> None:
        self._seen: set[bytes] = set()
        self._is_new = False

    def _transform_key(self, key_name: bytes) -> bytes:
        name = key_name.title()
        if not name or name.strip() != name:
            raise ValueError("A header's name stands right before its colon.")
        if name in self._seen and name.startswith(_ONCE):
            raise ValueError(f"The header {name.decode('latin-1')} may be given once.")
        self._seen.add(name)
        self._is_new = True
        return name

    def _allow_header(self, key_name: bytes) -> bool:
        if not self._is_new:
            raise ValueError("A header may not go on in the next line.")
        self._is_new = False
        return b"_" not in key_name
