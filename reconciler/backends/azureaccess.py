"""How clients of key vaults are made and kept: one for each vault, one credential for all.

Fed by the settings (azuresettings) and by the vault that each backend serves; feeds keyvault with
clients.

Guarantees: one client for each vault and one credential for the process, safe to use from several
threads; the SDK's logs of requests stay off. It imports Azure's SDK with the first client, not
before, and making a client asks nobody for anything.
"""

import threading
from typing import TYPE_CHECKING

from reconciler.backends.azurelogs import quieten
from reconciler.backends.azuresettings import AzureSettings

if TYPE_CHECKING:
    from reconciler.backends.azurecredential import SharedCredential
    from reconciler.backends.keyvaultclient import VaultClient


class AzureAccess:
    """Makes and keeps clients; one for the whole process."""

    def __init__(self, settings: AzureSettings) -> None:
        self._settings = settings
        # Importing the SDK takes a second; whoever only takes or closes shall not wait for it.
        self._making = threading.Lock()
        self._lock = threading.Lock()
        self._credential: SharedCredential | None = None
        self._vaults: dict[str, VaultClient] = {}

    def vault(self, name: str) -> "VaultClient":
        """The client of a vault. Raises Retry where the credential cannot be made."""
        with self._lock:
            client = self._vaults.get(name)
        if client is not None:
            return client
        with self._making:
            with self._lock:
                client = self._vaults.get(name)
            if client is None:
                client = self._make(name)
                with self._lock:
                    self._vaults[name] = client
            return client

    def forget(self, name: str) -> None:
        """Close the client of a vault, if there is one."""
        with self._lock:
            client = self._vaults.pop(name, None)
        if client is not None:
            client.close()

    def close(self) -> None:
        """Close everything; what is asked for afterwards is made anew.

        Waits for nothing. A client that is being made meanwhile stays open.
        """
        with self._lock:
            clients = list(self._vaults.values())
            credential, self._credential = self._credential, None
            self._vaults.clear()
        for client in clients:
            client.close()
        if credential is not None:
            credential.close()

    def _make(self, name: str) -> "VaultClient":
        from reconciler.backends import (  # noqa: PLC0415 - the SDK costs 41 MiB
            azurecredential,
            keyvaultclient,
        )

        quieten()
        with self._lock:
            credential = self._credential
        if credential is None:
            credential = azurecredential.SharedCredential(
                azurecredential.make_credential(self._settings)
            )
            with self._lock:
                self._credential = credential
        return keyvaultclient.VaultClient(self._settings, name, credential)
