from collections.abc import Iterator

import pytest

from reconciler.provide import provide_scripts
from reconciler.scripts import FOLDER_VARIABLE
from testbed.cluster import Cluster
from testbed.moto import Moto
from worlds.whole import Running, Whole, whole_product


@pytest.fixture(scope="session")
def scripts() -> dict[str, str]:
    """What tells a reconciler where the libraries for templates are."""
    return {FOLDER_VARIABLE: str(provide_scripts())}


@pytest.fixture(scope="session")
def running(served_cluster: Cluster, moto: Moto, scripts: dict[str, str]) -> Iterator[Running]:
    """Both halves at work, for all tests of one process: use unique names.

    There is no sweep, so that a test knows what made the product look.
    """
    with whole_product(served_cluster, moto) as whole:
        quiet = {"DISABLE_POLLING": "", "LOG_LEVEL": "debug", **scripts}
        reconciler = whole.reconciler(environment={**quiet, "HARK_UNANNOUNCED_AFTER": "1s"})
        yield Running(whole, whole.listener(environment=quiet), reconciler)


@pytest.fixture
def world(running: Running) -> Whole:
    """The shared product, for tests that need not see its processes."""
    return running.whole


@pytest.fixture
def whole(served_cluster: Cluster, moto: Moto) -> Iterator[Whole]:
    """A product for one test alone, which starts the halves itself."""
    with whole_product(served_cluster, moto) as own:
        yield own
