"""Publishes one event to a topic of an Event Grid namespace, as whoever runs it.

Used by `hark test-event`; the listener itself never sends. Raises Retry and GiveUp as the source of
the topic's subscription does.
"""

from collections.abc import Mapping

from listener.sources.eventgridclient import Credential, make_publisher
from listener.sources.eventgriderrors import translated
from listener.sources.subscriptionurl import SubscriptionUrl

_ROLE = "EventGrid Data Sender"


def send_to_event_grid(
    url: SubscriptionUrl, credential: Credential, proxy: str, event: Mapping[str, object]
) -> None:
    """Publish to the topic of a subscription, and so to all of its subscriptions."""
    client = make_publisher(url, credential, proxy)
    with translated(f"topic {url.topic} at {url.host}", "publish", _ROLE):
        client.send(dict(event))
    client.close()
