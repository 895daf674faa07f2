"""A Pub/Sub subscription with a dead-letter topic, in Google's own server for tests."""

import json
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace

import grpc
import pytest
from google.pubsub_v1 import AcknowledgeRequest

from listener.sources.contract import Delivery, Origin
from listener.sources.pubsub import PubSubSource, open_pubsub
from testbed.grpcproxy import EVERY, GrpcProxy, refuse
from testbed.pubsub import PubSubServer
from testbed.topics import Topics
from worlds.sources import CANARY, EVERYTHING, Ability, Opening

PROJECT = "shop-prod"
_TOPIC = "changes"
_DELIVERIES_BEFORE_DEATH = 5


class PubSubQueue:
    """Implements worlds.sources.SourceWorld."""

    # Without exactly-once delivery, acknowledging what is not there is answered as done.
    abilities = EVERYTHING - {Ability.TELLS_LATE_ACKS, Ability.TELLS_FAILED_ACKS}
    shortest_hold = 1.0
    shortest_delay = 1.0
    longest_wait = 1.0
    credentials: Sequence[str] = ()

    def __init__(self, topics: Topics, proxy: GrpcProxy) -> None:
        self._topics = topics
        self._proxy = proxy
        self._path = topics.subscription(_TOPIC)
        self._hold = 0.0
        self._put: list[str] = []
        self._buried: list[str] = []
        self._opened: list[PubSubSource] = []

    def prepare(self, hold: float) -> None:
        self._hold = hold
        self._topics.make(
            _TOPIC, dead_letters_after=_DELIVERIES_BEFORE_DEATH, deadline_seconds=int(hold)
        )

    def open(self) -> PubSubSource:
        source = open_pubsub(
            self._path, wait_seconds=1, reject_seconds=0, held_seconds=int(self._hold)
        )
        self._opened.append(source)
        return source

    def put(self, *names: str) -> None:
        for name in names:
            body = {"name": name, "value": CANARY}
            self._put.append(self._topics.publish(_TOPIC, body, eventType=name))

    def name_of(self, delivery: Delivery) -> str:
        name: str = json.loads(delivery.body)["name"]
        return name

    def check(self, delivery: Delivery, name: str) -> None:
        assert json.loads(delivery.body) == {"name": name, "value": CANARY}
        assert delivery.attributes == {"eventType": name}
        assert delivery.origin == Origin(account=PROJECT)
        assert abs(delivery.sent_at - time.time()) < 60

    def spoiled(self, delivery: Delivery) -> Delivery:
        return replace(delivery, receipt="m0 no-such-id")

    def left(self) -> int:
        """The server does not tell, so what was acknowledged is counted on the wire."""
        done = {
            ack_id.partition(":")[0]
            for request in self._proxy.requests("Acknowledge")
            for ack_id in AcknowledgeRequest.deserialize(request).ack_ids
        }
        # The service may bury a message twice; in these tests no two have one name.
        return len(set(self._put) - done) - len(set(self.buried()))

    def buried(self) -> list[str]:
        came = self._topics.take(f"{_TOPIC}-dead")
        self._buried.extend(json.loads(one.message.data)["name"] for one in came)
        return self._buried

    @contextmanager
    def away(self) -> Iterator[None]:
        rule = self._proxy.when(EVERY, refuse(grpc.StatusCode.UNAVAILABLE, CANARY), times=None)
        yield
        rule.retire()

    @contextmanager
    def denied(self) -> Iterator[None]:
        rule = self._proxy.when(
            EVERY, refuse(grpc.StatusCode.PERMISSION_DENIED, CANARY), times=None
        )
        yield
        rule.retire()

    def close(self) -> None:
        for source in self._opened:
            source.close()


def pubsub_queue(request: pytest.FixtureRequest) -> Opening:
    """A subscription in a server of the test's own, to which the environment of this process
    leads.
    """
    monkeypatch: pytest.MonkeyPatch = request.getfixturevalue("monkeypatch")
    server: PubSubServer = request.getfixturevalue("pubsub_server")
    topics = Topics(server.address, PROJECT)
    with GrpcProxy(server.address) as proxy:
        monkeypatch.setenv("PUBSUB_EMULATOR_HOST", proxy.address)
        world = PubSubQueue(topics, proxy)
        yield world
        world.close()
    topics.close()
