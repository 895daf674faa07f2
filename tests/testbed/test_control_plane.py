import secrets
import socket
import subprocess
import time
import urllib.parse

import pytest

from testbed import binaries
from testbed.cluster import ApiError, Cluster
from testbed.controlplane import ControlPlane

CONFIG_MAPS = "/api/v1/namespaces/{}/configmaps"


def may_list(cluster: Cluster, namespace: str, token: str) -> bool:
    try:
        cluster.request("GET", CONFIG_MAPS.format(namespace), token=token)
    except ApiError:
        return False
    return True


def test_the_control_plane_is_ready_and_of_the_version_we_name(cluster: Cluster) -> None:
    assert cluster.request("GET", "/readyz")["text"] == "ok"
    assert cluster.request("GET", "/version")["gitVersion"] == "v1.35.0"


def test_what_a_test_creates_is_in_its_own_namespace(cluster: Cluster, namespace: str) -> None:
    path = CONFIG_MAPS.format(namespace)
    cluster.request("POST", path, {"metadata": {"name": "one"}, "data": {"a": "b"}})
    assert [item["metadata"]["name"] for item in cluster.request("GET", path)["items"]] == ["one"]


def test_a_service_account_without_rights_is_refused(cluster: Cluster, namespace: str) -> None:
    token = cluster.service_account_token(namespace, "nobody")
    with pytest.raises(ApiError) as refusal:
        cluster.request("GET", CONFIG_MAPS.format(namespace), token=token)
    assert refusal.value.code == 403
    assert f"system:serviceaccount:{namespace}:nobody" in refusal.value.body


def test_a_service_account_may_do_what_a_role_binding_gives_it(
    cluster: Cluster, namespace: str
) -> None:
    token = cluster.service_account_token(namespace, "reader")
    cluster.request(
        "POST",
        f"/apis/rbac.authorization.k8s.io/v1/namespaces/{namespace}/rolebindings",
        {
            "metadata": {"name": "reader"},
            "roleRef": {
                "apiGroup": "rbac.authorization.k8s.io",
                "kind": "ClusterRole",
                "name": "view",
            },
            "subjects": [{"kind": "ServiceAccount", "name": "reader", "namespace": namespace}],
        },
    )
    deadline = time.monotonic() + 90
    # The authorizer sees a binding a moment after it was made.
    while not may_list(cluster, namespace, token):
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_what_a_deleted_object_owned_is_collected(cluster: Cluster, namespace: str) -> None:
    path = CONFIG_MAPS.format(namespace)
    owner = cluster.request("POST", path, {"metadata": {"name": "owner"}})
    reference = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "name": "owner",
        "uid": owner["metadata"]["uid"],
    }
    cluster.request("POST", path, {"metadata": {"name": "owned", "ownerReferences": [reference]}})
    cluster.request("DELETE", f"{path}/owner")
    deadline = time.monotonic() + 90
    while cluster.request("GET", path)["items"]:
        assert time.monotonic() < deadline
        time.sleep(0.1)


def test_data_survives_while_the_api_server_is_away(control_plane: ControlPlane) -> None:
    name = f"test-{secrets.token_hex(4)}"
    control_plane.request("POST", "/api/v1/namespaces", {"metadata": {"name": name}})
    control_plane.stop_apiserver()
    with pytest.raises(OSError, match="refused"):
        control_plane.request("GET", "/readyz")
    control_plane.start_apiserver()
    assert control_plane.request("GET", f"/api/v1/namespaces/{name}")["metadata"]["name"] == name


def test_kubectl_of_the_same_version_works_with_the_kubeconfig(cluster: Cluster) -> None:
    command = [
        str(binaries.provide_at_once() / "kubectl"),
        f"--kubeconfig={cluster.admin_kubeconfig}",
        "get",
        "namespace",
        "default",
        "--output=name",
    ]
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert said.strip() == "namespace/default"


def test_nothing_is_left_after_a_stop(control_plane: ControlPlane) -> None:
    control_plane.stop()
    assert not control_plane.folder.exists()
    port = urllib.parse.urlsplit(control_plane.url).port
    with socket.socket() as probe, pytest.raises(ConnectionRefusedError):
        probe.connect(("127.0.0.1", port))
