"""Real parts for tests, as a pytest plugin (`-p testbed.fixtures`).

Expensive parts are started when the first test asks for them, once per run: under pytest-xdist the
controlling process owns them and all workers share them, each test in a namespace and an AWS
account of its own. HARK_TEST_KUBECONFIG may name the kubeconfig of a `python -m
testbed.controlplane` that runs already, and HARK_TEST_MOTO the address of a moto server, which
saves their start while one works on a test, or where a test runs pytest itself.
"""

from __future__ import annotations

import os
import secrets
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from testbed import binaries
from testbed.azurite import AzuriteServer
from testbed.cluster import Cluster
from testbed.controlplane import ControlPlane
from testbed.lender import Lender, Stoppable, borrow
from testbed.moto import Moto, MotoServer
from testbed.openbao import Bao, OpenBaoServer
from testbed.proxy import WireProxy
from testbed.pubsub import PubSubServer

_LENDER = pytest.StashKey[Lender]()
_WORKER_INPUT = "hark_testbed_lender"
_ACCOUNT_DIGITS = 12


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    """Let the process that controls the run own what the tests share."""
    if not hasattr(config, "workerinput"):
        parts: dict[str, Callable[[], tuple[Stoppable, str]]] = {
            "control plane": _start_control_plane,
            "moto": _start_moto,
            "openbao": _start_openbao,
            "azurite": _start_azurite,
        }
        config.stash[_LENDER] = Lender(parts)


def pytest_unconfigure(config: pytest.Config) -> None:
    """Stop what was started."""
    if _LENDER in config.stash:
        config.stash[_LENDER].close()


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """Tell a worker of pytest-xdist where to ask."""
    node.workerinput[_WORKER_INPUT] = node.config.stash[_LENDER].address


AWS_CALLS = pytest.StashKey[set[str]]()
"""Operations of AWS that were asked for through proxies in this process, such as GetSecretValue."""


@pytest.fixture(scope="session")
def cluster(request: pytest.FixtureRequest) -> Iterator[Cluster]:
    """A real API server that all tests share: never stop it, and work in a `namespace`."""
    kubeconfig = os.environ.get("HARK_TEST_KUBECONFIG")
    address = kubeconfig or borrow(_lender_address(request.config), "control plane")
    with tempfile.TemporaryDirectory(prefix="hark-kubeconfigs-") as folder:
        yield Cluster(Path(address), Path(folder))


@pytest.fixture
def control_plane() -> Iterator[ControlPlane]:
    """A control plane for one test alone, which may take its API server away."""
    with ControlPlane(programs=binaries.provide_at_once()) as plane:
        yield plane


@pytest.fixture
def namespace(cluster: Cluster) -> Iterator[str]:
    """A namespace for one test alone."""
    name = f"test-{secrets.token_hex(4)}"
    cluster.request("POST", "/api/v1/namespaces", {"metadata": {"name": name}})
    yield name
    # Its end is not awaited: nobody will ever use that name again.
    cluster.request("DELETE", f"/api/v1/namespaces/{name}")


@pytest.fixture
def cluster_proxy(cluster: Cluster) -> Iterator[WireProxy]:
    """A proxy before the API server, for `cluster.service_account_kubeconfig(server=...)`."""
    with WireProxy(cluster.url, cluster.ca_file) as proxy:
        yield proxy


@pytest.fixture(scope="session")
def moto(request: pytest.FixtureRequest) -> Moto:
    """An AWS that all tests share: never reset it, and work in an `aws_account`."""
    address = os.environ.get("HARK_TEST_MOTO")
    return Moto(address or borrow(_lender_address(request.config), "moto"))


@pytest.fixture
def aws_account() -> str:
    """The id of an empty AWS account for one test alone, for `moto.env`."""
    return "9" + "".join(secrets.choice("0123456789") for _ in range(_ACCOUNT_DIGITS - 1))


@pytest.fixture
def moto_proxy(moto: Moto, request: pytest.FixtureRequest) -> Iterator[WireProxy]:
    """A proxy on the wire to AWS, for `moto.env(account, endpoint=proxy.url)`."""
    with WireProxy(moto.url) as proxy:
        yield proxy
        called = {entry.head.aws_operation for entry in proxy.log} - {""}
        request.config.stash.setdefault(AWS_CALLS, set()).update(called)


@pytest.fixture(scope="session")
def bao(request: pytest.FixtureRequest) -> Bao:
    """A Vault that all tests share: mount engines and auth methods of the test's own."""
    return Bao(borrow(_lender_address(request.config), "openbao"))


@pytest.fixture
def pubsub_server() -> Iterator[PubSubServer]:
    """A Pub/Sub for one test alone, which may end it and start it again."""
    with PubSubServer() as server:
        yield server


@pytest.fixture
def bao_proxy(bao: Bao) -> Iterator[WireProxy]:
    """A proxy on the wire to Vault."""
    with WireProxy(bao.url) as proxy:
        yield proxy


@pytest.fixture(scope="session")
def azurite(request: pytest.FixtureRequest) -> str:
    """The address of storage queues that all tests share: work in queues of the test's own."""
    return borrow(_lender_address(request.config), "azurite")


@pytest.fixture
def azurite_proxy(azurite: str) -> Iterator[WireProxy]:
    """A proxy on the wire to the storage queues."""
    with WireProxy(azurite) as proxy:
        yield proxy


def _lender_address(config: pytest.Config) -> str:
    worker_input: dict[str, str] | None = getattr(config, "workerinput", None)
    if worker_input is None:
        return config.stash[_LENDER].address
    return worker_input[_WORKER_INPUT]


def _start_control_plane() -> tuple[ControlPlane, str]:
    plane = ControlPlane(programs=binaries.provide_at_once())
    return plane, str(plane.admin_kubeconfig)


def _start_moto() -> tuple[MotoServer, str]:
    server = MotoServer()
    return server, server.url


def _start_openbao() -> tuple[OpenBaoServer, str]:
    server = OpenBaoServer()
    return server, server.url


def _start_azurite() -> tuple[AzuriteServer, str]:
    server = AzuriteServer()
    return server, server.url
