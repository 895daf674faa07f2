"""The listener of a Pub/Sub subscription dies by SIGKILL between any two of its steps: what it had
comes again at its deadline, and no value is read twice.
"""

from collections.abc import Iterator
from pathlib import Path

import grpc
import pytest
from google.pubsub_v1 import AcknowledgeRequest

from testbed.cluster import Cluster
from testbed.grpcproxy import GrpcProxy, before, refuse
from testbed.installation import HarkProcess
from testbed.moto import Moto
from testbed.proxy import WireProxy
from testbed.pubsub import PubSubServer
from worlds.announced import Announced, announced_product
from worlds.spine import PATIENCE, await_until
from worlds.wired import await_kill, kill_at, status_patch_of

NAME = "db"
NOTE = status_patch_of(NAME)
ACKNOWLEDGE = "Acknowledge"
RETURN = 2
"""Seconds after which a message comes again that was not acknowledged."""


class Served:
    """A product that holds the first value, read once; its listener is about to die."""

    def __init__(self, product: Announced, pubsub: GrpcProxy, kube: WireProxy) -> None:
        self.product = product
        self.pubsub = pubsub
        self.kube = kube
        product.reconcile()
        self.listener: HarkProcess = product.listen(kube.url)
        product.synced(NAME, "first")

    def notes(self) -> int:
        """Notes that reached the API server."""
        return sum(entry.forwarded and NOTE(entry.head) for entry in self.kube.log)

    def acknowledged(self) -> set[str]:
        """Which messages the proxy was told to be done, whether or not it passed that on."""
        return {
            ack_id.partition(":")[0]
            for request in self.pubsub.requests(ACKNOWLEDGE)
            for ack_id in AcknowledgeRequest.deserialize(request).ack_ids
        }

    def come_back(self, *, is_delivered_again: bool = True) -> None:
        """Start the listener anew and see that the change arrives, at the price of one read."""
        told = len(self.pubsub.requests(ACKNOWLEDGE))
        again = self.product.listen(self.kube.url)
        if is_delivered_again:
            await_until(
                lambda: len(self.pubsub.requests(ACKNOWLEDGE)),
                lambda count: count > told,
                "the message is acknowledged",
            )
            assert again.metric("hark_listener_ack_failures_total") == 0
        self.product.whole.await_data(NAME, entry=b"second")
        (leaves,) = await_until(
            lambda: list(self.product.whole.status(NAME)["keys"].values()),
            lambda found: found[0]["synced"]["version"] == "2",
            "the second version is in the ledger",
        )
        assert leaves["heard"]["version"] == "2"
        assert self.product.reads() == 2
        assert self.notes() == 1
        assert len(self.acknowledged()) == 1


@pytest.fixture
def served(
    served_cluster: Cluster,
    moto: Moto,
    pubsub_server: PubSubServer,
    cluster_proxy: WireProxy,
    tmp_path: Path,
) -> Iterator[Served]:
    address = pubsub_server.address
    with (
        GrpcProxy(address) as wire,
        announced_product(
            served_cluster, moto, address, tmp_path, wire=wire.address, deadline=RETURN
        ) as product,
    ):
        yield Served(product, wire, cluster_proxy)


def test_killed_between_receive_and_note_it_hears_the_change_again(served: Served) -> None:
    killed = kill_at(served.listener, served.kube, NOTE, done=False)
    served.product.change(NAME, "second")
    await_kill(served.listener, killed)
    assert served.notes() == 0
    assert not served.acknowledged(), "a message was acknowledged before its note"
    assert served.product.whole.data(NAME) == {"entry": b"first"}
    served.come_back()


@pytest.mark.parametrize("acknowledged", [False, True])
def test_killed_between_note_and_acknowledgement_it_notes_nothing_twice(
    served: Served, *, acknowledged: bool
) -> None:
    lost = None if acknowledged else refuse(grpc.StatusCode.UNAVAILABLE)
    served.pubsub.when(ACKNOWLEDGE, before(served.listener.kill, then=lost))
    served.product.change(NAME, "second")
    assert served.listener.wait(PATIENCE) < 0
    assert served.notes() == 1
    served.product.whole.await_data(NAME, entry=b"second")
    served.come_back(is_delivered_again=not acknowledged)
