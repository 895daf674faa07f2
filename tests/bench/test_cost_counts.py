"""What `hark cost` says of Hark is what a double of AWS counted."""

import pytest

from bench import money
from externalsecret.identity import Backend
from testbed.cluster import Cluster


@pytest.mark.parametrize("backend", money.BACKENDS)
def test_hark_asks_for_what_its_cost_model_says(served_cluster: Cluster, backend: Backend) -> None:
    rows = money.of_backend(served_cluster, backend, quick=True)
    assert len(rows) == 5
    assert {row.name: row.figure for row in rows if row.verdict != "ok"} == {}
