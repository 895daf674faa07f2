from collections.abc import Callable
from pathlib import Path
from typing import Any

from externalsecret import definitions
from testbed.cluster import MERGE_PATCH, Cluster
from testbed.controlplane import ControlPlane
from worlds.spine import await_until

KES_CRD = Path(__file__).parent / "kes-8.5.5-crd.yaml"
SHOP = "/apis/kubernetes-client.io/v1/namespaces/default/externalsecrets"
LEDGER = {
    "uid": "00000000-1111-2222-3333-444444444444",
    "secret": {"resourceVersion": "42"},
    "keys": {"vault/shop": {"heard": {"id": "e-1"}}},
}


def _patch(cluster: Cluster, status: dict[str, Any]) -> dict[str, Any]:
    path = f"{SHOP}/shop/status"
    answer = cluster.request("PATCH", path, {"status": status}, content_type=MERGE_PATCH)
    kept: dict[str, Any] = answer["status"]
    return kept


def test_the_crd_of_kes_drops_the_ledger_in_silence_until_ours_replaces_it(
    control_plane: ControlPlane, install_crd: Callable[[Cluster, str, str], None]
) -> None:
    # A CRD is the whole cluster's, so this needs a cluster of its own.
    install_crd(control_plane, KES_CRD.read_text(), "lastSync")
    manifest = {
        "apiVersion": "kubernetes-client.io/v1",
        "kind": "ExternalSecret",
        "metadata": {"name": "shop"},
        "spec": {"backendType": "vault", "data": [{"key": "shop", "name": "password"}]},
    }
    created = control_plane.request("POST", SHOP, manifest)
    assert _patch(control_plane, {**LEDGER, "status": "SUCCESS"}) == {"status": "SUCCESS"}

    install_crd(control_plane, definitions.crd(), "fingerprint")
    kept = control_plane.request("GET", f"{SHOP}/shop")
    assert kept["metadata"]["uid"] == created["metadata"]["uid"]
    assert kept["spec"] == manifest["spec"]
    # The API server publishes a schema and prunes by it in two places, one after the other.
    await_until(
        lambda: _patch(control_plane, LEDGER),
        lambda kept: kept == {**LEDGER, "status": "SUCCESS"},
        "the ledger is kept",
    )
