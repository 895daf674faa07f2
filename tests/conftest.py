import time
from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import Any

import hypothesis
import pytest
import yaml

from externalsecret import definitions
from testbed.cluster import MERGE_PATCH, ApiError, Cluster

pytest_plugins = ["testbed.fixtures", "worlds.fixtures", "worlds.quickboto", "worlds.awscalls"]

# On a busy machine a slow example is no failure: pytest's own timeout is for what hangs.
hypothesis.settings.register_profile("patient", deadline=None)
hypothesis.settings.load_profile("patient")

CRDS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
CLUSTER_ROLES = "/apis/rbac.authorization.k8s.io/v1/clusterroles"
GROUP = "/apis/kubernetes-client.io/v1"
HALVES: tuple[definitions.Half, ...] = ("listener", "reconciler")

Install = Callable[[Cluster, str, Mapping[str, Any]], None]


def _install(cluster: Cluster, collection: str, manifest: Mapping[str, Any]) -> None:
    cluster.create_if_absent(collection, manifest)
    # A cluster that outlives the run may hold the manifest of yesterday.
    name = manifest["metadata"]["name"]
    cluster.request("PATCH", f"{collection}/{name}", manifest, content_type=MERGE_PATCH)


def _await_published(cluster: Cluster, field: str) -> None:
    deadline = time.monotonic() + 90
    while time.monotonic() < deadline:
        try:
            cluster.request("GET", f"{GROUP}/externalsecrets?limit=1")
            schema = cluster.request("GET", f"/openapi/v3{GROUP}")
        except ApiError as error:
            if error.code not in (HTTPStatus.NOT_FOUND, HTTPStatus.SERVICE_UNAVAILABLE):
                raise
        else:
            if field in str(schema):
                return
        time.sleep(0.1)
    pytest.fail(f"the API server did not publish a schema with {field} within 90 s")


@pytest.fixture(scope="session")
def install() -> Install:
    """Make an object be what a manifest says: `install(cluster, collection, manifest)`."""
    return _install


@pytest.fixture(scope="session")
def install_crd() -> Callable[[Cluster, str, str], None]:
    """Install a CRD's text and wait until a field of it is in the published schema."""

    def install_text(cluster: Cluster, text: str, field: str) -> None:
        _install(cluster, CRDS, yaml.safe_load(text))
        _await_published(cluster, field)

    return install_text


@pytest.fixture(scope="session")
def served_cluster(cluster: Cluster, install_crd: Callable[[Cluster, str, str], None]) -> Cluster:
    """The shared cluster, once it serves our ExternalSecret and has the roles of both halves."""
    install_crd(cluster, definitions.crd(), "remark")
    for half in HALVES:
        for role in definitions.rights(half):
            if role["kind"] == "ClusterRole":
                _install(cluster, CLUSTER_ROLES, role)
    return cluster


@pytest.fixture
def collection(served_cluster: Cluster, namespace: str) -> str:
    """The path of the ExternalSecrets of a namespace for one test alone."""
    assert served_cluster
    return f"{GROUP}/namespaces/{namespace}/externalsecrets"
