"""What `hark cost` says of Hark is what a double of AWS counted."""

from bench import money
from testbed.cluster import Cluster


def test_hark_asks_for_what_its_cost_model_says(served_cluster: Cluster) -> None:
    rows = money.measure(served_cluster, quick=True)
    assert len(rows) == 5
    assert {row.name: row.figure for row in rows if row.verdict != "ok"} == {}
