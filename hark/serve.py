"""Serves a WSGI application from a thread of this process.

Fed by hark.health or the listener's webhook; waitress does the work, so that caches and consumers
live once (no forks). No TLS. Guarantees: the port is bound when the constructor returns; a request
body is limited; `close` returns when the port is free again.
"""

import socket
import threading
from contextlib import suppress
from types import TracebackType
from typing import Any, Self

from waitress.server import create_server

from externalsecret.errors import GiveUp

_THREADS = 4
_MAX_BODY = 64 * 1024
_MAX_CONNECTIONS = 100
_IDLE_SECONDS = 30
_CLOSE_SECONDS = 5.0


class Served:
    """An application that is being served."""

    def __init__(self, app: Any, port: int) -> None:
        """Bind and serve; port 0 takes a free one. GiveUp (PortTaken) where it cannot be bound."""
        self._sockets: dict[int, Any] = {}
        self._server = create_server(
            app,
            map=self._sockets,
            sockets=[_listen(port)],
            threads=_THREADS,
            max_request_body_size=_MAX_BODY,
            connection_limit=_MAX_CONNECTIONS,
            channel_timeout=_IDLE_SECONDS,
            ident="hark",
        )
        self.port = int(self._server.effective_port)
        self._is_open = True
        self._thread = threading.Thread(
            target=self._server.run, name=f"http-{self.port}", daemon=True
        )
        self._thread.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Stop serving; may be called twice."""
        if self._is_open:
            self._is_open = False
            # In the loop's own thread, because a socket closed under its select may be reused.
            # Where the loop has ended by itself there is nobody left to be woken.
            with suppress(OSError):
                self._server.trigger.pull_trigger(self._close_sockets)
            self._thread.join(_CLOSE_SECONDS)
            self._server.task_dispatcher.shutdown(timeout=_CLOSE_SECONDS)

    def _close_sockets(self) -> None:
        """The loop ends when it has none left."""
        for held in list(self._sockets.values()):
            held.close()


def _listen(port: int) -> socket.socket:
    """A socket for IPv4 and IPv6, as far as the machine has them."""
    try:
        if socket.has_dualstack_ipv6():
            return socket.create_server(("::", port), family=socket.AF_INET6, dualstack_ipv6=True)
        return socket.create_server(("0.0.0.0", port))
    except (OSError, OverflowError) as error:
        raise GiveUp(
            f"Port {port} cannot be served ({error}). End what uses it, or set METRICS_PORT to "
            "another one.",
            reason="PortTaken",
        ) from error
