import subprocess
from collections.abc import Callable

import pytest

from testbed import binaries
from testbed.cluster import MERGE_PATCH, Cluster

Kubectl = Callable[..., str]


@pytest.fixture
def kubectl(served_cluster: Cluster, namespace: str) -> Kubectl:
    """Run kubectl in the test's namespace and return what it prints."""
    program = binaries.provide_at_once() / "kubectl"

    def run(*arguments: str) -> str:
        start = [
            str(program),
            f"--kubeconfig={served_cluster.admin_kubeconfig}",
            f"--namespace={namespace}",
        ]
        return subprocess.run(
            [*start, *arguments], check=True, capture_output=True, text=True
        ).stdout

    return run


@pytest.fixture
def shop(cluster: Cluster, collection: str) -> str:
    """The name of an ExternalSecret that was synced."""
    spec = {"backendType": "gcpSecretsManager", "data": []}
    manifest = {
        "apiVersion": "kubernetes-client.io/v1",
        "kind": "ExternalSecret",
        "metadata": {"name": "shop"},
        "spec": spec,
    }
    cluster.request("POST", collection, manifest)
    ready = {"type": "Ready", "status": "True", "reason": "Synced", "message": "All is in step."}
    other = {"type": "Other", "status": "False", "reason": "Distracting", "message": "Not this."}
    status = {
        "lastSync": "2020-01-01T00:00:00.123Z",
        "status": "SUCCESS",
        "conditions": [other, ready],
    }
    path = f"{collection}/shop/status"
    cluster.request("PATCH", path, {"status": status}, content_type=MERGE_PATCH)
    return "shop"


def test_kubectl_get_prints_the_columns_of_kes_and_ready(kubectl: Kubectl, shop: str) -> None:
    head, row = kubectl("get", "es").splitlines()
    assert head.split() == ["NAME", "LAST", "SYNC", "STATUS", "AGE", "READY"]
    name, last_sync, status, _age, ready = row.split()
    assert (name, status, ready) == (shop, "SUCCESS", "True")
    # An age, so the API server understood the time.
    assert last_sync.endswith("d")


def test_kubectl_get_wide_tells_why(kubectl: Kubectl, shop: str) -> None:
    head, row = kubectl("get", "externalsecret", shop, "--output=wide").splitlines()
    assert head.split()[-3:] == ["REASON", "BACKEND", "MESSAGE"]
    assert row[head.index("REASON") :].split(maxsplit=2) == [
        "Synced",
        "gcpSecretsManager",
        "All is in step.",
    ]


def test_kubectl_wait_understands_ready(kubectl: Kubectl, shop: str) -> None:
    said = kubectl("wait", "--for=condition=Ready", "--timeout=60s", f"externalsecrets/{shop}")
    assert "condition met" in said


@pytest.mark.parametrize(
    ("field", "said"),
    [
        ("es.spec.data.property", "Member of the value to take"),
        ("es.spec.template", "Anything a Secret may have"),
        ("es.status.conditions", "kubectl wait"),
        ("es.status.keys.heard", "The last announcement of a change"),
        ("es.status.keys.synced.feeds", "Names of the Secret's entries"),
    ],
)
def test_kubectl_explains_a_nested_field(kubectl: Kubectl, field: str, said: str) -> None:
    assert said in " ".join(kubectl("explain", field).split())
