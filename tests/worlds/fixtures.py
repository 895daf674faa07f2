"""Fixtures for tests of backends: `pytest_plugins = ["worlds.fixtures"]` in a test file."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from testbed.azure import AzureDouble
from testbed.cluster import Cluster
from testbed.moto import Moto
from testbed.openbao import Bao
from testbed.proxy import WireProxy
from worlds.backends import (
    MemoryWorld,
    ParameterStoreWorld,
    RemoteWorld,
    SecretsManagerWorld,
    World,
)
from worlds.google import GoogleWorld, use_key
from worlds.keyvault import KeyVaultWorld
from worlds.openbao import OpenBaoWorld
from worlds.spine import Spine

REMOTE_WORLDS = ["secrets", "parameters", "google", "key_vault", "openbao"]
"""The fixture of each backend that is reached over a network."""


@pytest.fixture
def wire(
    moto: Moto, moto_proxy: WireProxy, aws_account: str, monkeypatch: pytest.MonkeyPatch
) -> WireProxy:
    """The way to AWS that the product takes, in an account of the test's own."""
    for name, value in moto.env(aws_account, endpoint=moto_proxy.url).items():
        monkeypatch.setenv(name, value)
    return moto_proxy


@pytest.fixture
def secrets(wire: WireProxy, moto: Moto) -> Iterator[SecretsManagerWorld]:
    world = SecretsManagerWorld(wire, moto.url)
    yield world
    world.close()


@pytest.fixture
def parameters(wire: WireProxy, moto: Moto) -> Iterator[ParameterStoreWorld]:
    world = ParameterStoreWorld(wire, moto.url)
    yield world
    world.close()


@pytest.fixture
def google(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[GoogleWorld]:
    use_key(tmp_path, monkeypatch)
    world = GoogleWorld()
    yield world
    world.close()


@pytest.fixture
def azure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[AzureDouble]:
    """An Azure of the test's own, to which the environment of this process leads."""
    with AzureDouble(tmp_path) as double:
        for name, value in double.env().items():
            monkeypatch.setenv(name, value)
        yield double


@pytest.fixture
def key_vault(azure: AzureDouble) -> Iterator[KeyVaultWorld]:
    world = KeyVaultWorld(azure)
    yield world
    world.close()


@pytest.fixture
def openbao(bao: Bao, bao_proxy: WireProxy, tmp_path: Path) -> Iterator[OpenBaoWorld]:
    world = OpenBaoWorld(bao, bao_proxy, tmp_path)
    yield world
    world.close()


@pytest.fixture
def memory() -> MemoryWorld:
    return MemoryWorld()


@pytest.fixture(params=["memory", *REMOTE_WORLDS])
def world(request: pytest.FixtureRequest) -> World:
    found = request.getfixturevalue(request.param)
    assert isinstance(found, World)
    return found


@pytest.fixture(params=REMOTE_WORLDS)
def remote_world(request: pytest.FixtureRequest) -> RemoteWorld:
    found = request.getfixturevalue(request.param)
    assert isinstance(found, RemoteWorld)
    return found


@pytest.fixture
def spine(served_cluster: Cluster, namespace: str, moto: Moto, aws_account: str) -> Iterator[Spine]:
    """The whole product for one test; the test starts the halves."""
    world = Spine(served_cluster, namespace, moto, aws_account)
    yield world
    world.close()
