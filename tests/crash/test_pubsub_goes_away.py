"""Pub/Sub is away while changes happen: nothing is lost, nothing is read twice.

The outage lasts until several calls failed, and longer than a message stays hidden.
"""

import threading
from collections.abc import Iterator
from pathlib import Path

import grpc
import pytest

from testbed.cluster import Cluster
from testbed.grpcproxy import EVERY, GrpcProxy, refuse
from testbed.moto import Moto
from testbed.pubsub import PubSubServer
from worlds.announced import TOPIC, Announced, announced_product
from worlds.google import PROJECT
from worlds.spine import await_until, unique
from worlds.wired import OUTAGE

UP = f'hark_listener_source_up{{source="pubsub:{PROJECT}/{TOPIC}"}}'
"""The listener has a queue in AWS too, which is not away."""
FAILURES = "hark_listener_source_failures_total"
UP = 'hark_listener_source_up{source="pubsub:shop-prod/hark"}'
"""Of Pub/Sub alone: the queue of SQS beside it is well."""
RETURN = 2
"""Seconds after which a message comes again that was not acknowledged."""


@pytest.fixture
def wire(pubsub_server: PubSubServer) -> Iterator[GrpcProxy]:
    with GrpcProxy(pubsub_server.address) as proxy:
        yield proxy


@pytest.fixture
def product(
    served_cluster: Cluster,
    moto: Moto,
    pubsub_server: PubSubServer,
    wire: GrpcProxy,
    tmp_path: Path,
) -> Iterator[Announced]:
    address = pubsub_server.address
    with announced_product(
        served_cluster, moto, address, tmp_path, wire=wire.address, deadline=RETURN
    ) as made:
        yield made


def test_what_is_announced_while_pubsub_is_away_is_worked_off_after(
    product: Announced, wire: GrpcProxy
) -> None:
    names = [unique("db"), unique("mail"), unique("shop")]
    product.reconcile()
    listener = product.listen()
    for name in names:
        product.synced(name, "first")

    away = wire.when(EVERY, refuse(grpc.StatusCode.UNAVAILABLE), times=None)
    # A pull that was under way may still bring some; their acknowledgement is lost.
    for name in names:
        product.change(name, "second")
    await_until(lambda: listener.metric(FAILURES), lambda number: number >= 3, "it was tried again")
    threading.Event().wait(OUTAGE)
    assert listener.metric(UP) == 0
    assert listener.get("/readyz")[0] == 200, "what is away takes nobody out of service"

    away.retire()
    for name in names:
        product.whole.await_data(name, entry=b"second")
        product.whole.await_synced(name)
    await_until(lambda: listener.metric(UP), lambda value: value == 1, "it is told to be back")
    assert product.reads() == 2 * len(names)
    assert listener.metric("hark_listener_messages_parked_total") == 0
