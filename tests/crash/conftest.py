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
