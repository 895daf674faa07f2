import json
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
AZURE = {"backendType": "azureKeyVault"}

ACCEPTED: dict[str, dict[str, Any]] = {
    "an_empty_list_of_data": {**VAULT, "data": []},
    "the_fields_of_hark": {
        **VAULT,
        "location": "europe-west3",
        "suspend": True,
        "sweepInterval": "1h30m",
        "deletionPolicy": "Retain",
        "onTypeChange": "Recreate",
        "data": [{**ITEM, "optional": True}],
    },
    "an_empty_list_of_dataFrom": {**VAULT, "dataFrom": []},
    "an_empty_list_of_dataFromWithOptions": {**VAULT, "dataFromWithOptions": []},
    "path_with_key_and_without_name": {**VAULT, "data": [{"key": "a", "path": "/a"}]},
    "path_with_name_and_without_key": {**VAULT, "data": [{"name": "a", "path": "/a"}]},
    "a_version_that_is_a_number": {**VAULT, "data": [{**ITEM, "version": 3}]},
    "a_version_that_is_text": {**VAULT, "data": [{**ITEM, "version": "3"}]},
    "azureKeyVault_with_keyVaultName": {**AZURE, "keyVaultName": "shop", "data": []},
    "keyVaultName_beside_another_backend": {**VAULT, "keyVaultName": "shop", "data": []},
    "kvVersion_1": {**VAULT, "kvVersion": 1, "data": []},
    "any_template": {**VAULT, "data": [], "template": {"a": {"b": [1, {"c": None}]}}},
}

# What the answer must name, so that the user finds the place.
REFUSED: dict[str, tuple[dict[str, Any] | None, str]] = {
    "no_spec": (None, "spec: Required value"),
    "no_backendType": ({"data": [ITEM]}, "spec.backendType: Required value"),
    "no_backendType_beside_keyVaultName": (
        {"keyVaultName": "shop", "data": [ITEM]},
        "spec.backendType: Required value",
    ),
    "azureKeyVault_without_keyVaultName": (
        {**AZURE, "data": [ITEM]},
        "spec.keyVaultName: Required value",
    ),
    "the_legacy_backendType": (
        {"backendType": "secretManager", "data": [ITEM]},
        'spec.backendType: Unsupported value: "secretManager"',
    ),
    "kvVersion_3": ({**VAULT, "kvVersion": 3, "data": [ITEM]}, "spec.kvVersion"),
    "no_kind_of_data": (VAULT, "spec.data: Required value"),
    "an_item_with_key_and_without_name": (
        {**VAULT, "data": [{"key": "a"}]},
        "spec.data[0].name: Required value",
    ),
    "an_item_with_key_name_and_path": ({**VAULT, "data": [{**ITEM, "path": "/a"}]}, "spec.data[0]"),
    "an_option_without_key": (
        {**VAULT, "dataFromWithOptions": [{"versionId": "a"}]},
        "spec.dataFromWithOptions[0].key: Required value",
    ),
}


def _external_secret(spec: dict[str, Any] | None) -> dict[str, Any]:
    manifest: dict[str, Any] = {
        "apiVersion": "kubernetes-client.io/v1",
        "kind": "ExternalSecret",
        "metadata": {"name": "shop"},
    }
    return manifest if spec is None else {**manifest, "spec": spec}


def _kes_manifests() -> list[dict[str, Any]]:
    return [manifest for path in MANIFESTS for manifest in yaml.safe_load_all(path.read_text())]


@pytest.mark.parametrize("spec", ACCEPTED.values(), ids=ACCEPTED)
def test_the_api_server_accepts(cluster: Cluster, collection: str, spec: dict[str, Any]) -> None:
    created = cluster.request("POST", collection + STRICT, _external_secret(spec))
    assert created["spec"] == spec


@pytest.mark.parametrize(("spec", "named"), REFUSED.values(), ids=REFUSED)
def test_the_api_server_refuses(
    cluster: Cluster, collection: str, spec: dict[str, Any] | None, named: str
) -> None:
    with pytest.raises(ApiError) as refusal:
        cluster.request("POST", collection + STRICT, _external_secret(spec))
    assert refusal.value.code == HTTPStatus.UNPROCESSABLE_ENTITY
    assert named in json.loads(refusal.value.body)["message"]


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
