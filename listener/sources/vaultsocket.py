"""Listens to Vault's event notifications: one WebSocket for one namespace.

Fed by a Vault Enterprise server and by a Door (address, trust, token), which the composition makes
of the same login that looks at metadata; feeds listener.sources.vault with messages as they came.

Guarantees: it opens only while `may_listen`, and again with backoff whenever it breaks; with the
token of now: where that was replaced, or cannot be had any more, the socket is closed, because an
open one goes on after its token has expired. After each opening `on_open` is called, for delivery
is best effort: only a comparison of metadata tells what was missed. A server without event
notifications (community, OpenBao) is told in one sentence, and tried again ever more seldom. A
redirect is not followed, so that a token goes to VAULT_ADDR and nowhere else.

Vault pages: "Event notifications" (Enterprise only; needs read on sys/events/subscribe/..., and
list and subscribe on the secrets' paths), "/sys/events/subscribe" (API). The settings of proxies
are those of the environment.
"""

import random
import ssl
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus
from typing import Protocol

import structlog
from websockets.exceptions import ConnectionClosed, InvalidStatus, WebSocketException
from websockets.sync.client import ClientConnection, reconnect

from externalsecret.errors import GiveUp, HarkError, Retry
from externalsecret.redacted import Redacted
from listener.metrics import ListenerMetrics

log = structlog.get_logger()

_GLANCE = 0.5
_TYPES = "kv*"
_FIRST_WAIT = 1.0
_LONGEST_WAIT = 60.0
_HOPELESS_WAIT = 600.0
_STEADY_SECONDS = 60.0
"""A socket that was open as long did not fail: its end is the first failure of another."""


class Door(Protocol):
    """Where and as whom events are asked for."""

    address: str
    """ws:// or wss://, up to /v1 and any prefix."""

    def trust(self) -> ssl.SSLContext | None:
        """Whom to believe; None for the usual authorities, and for ws://."""

    def token(self) -> Redacted:
        """A token that is good now, kept alive by being asked for. Raises HarkError."""


@dataclass(frozen=True, slots=True)
class Ears:
    """Whom the socket tells."""

    message: Callable[[str, str], None]
    """A message, and the namespace that was asked for."""
    opened: Callable[[], None]


class EventSocket:
    """One namespace's events. `run` wants a thread of its own."""

    def __init__(
        self,
        door: Door,
        namespace: str,
        ears: Ears,
        *,
        metrics: ListenerMetrics,
        may_listen: Callable[[], bool],
        stop: threading.Event,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`namespace`: whole, "" for the root's."""
        self._clock = clock
        self._opened_at = 0.0
        self._door = door
        self._namespace = namespace
        self._ears = ears
        self._metrics = metrics
        self._may_listen = may_listen
        self._stop = stop
        self.is_open = False

    def run(self) -> None:
        """Listen until the stop."""
        failures = 0
        while not self._stop.wait(0.0 if self._may_listen() else _GLANCE):
            if not self._may_listen():
                continue
            try:
                self._listen()
                failures = 0
            except HarkError as error:
                failures = 1 if self._was_steady() else failures + 1
                self._complain(error, failures)
            finally:
                self._close()

    def _listen(self) -> None:
        """Open it and hear, until it has to be opened anew."""
        token = self._door.token()
        with self._open(token) as socket:
            self.is_open = True
            self._opened_at = self._clock()
            self._metrics.vault_sockets.inc()
            log.info("vault.events", namespace=self._namespace, state="open")
            self._ears.opened()
            while self._may_listen() and not self._stop.is_set():
                self._hear(socket)
                if self._door.token() != token:
                    return

    def _hear(self, socket: ClientConnection) -> None:
        try:
            message = socket.recv(timeout=_GLANCE)
        except TimeoutError:
            return
        except ConnectionClosed as closed:
            code = None if closed.rcvd is None else closed.rcvd.code
            raise Retry(
                f"Vault ended its event notifications (code {code}); they are asked for again.",
                reason="EventsEnded",
            ) from None
        text = message if isinstance(message, str) else message.decode("utf-8", "replace")
        self._ears.message(text, self._namespace)

    def _open(self, token: Redacted) -> ClientConnection:
        headers = {"X-Vault-Token": token.reveal().decode()}
        if self._namespace:
            headers["X-Vault-Namespace"] = self._namespace
        problem: HarkError
        try:
            return _Straight(
                f"{self._door.address}/sys/events/subscribe/{_TYPES}?json=true",
                additional_headers=headers,
                ssl=self._door.trust(),
                compression=None,
                close_timeout=1.0,
            ).connect()
        except InvalidStatus as refused:
            problem = _refused(refused.response.status_code)
        except (OSError, WebSocketException) as broken:
            problem = Retry(
                f"Vault's event notifications cannot be reached ({type(broken).__name__}): check "
                "VAULT_ADDR, VAULT_CACERT, and whether what lies in between passes WebSockets on.",
                reason="EventsUnreachable",
            )
        # Out here, so that what the SDK raised, which holds the request, is not shown with it.
        raise problem

    def _was_steady(self) -> bool:
        return self.is_open and self._clock() - self._opened_at >= _STEADY_SECONDS

    def _close(self) -> None:
        if self.is_open:
            self.is_open = False
            self._metrics.vault_sockets.dec()

    def _complain(self, error: HarkError, failures: int) -> None:
        self._metrics.vault_socket_failures.labels(error.reason).inc()
        wait = min(_LONGEST_WAIT, _FIRST_WAIT * 2 ** min(failures - 1, 10))
        wait = _HOPELESS_WAIT if isinstance(error, GiveUp) else wait
        wait *= random.uniform(0.5, 1.0)  # noqa: S311 - jitter needs no secrecy
        log.warning(
            "vault.events",
            namespace=self._namespace,
            state="failed",
            error=str(error),
            retry_in=round(wait, 1),
        )
        self._close()
        self._stop.wait(wait)


class _Straight(reconnect):
    """Follows no redirect: the token in the headers is for nobody else."""

    def process_redirect(self, exc: Exception) -> Exception | str:
        """Take the answer for what it is."""
        return exc


def _refused(status: int) -> HarkError:
    polls = "What they would tell is found by polling the metadata."
    if status in {HTTPStatus.NOT_FOUND, HTTPStatus.METHOD_NOT_ALLOWED}:
        return GiveUp(
            "This Vault has no event notifications: they are Vault Enterprise's alone (1.16 and "
            f"later), neither the community's nor OpenBao's. {polls}",
            reason="EventsNotServed",
        )
    if status in {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN}:
        return GiveUp(
            "Vault denies its event notifications, which are Vault Enterprise's alone: allow the "
            "listener's role to read sys/events/subscribe/kv*, and to list and subscribe the paths "
            f"of the secrets. {polls}",
            reason="EventsDenied",
        )
    if HTTPStatus.MULTIPLE_CHOICES <= status < HTTPStatus.BAD_REQUEST:
        return Retry(
            f"Vault redirects (HTTP status {status}) who asks for its event notifications, which "
            f"is not followed, since it might lead the token astray: let VAULT_ADDR name the "
            f"active node. {polls}",
            reason="EventsRedirected",
        )
    return Retry(
        f"Vault answered with HTTP status {status} where its event notifications are asked for: "
        f"let VAULT_ADDR name the active node. {polls}",
        reason="EventsUnavailable",
    )
