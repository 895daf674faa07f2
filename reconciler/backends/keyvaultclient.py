"""The client of one key vault: connections, timeouts, and nothing of what answers mean.

Made by azureaccess; used by keyvault from several threads. `target` is for the translation of
errors, which is the caller's. Guarantees: no retries of the SDK's own, whose waits would hold up a
lane; as many connections are kept as a lane makes calls at the same time.
"""

import threading
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import requests
from azure.core.pipeline.transport import RequestsTransport
from azure.keyvault.secrets import KeyVaultSecret, SecretClient, SecretProperties
from requests.adapters import HTTPAdapter
from requests.utils import should_bypass_proxies

from reconciler.backends.azureerrors import Target
from reconciler.backends.azuresettings import AzureSettings

if TYPE_CHECKING:
    from reconciler.backends.azurecredential import SharedCredential

_CONNECTIONS = 32
_PAGE = 25


class VaultClient:
    """Asks one vault. Methods raise what the SDK raises."""

    def __init__(self, settings: AzureSettings, vault: str, credential: "SharedCredential") -> None:
        self._vault = vault
        self._host = f"{vault}.{settings.dns_suffix}"
        self._proxy = settings.proxy
        self.is_met = False
        """Whether the vault has answered once: then how it wants its tokens is known."""
        self.meeting = threading.Lock()
        self._client = _client(settings, f"https://{self._host}", credential)

    def target(self, name: str = "") -> Target:
        return Target(self._vault, self._host, name, self._proxy)

    def get(self, name: str, version: str) -> KeyVaultSecret:
        """A version with its value; "" for the newest."""
        return self._client.get_secret(name, version or None)

    def versions(self, name: str) -> Iterator[Sequence[SecretProperties]]:
        """The versions of a secret, page by page."""
        listed = self._client.list_properties_of_secret_versions(name, max_page_size=_PAGE)
        return (list(page) for page in listed.by_page())

    def secrets(self) -> Iterator[Sequence[SecretProperties]]:
        """All secrets of the vault, page by page, without versions."""
        listed = self._client.list_properties_of_secrets(max_page_size=_PAGE)
        return (list(page) for page in listed.by_page())

    def close(self) -> None:
        self._client.close()


def _client(settings: AzureSettings, url: str, credential: Any) -> SecretClient:
    session = requests.Session()
    session.mount("https://", HTTPAdapter(pool_maxsize=_CONNECTIONS))
    transport = RequestsTransport(
        session=session,
        connection_timeout=settings.connect_timeout,
        read_timeout=settings.read_timeout,
    )
    # Given by name it would beat NO_PROXY, where private endpoints stand.
    is_direct = not settings.proxy or should_bypass_proxies(url, no_proxy=None)
    return SecretClient(
        url,
        credential,
        transport=transport,
        retry_total=0,
        # Key Vault sends nobody on.
        permit_redirects=False,
        proxies=None if is_direct else {"https": settings.proxy},
        user_agent="hark",
    )
