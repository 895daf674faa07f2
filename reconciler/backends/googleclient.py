"""How Google clients are made and kept: credentials, endpoints, timeouts.

Fed by the settings (googlesettings) and by the location that each backend serves; feeds
googlesecretmanager with the SDK's clients. Credentials are found as Google's libraries find them:
GOOGLE_APPLICATION_CREDENTIALS, gcloud's own, else the metadata server of the node, which on GKE is
workload identity.

Guarantees: one client for each location, safe to use from several threads; one token for all of
them, renewed some minutes before it expires by one thread while the others wait; those who wait
share its failure too, since a metadata server that is away costs many seconds. No later caller
does. The SDK is imported with the first client, not before.
"""

import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

from externalsecret.errors import GiveUp, HarkError
from reconciler.backends import reasons
from reconciler.backends.googlesettings import GoogleSettings

if TYPE_CHECKING:
    from google.cloud.secretmanager_v1 import SecretManagerServiceClient

    from reconciler.backends.googletransport import Sessions

_Made = TypeVar("_Made")


class GoogleAccess:
    """Makes and keeps Google clients; one for the whole process."""

    def __init__(
        self, settings: GoogleSettings, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """`clock` gives seconds and never goes back."""
        self.settings = settings
        self._clock = clock
        self._failed: tuple[float, HarkError] | None = None
        """The last failure to make something, and when it came."""
        # Making may wait for a metadata service; whoever only closes shall not.
        self._making = threading.Lock()
        self._lock = threading.Lock()
        self._sessions: Sessions | None = None
        self._clients: dict[str, SecretManagerServiceClient] = {}

    def secret_manager(self, location: str) -> "SecretManagerServiceClient":
        """The client for a location ("" = global secrets), with a token that is good.

        Raises Retry where there are no credentials or no token can be had.
        """
        with self._lock:
            sessions, client = self._sessions, self._clients.get(location)
        if sessions is not None and client is not None and sessions.is_fresh():
            return client
        return self._in_turn(lambda: self._fresh(location))

    def project(self) -> str:
        """The project of the default credentials. Raises Retry or GiveUp where none can be told."""
        with self._lock:
            sessions = self._sessions
        project = (sessions or self._in_turn(self._opened)).project
        if not project:
            raise GiveUp(
                "No Google project is known: set spec.projectId, or GOOGLE_CLOUD_PROJECT for both "
                "halves of Hark.",
                reason=reasons.NO_PROJECT,
            )
        return project

    def forget(self, location: str) -> None:
        """Close a location's client, if there is one."""
        with self._lock:
            client = self._clients.pop(location, None)
        if client is not None:
            client.transport.close()

    def close(self) -> None:
        """Close every client and let go of the token; what is asked for later is made anew.

        Waits for nothing. A client that is being made meanwhile stays open.
        """
        with self._lock:
            clients = [*self._clients.values()]
            self._clients.clear()
            self._sessions = None
        for client in clients:
            client.transport.close()

    def _in_turn(self, make: Callable[[], _Made]) -> _Made:
        """What `make` gives; one caller at a time, who fails for all that wait meanwhile."""
        from reconciler.backends.googleerrors import (  # noqa: PLC0415 - the SDK costs 40 MiB
            translated,
        )

        asked = self._clock()
        with self._making:
            if self._failed is not None and self._failed[0] > asked:
                raise self._failed[1]
            try:
                with translated("Google's token service"):
                    return make()
            except HarkError as error:
                self._failed = (self._clock(), error)
                raise

    def _fresh(self, location: str) -> "SecretManagerServiceClient":
        sessions = self._opened()
        if not sessions.is_fresh():
            sessions.refresh()
        return self._made(sessions, location)

    def _opened(self) -> "Sessions":
        with self._lock:
            sessions = self._sessions
        if sessions is None:
            from reconciler.backends import googletransport  # noqa: PLC0415 - as above

            settings = self.settings
            sessions = googletransport.Sessions(settings.connect_timeout, settings.read_timeout)
            with self._lock:
                self._sessions = sessions
        return sessions

    def _made(self, sessions: "Sessions", location: str) -> "SecretManagerServiceClient":
        with self._lock:
            client = self._clients.get(location)
        if client is None:
            client = sessions.client(self.settings.url(location))
            with self._lock:
                self._clients[location] = client
        return client
