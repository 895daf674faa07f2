"""Clients of storage queues: where they send, as whom, how long they wait.

Fed by a queue's URL and by what hark.sources hands over; feeds storagequeue. No call is made here.
The SDK is loaded with this module. Guarantees: a token goes over https only, and no retries of the
SDK's own but one at once, for a connection that the service had closed.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Protocol

import requests
from azure.core.credentials import AccessToken, AccessTokenInfo, TokenRequestOptions
from azure.core.pipeline.transport import RequestsTransport
from azure.storage.queue import LinearRetry, QueueClient
from requests.adapters import HTTPAdapter
from requests.utils import should_bypass_proxies

from externalsecret.errors import GiveUp
from listener.sources.storagequeueurl import StorageQueueUrl

AT_ONCE = 8
"""Calls about single messages that are made at the same time."""
_CONNECT_SECONDS = 5
_READ_SECONDS = 20


class Credential(Protocol):
    """Whoever gives tokens; reconciler.backends' credential of the process is one."""

    def get_token_info(
        self, *scopes: str, options: TokenRequestOptions | None = None
    ) -> AccessTokenInfo: ...


@dataclass(frozen=True, slots=True)
class StorageAccess:
    """How storage queues are reached."""

    credential: Callable[[], Credential]
    """Makes the credential; called where no connection string is for the account."""
    connection_string: str = field(default="", repr=False)
    """For one account; others go by the credential."""
    proxy: str = field(default="", repr=False)
    """A proxy for https that the SDK does not find itself."""


def make_client(queue: StorageQueueUrl, access: StorageAccess) -> QueueClient:
    """A client, which threads may share; GiveUp (InvalidSetting) where there is no safe way."""
    options = _options(queue, access.proxy)
    if access.connection_string:
        client = _by_connection_string(queue, access.connection_string, options)
        if client is not None:
            return client
    if not queue.endpoint.startswith("https://"):
        raise GiveUp(
            f"The storage queue {queue.url} is not reached by https, so that no token may be sent "
            "to it. Give its https URL, or set HARK_AZURE_STORAGE_CONNECTION_STRING to a string "
            "whose QueueEndpoint is just before the queue's name.",
            reason="InvalidSetting",
        )
    return QueueClient(queue.endpoint, queue.name, _Tokens(access.credential()), **options)


def _by_connection_string(
    queue: StorageQueueUrl, text: str, options: dict[str, Any]
) -> QueueClient | None:
    """None where the string is for another account."""
    try:
        client = QueueClient.from_connection_string(text, queue.name, **options)
    except ValueError:
        client = None
    if client is None:
        # Outside of the except block: the SDK's exception may quote a part of the string.
        raise GiveUp(
            "HARK_AZURE_STORAGE_CONNECTION_STRING is no connection string. Copy it whole, as the "
            "portal shows it under the storage account's access keys.",
            reason="InvalidSetting",
        )
    return client if client.url.partition("?")[0].lower() == queue.url else None


def _options(queue: StorageQueueUrl, proxy: str) -> dict[str, Any]:
    session = requests.Session()
    session.mount("https://", HTTPAdapter(pool_maxsize=AT_ONCE * 2))
    session.mount("http://", HTTPAdapter(pool_maxsize=AT_ONCE * 2))
    transport = RequestsTransport(
        session=session, connection_timeout=_CONNECT_SECONDS, read_timeout=_READ_SECONDS
    )
    # Given by name it would beat NO_PROXY, where private endpoints stand.
    is_direct = not proxy or should_bypass_proxies(queue.url, no_proxy=None)
    return {
        "transport": transport,
        "retry_policy": LinearRetry(backoff=0, retry_total=1, random_jitter_range=0),
        "proxies": None if is_direct else {"https": proxy},
        "user_agent": "hark",
    }


class _Tokens:
    """The credential as the SDK of storage recognises one: by `get_token`."""

    def __init__(self, credential: Credential) -> None:
        self._credential = credential

    def get_token_info(
        self, *scopes: str, options: TokenRequestOptions | None = None
    ) -> AccessTokenInfo:
        return self._credential.get_token_info(*scopes, options=options)

    def get_token(self, *scopes: str, **_options: Any) -> AccessToken:
        info = self._credential.get_token_info(*scopes)
        return AccessToken(info.token, info.expires_on)
