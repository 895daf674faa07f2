"""How Google clients are made and kept: credentials, endpoints, timeouts.

Fed by the settings (googlesettings) and by the location that each backend serves; feeds
googlesecretmanager with the SDK's clients. Credentials are found as Google's libraries find them:
GOOGLE_APPLICATION_CREDENTIALS, gcloud's own, else the metadata server of the node, which on GKE is
workload identity.

Guarantees: one client for each location, safe to use from several threads; one token for all of
them, renewed some minutes before it expires by one thread while the others wait; the SDK is
imported with the first client, not before. A failure to find credentials is not remembered.
"""

import threading
from typing import TYPE_CHECKING

from externalsecret.errors import GiveUp
from reconciler.backends import reasons
from reconciler.backends.googlesettings import GoogleSettings

if TYPE_CHECKING:
    from google.cloud.secretmanager_v1 import SecretManagerServiceClient

    from reconciler.backends.googletransport import Sessions


class GoogleAccess:
    """Makes and keeps Google clients; one for the whole process."""

    def __init__(self, settings: GoogleSettings) -> None:
        self.settings = settings
        # Making may wait for a metadata service; whoever only closes shall not.
        self._making = threading.Lock()
        self._lock = threading.Lock()
        self._sessions: Sessions | None = None
        self._clients: dict[str, SecretManagerServiceClient] = {}

    def secret_manager(self, location: str) -> "SecretManagerServiceClient":
        """The client for a location ("" = global secrets), with a token that is good.

        Raises Retry where there are no credentials or no token can be had.
        """
        from reconciler.backends.googleerrors import (  # noqa: PLC0415 - the SDK costs 40 MiB
            translated,
        )

        with self._lock:
            sessions, client = self._sessions, self._clients.get(location)
        if sessions is None or client is None or not sessions.is_fresh():
            with translated("Google's token service"), self._making:
                sessions = self._opened()
                if not sessions.is_fresh():
                    sessions.refresh()
                client = self._made(sessions, location)
        return client

    def project(self) -> str:
        """The project of the default credentials. Raises Retry or GiveUp where none can be told."""
        from reconciler.backends.googleerrors import translated  # noqa: PLC0415 - as above

        with translated("Google's token service"), self._making:
            project = self._opened().project
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
