from collections.abc import Iterator
from typing import Any

import yaml

from externalsecret import definitions

KES_SPEC_FIELDS = {
    *("controllerId", "type", "template", "backendType", "vaultRole", "vaultMountPoint"),
    *("kvVersion", "keyVaultName", "dataFrom", "dataFromWithOptions", "data", "roleArn", "region"),
    *("projectId", "keyByName"),
}


OWN_SPEC_FIELDS = {"location", "suspend", "sweepInterval", "deletionPolicy", "onTypeChange"}


def _schema() -> dict[str, Any]:
    version: dict[str, Any] = yaml.safe_load(definitions.crd())["spec"]["versions"][0]
    schema: dict[str, Any] = version["schema"]["openAPIV3Schema"]
    return schema


def _fields(path: str, schema: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    yield path, schema
    for name, field in schema.get("properties", {}).items():
        yield from _fields(f"{path}.{name}", field)
    if "additionalProperties" in schema:
        yield from _fields(f"{path}.*", schema["additionalProperties"])
    # The list itself carries the description that kubectl explain shows.
    for name, field in schema.get("items", {}).get("properties", {}).items():
        yield from _fields(f"{path}[].{name}", field)


def test_the_definition_has_the_identity_that_kes_gave_it() -> None:
    crd = yaml.safe_load(definitions.crd())
    assert crd["metadata"]["name"] == "externalsecrets.kubernetes-client.io"
    assert crd["metadata"]["annotations"] == {"app.kubernetes.io/managed-by": "helm"}
    assert crd["spec"]["group"] == "kubernetes-client.io"
    assert crd["spec"]["scope"] == "Namespaced"
    assert crd["spec"]["names"] == {
        "kind": "ExternalSecret",
        "listKind": "ExternalSecretList",
        "plural": "externalsecrets",
        "singular": "externalsecret",
        "shortNames": ["es"],
    }
    assert [version["name"] for version in crd["spec"]["versions"]] == ["v1"]


def test_spec_has_the_fields_of_kes_and_those_of_hark() -> None:
    assert set(_schema()["properties"]["spec"]["properties"]) == KES_SPEC_FIELDS | OWN_SPEC_FIELDS
    assert not KES_SPEC_FIELDS & OWN_SPEC_FIELDS


def test_every_field_has_a_description() -> None:
    fields = dict(_fields("ExternalSecret", _schema()))
    assert "ExternalSecret.status.keys.*.synced.feeds" in fields
    assert "ExternalSecret.spec.data[].property" in fields
    assert [path for path, field in fields.items() if not field.get("description")] == []


def test_every_description_is_a_sentence_on_one_line() -> None:
    for path, field in _fields("ExternalSecret", _schema()):
        text = field["description"]
        assert "\n" not in text, path
        assert text.endswith((".", "...")), path
