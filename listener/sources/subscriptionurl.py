"""What the URL of an Event Grid subscription says: the namespace's address, topic, subscription.

Fed by a setting; feeds eventgrid. Pure. There is one form, made of the names that Azure shows of
each: https://HOST/topics/TOPIC/subscriptions/SUBSCRIPTION, where the host is the namespace's HTTP
hostname (usually NAME.REGION-1.eventgrid.azure.net; a private or custom name will do). Only https,
for each request carries a token or a key. It does not look whether any of them exists.
"""

import re
import urllib.parse
from dataclasses import dataclass

from externalsecret.errors import GiveUp

SUBSCRIPTION_URL_EXAMPLE = (
    "https://my-namespace.westeurope-1.eventgrid.azure.net/topics/secrets/subscriptions/hark"
)
_HOST = re.compile(r"[a-z0-9-]+(\.[a-z0-9-]+)+", re.ASCII | re.IGNORECASE)
# Azure's naming rules of Microsoft.EventGrid: letters, digits and hyphens.
_PATH = re.compile(r"/topics/([A-Za-z0-9-]{3,50})/subscriptions/([A-Za-z0-9-]{3,50})/?", re.ASCII)


@dataclass(frozen=True, slots=True)
class SubscriptionUrl:
    """A subscription's URL and what it says."""

    endpoint: str
    """https, the host and nothing else."""
    host: str
    topic: str
    subscription: str

    @property
    def place(self) -> str:
        """Namespace, topic and subscription."""
        return f"{self.host.partition('.')[0]}/{self.topic}/{self.subscription}"

    @property
    def label(self) -> str:
        """The subscription in logs, metrics and names of threads."""
        return f"eventgrid:{self.place}"


def parse_subscription_url(url: str) -> SubscriptionUrl:
    """Take a subscription's URL apart; GiveUp (InvalidSetting) if it is none."""
    if "@" in url:
        # Unseen: what stands before it may be a password.
        raise _refusal("The Event Grid URL holds an '@', but credentials do not belong into it.")
    # What stands behind a question mark may be a key.
    shown = re.split(r"[?#]", url)[0]
    try:
        parts = urllib.parse.urlsplit(url)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        raise _refusal(f"{shown!r} is no URL.") from None
    if parts.scheme == "http":
        raise _refusal(f"{shown!r} is not https, which alone may carry a token or a key.")
    if parts.path.rstrip("/") == "/api/events":
        raise _refusal(
            f"{shown!r} is a topic of Event Grid's basic tier, which cannot be received from: let "
            "it forward to a topic of a namespace."
        )
    path = _PATH.fullmatch(parts.path)
    extra = parts.query or parts.fragment
    if parts.scheme != "https" or not _HOST.fullmatch(host) or path is None or extra:
        raise _refusal(f"{shown!r} is not the URL of a subscription to a namespace's topic.")
    endpoint = f"https://{host}" + (f":{port}" if port is not None else "")
    return SubscriptionUrl(endpoint, host, path[1], path[2])


def _refusal(wrong: str) -> GiveUp:
    return GiveUp(
        f"{wrong} Give the namespace's HTTP hostname and both names as in "
        f"{SUBSCRIPTION_URL_EXAMPLE}.",
        reason="InvalidSetting",
    )
