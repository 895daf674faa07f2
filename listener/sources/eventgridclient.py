"""The SDK's clients for one topic of an Event Grid namespace: credential, proxy, timeouts, no
retries.

Fed by a subscription's URL and a credential; feeds eventgrid and eventgridtest. No call is made
here. The SDK is loaded at the first call, so that those who have no subscription need neither the
package nor its memory. Guarantees: a token or key is sent over https only, and to the host of the
URL alone, for no redirect is followed.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Protocol

from externalsecret.errors import GiveUp
from externalsecret.redacted import Redacted
from listener.sources.subscriptionurl import SubscriptionUrl

if TYPE_CHECKING:
    from azure.core.credentials import AccessTokenInfo, TokenRequestOptions
    from azure.eventgrid import EventGridConsumerClient, EventGridPublisherClient

_SCOPE = "https://eventgrid.azure.net/.default"
_CONNECT_SECONDS = 5
_READ_MARGIN_SECONDS = 15


class TokenCredential(Protocol):
    """Who asks Microsoft Entra ID for tokens, and raises Retry where there are none."""

    def get_token_info(
        self, *scopes: str, options: "TokenRequestOptions | None" = None
    ) -> "AccessTokenInfo": ...

    def close(self) -> None: ...


Credential = TokenCredential | Redacted
"""Whose tokens to show, or an access key of the namespace."""


def make_consumer(
    url: SubscriptionUrl, credential: Credential, proxy: str, wait_seconds: int
) -> "EventGridConsumerClient":
    """Make a client, which threads may share; GiveUp (MissingPart) without the SDK."""
    shown, options = _options(url, credential, proxy, wait_seconds)
    from azure.eventgrid import EventGridConsumerClient  # noqa: PLC0415 - `_options` looked for it

    return EventGridConsumerClient(
        url.endpoint,
        shown,
        namespace_topic=url.topic,
        subscription=url.subscription,
        **options,
    )


def make_publisher(
    url: SubscriptionUrl, credential: Credential, proxy: str
) -> "EventGridPublisherClient":
    """As make_consumer, for whoever publishes to the topic."""
    shown, options = _options(url, credential, proxy, 0)
    from azure.eventgrid import EventGridPublisherClient  # noqa: PLC0415 - as above

    return EventGridPublisherClient(url.endpoint, shown, namespace_topic=url.topic, **options)


def _options(
    url: SubscriptionUrl, credential: Credential, proxy: str, wait_seconds: int
) -> tuple[Any, Mapping[str, Any]]:
    try:
        import azure.eventgrid  # noqa: F401, PLC0415
        from azure.core.credentials import AzureKeyCredential  # noqa: PLC0415
        from azure.core.pipeline import policies  # noqa: PLC0415
        from requests.utils import should_bypass_proxies  # noqa: PLC0415
    except ImportError as error:
        raise GiveUp(
            "Event Grid needs its SDK. Install Hark with its extra 'azure'.", reason="MissingPart"
        ) from error
    options: dict[str, Any] = {
        "connection_timeout": _CONNECT_SECONDS,
        # A long poll that is answered at its very end must not look like a dead line.
        "read_timeout": wait_seconds + _READ_MARGIN_SECONDS,
        # The listener's loop backs off by itself.
        "retry_total": 0,
        "permit_redirects": False,
        "user_agent": "hark",
    }
    # Given by name it would beat NO_PROXY, where private endpoints stand.
    if proxy and not should_bypass_proxies(url.endpoint, no_proxy=None):
        options["proxies"] = {"https": proxy}
    if isinstance(credential, Redacted):
        return AzureKeyCredential(credential.reveal().decode()), options
    # The SDK would look for a method that older kinds of credentials have; its policy does not.
    shown: Any = credential
    options["authentication_policy"] = policies.BearerTokenCredentialPolicy(shown, _SCOPE)
    return credential, options
