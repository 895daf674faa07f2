"""Beyond the table of docs/manifest.md: unknown fields, and manifests as their users wrote them."""

from http import HTTPStatus
from pathlib import Path
from typing import Any

import pytest
import yaml

from externalsecret import definitions
from testbed.cluster import ApiError, Cluster

ITEM = {"key": "shop", "name": "password"}
OWN_SPEC_FIELDS = {"location", "suspend", "sweepInterval", "deletionPolicy", "onTypeChange"}
OWN_ITEM_FIELDS = {"optional"}
STRICT = "?fieldValidation=Strict"
MANIFESTS = sorted((Path(__file__).parent / "manifests").glob("*.yaml"))

VAULT = {"backendType": "vault"}


def _external_secret(spec: dict[str, Any]) -> dict[str, Any]:
    return {
        "apiVersion": "kubernetes-client.io/v1",
        "kind": "ExternalSecret",
        "metadata": {"name": "shop"},
        "spec": spec,
    }


def _kes_manifests() -> list[dict[str, Any]]:
    return [manifest for path in MANIFESTS for manifest in yaml.safe_load_all(path.read_text())]


def test_an_unknown_field_is_refused_by_a_strict_client(cluster: Cluster, collection: str) -> None:
    manifest = _external_secret({**VAULT, "data": [], "properties": ["a"]})
    with pytest.raises(ApiError, match=r'unknown field \\"spec.properties\\"') as refusal:
        cluster.request("POST", collection + STRICT, manifest)
    assert refusal.value.code == HTTPStatus.BAD_REQUEST


def test_an_unknown_field_of_a_lenient_client_is_dropped(cluster: Cluster, collection: str) -> None:
    manifest = _external_secret({**VAULT, "data": [{**ITEM, "fallback": True}], "properties": []})
    created = cluster.request("POST", collection + "?fieldValidation=Ignore", manifest)
    assert created["spec"] == {**VAULT, "data": [ITEM]}


@pytest.mark.parametrize(
    "manifest", _kes_manifests(), ids=lambda manifest: manifest["metadata"]["name"]
)
def test_a_manifest_written_for_kes_is_accepted_whole(
    cluster: Cluster, collection: str, manifest: dict[str, Any]
) -> None:
    created = cluster.request("POST", collection + STRICT, manifest)
    assert created["spec"] == manifest["spec"]


def test_the_manifests_written_for_kes_use_every_field_and_every_backend() -> None:
    specs = [manifest["spec"] for manifest in _kes_manifests()]
    version = yaml.safe_load(definitions.crd())["spec"]["versions"][0]
    known = version["schema"]["openAPIV3Schema"]["properties"]["spec"]["properties"]
    assert {name for spec in specs for name in spec} == set(known) - OWN_SPEC_FIELDS
    assert {spec["backendType"] for spec in specs} == set(known["backendType"]["enum"])
    for part in ("data", "dataFromWithOptions"):
        used = {name for spec in specs for item in spec.get(part, []) for name in item}
        assert used == set(known[part]["items"]["properties"]) - OWN_ITEM_FIELDS
