"""Topics and subscriptions of the Pub/Sub server for tests, as its administrator makes and fills
them.
"""

from __future__ import annotations

import json
from typing import Any

import grpc
from google.pubsub_v1 import (
    DeadLetterPolicy,
    PublisherClient,
    PubsubMessage,
    PullRequest,
    ReceivedMessage,
    SubscriberClient,
    Subscription,
)
from google.pubsub_v1.services.publisher.transports import PublisherGrpcTransport
from google.pubsub_v1.services.subscriber.transports import SubscriberGrpcTransport


class Topics:
    """One project's topics. Every topic has a subscription of the same name."""

    def __init__(self, address: str, project: str) -> None:
        self._project = project
        self._channels = [grpc.insecure_channel(address) for _ in range(2)]
        self._publisher = PublisherClient(
            transport=PublisherGrpcTransport(channel=self._channels[0])
        )
        self._subscriber = SubscriberClient(
            transport=SubscriberGrpcTransport(channel=self._channels[1])
        )

    def close(self) -> None:
        for channel in self._channels:
            channel.close()

    def topic(self, name: str) -> str:
        return f"projects/{self._project}/topics/{name}"

    def subscription(self, name: str) -> str:
        return f"projects/{self._project}/subscriptions/{name}"

    def make(
        self,
        name: str,
        *,
        dead_letters_after: int = 0,
        exactly_once: bool = False,
        deadline_seconds: int = 10,
    ) -> str:
        """Make a topic and its subscription, whose full name is given; with a number of attempts
        also `<name>-dead`, where messages end that were delivered so often (5 to 100).
        """
        self._publisher.create_topic(name=self.topic(name))
        wanted = Subscription(
            name=self.subscription(name),
            topic=self.topic(name),
            ack_deadline_seconds=deadline_seconds,
            enable_exactly_once_delivery=exactly_once,
        )
        if dead_letters_after:
            self.make(f"{name}-dead")
            wanted.dead_letter_policy = DeadLetterPolicy(
                dead_letter_topic=self.topic(f"{name}-dead"),
                max_delivery_attempts=dead_letters_after,
            )
        self._subscriber.create_subscription(request=wanted)
        return wanted.name

    def publish(self, name: str, body: Any = b"", **attributes: str) -> str:
        """Publish a message; its id. A body that is no bytes becomes JSON."""
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        message = PubsubMessage(data=data, attributes=attributes)
        made = self._publisher.publish(topic=self.topic(name), messages=[message])
        return made.message_ids[0]

    def take(self, name: str) -> list[ReceivedMessage]:
        """What a consumer gets within half a second, and acknowledges."""
        path = self.subscription(name)
        request = PullRequest(subscription=path, max_messages=100)
        came = list(self._subscriber.pull(request=request, timeout=10).received_messages)
        if came:
            self._subscriber.acknowledge(subscription=path, ack_ids=[one.ack_id for one in came])
        return came
