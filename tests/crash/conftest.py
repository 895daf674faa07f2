"""Worlds of the tests that take something away, or bring it twice, late or a thousand times.

What is promised, and which test proves it on real parts (moto's SQS, a real API server, both halves
as processes; a line of several proofs names the module):

    the listener dies between receive, note and acknowledgement   test_listener_is_killed
    the reconciler dies between note, read, write and ledger      test_reconciler_is_killed
    one event ten times; two versions in the wrong order; one     test_messages_misbehave
    change announced in two ways; a roll-back; a value that
    cannot be read yet; a forged version; poison
    two replicas of the listener on one queue                     test_replicas
    many irrelevant messages in front; a burst of changes         test_floods, tests/listener
    the API server away; an object made anew under its name       test_cluster_misbehaves
    the queue away                                                test_queue_goes_away
    the right to note taken away                                  test_rights_are_lost
    one key name in two regions and two accounts                  test_same_names
    all of that in any order, in thousands of schedules           tests/simulation
"""

from collections.abc import Iterator

import pytest

from testbed.cluster import Cluster
from testbed.moto import Moto
from testbed.proxy import WireProxy
from worlds.spine import Spine
from worlds.wired import Wired


@pytest.fixture
def wires(cluster_proxy: WireProxy, moto_proxy: WireProxy) -> tuple[WireProxy, WireProxy]:
    """To the API server, and to AWS."""
    return (cluster_proxy, moto_proxy)


@pytest.fixture
def wired(
    served_cluster: Cluster,
    namespace: str,
    moto: Moto,
    aws_account: str,
    wires: tuple[WireProxy, WireProxy],
) -> Iterator[Wired]:
    """The whole product for one test, with proxies on both wires."""
    kube, aws = wires
    spine = Spine(served_cluster, namespace, moto, aws_account, endpoint=aws.url)
    yield Wired(spine, kube, aws)
    spine.close()
