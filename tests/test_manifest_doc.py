"""docs/manifest.md is what the code does: each row of its tables is run."""

import json
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

import pytest
import yaml

from externalsecret.dialect.contract import Defaults
from externalsecret.errors import GiveUp, HarkError
from externalsecret.manifest import ItemKind, Manifest, read_manifest
from externalsecret.redacted import Redacted
from fakes.resources import external_secret
from pages import Row, code, content, table
from reconciler.backends.contract import Binary, ReadValue
from reconciler.backends.parameterrows import value_of_path
from reconciler.merge import entries_of, merge
from reconciler.render import render
from reconciler.report import Outcome, status_patch
from reconciler.verdicts import summed_up
from testbed.cluster import ApiError, Cluster

PAGE = "manifest.md"
DEFAULTS = Defaults(region="eu-central-1")
Entries = dict[str, bytes]


def _rows(heading: str) -> list[Any]:
    """Each row, by its place and what it shows first."""
    rows = table(PAGE, heading)
    return [pytest.param(row, id=f"{at}-{next(iter(row.values()))}") for at, row in enumerate(rows)]


def _yaml(cell: str) -> Any:
    return yaml.safe_load(code(cell))


# What the code makes of it.


def _manifest(spec: Mapping[str, Any], backend: str = "secretsManager") -> Manifest:
    return read_manifest({"backendType": backend, **spec}, DEFAULTS)


def _said(error: HarkError) -> str:
    """The text of an error as the status has it."""
    patch = status_patch(external_secret(), Outcome(error), "2026-01-01T00:00:00.000Z")
    assert patch is not None
    text: str = patch["status"]["status"]
    return text


def _made(manifest: Manifest, values: Mapping[str, ReadValue]) -> Entries | str:
    """What a first sync puts into the Secret, or what the status says instead."""
    rendered = render(manifest.items, values, {})
    error = summed_up(rendered.errors)
    if error is not None:
        return _said(error)
    return {name: value.reveal() for name, value in rendered.entries.items()}


def _made_of(spec: Mapping[str, Any], held: Mapping[str, ReadValue]) -> Entries | str:
    manifest = _manifest(spec)
    return _made(manifest, {entry: held[one.key] for entry, one in manifest.references.items()})


def _agrees(made: Entries | str, cell: str) -> None:
    """A cell tells the Secret as YAML, or how the text of the status begins."""
    if isinstance(made, str) or cell.startswith("`ERROR"):
        assert str(made).startswith(code(cell))
    else:
        assert made == {name: text.encode() for name, text in _yaml(cell).items()}


def _one_agrees(row: Row, item: Mapping[str, Any], stored: ReadValue) -> None:
    made = _made_of({"data": [{"key": "k", "name": "entry", **item}]}, {"k": stored})
    if isinstance(made, str) or row["entry"].startswith("`ERROR"):
        assert str(made).startswith(code(row["entry"]))
    else:
        assert made == {"entry": content(row["entry"])}


# The tables.


@pytest.mark.parametrize("row", _rows("## What the API server takes"))
def test_the_api_server_takes_and_refuses_what_the_page_says(
    row: Row, cluster: Cluster, collection: str
) -> None:
    manifest: dict[str, Any] = {
        "apiVersion": "kubernetes-client.io/v1",
        "kind": "ExternalSecret",
        "metadata": {"name": "shop"},
    }
    spec = None if row["spec"] == "none" else _yaml(row["spec"])
    whole = manifest if spec is None else {**manifest, "spec": spec}
    query = "?fieldValidation=Strict"
    if row["answer"] == "taken":
        assert cluster.request("POST", collection + query, whole)["spec"] == spec
        return
    with pytest.raises(ApiError) as refusal:
        cluster.request("POST", collection + query, whole)
    assert refusal.value.code == HTTPStatus.UNPROCESSABLE_ENTITY
    assert code(row["answer"]) in json.loads(refusal.value.body)["message"]


@pytest.mark.parametrize("row", _rows("## Which version is read"))
def test_the_version_is_chosen_as_the_page_says(row: Row) -> None:
    spec = {"projectId": "shop-prod", "keyVaultName": "shop", "data": [_yaml(row["item"])]}
    manifest = _manifest(spec, row["backendType"])
    (reference,) = manifest.references.values()
    select, _, rest = row["reads"].partition(" ")
    assert reference.selector.select == select
    assert reference.selector.value == (code(rest) if rest else "")


@pytest.mark.parametrize("row", _rows("## Order"))
def test_entries_are_merged_in_the_order_that_the_page_says(row: Row) -> None:
    held = {key: Redacted(text.encode()) for key, text in _yaml(row["the backend holds"]).items()}
    _agrees(_made_of(_yaml(row["spec"]), held), row["Secret"])


@pytest.mark.parametrize("row", _rows("## A value without property"))
def test_a_value_is_stored_as_it_is(row: Row) -> None:
    _one_agrees(row, {}, Redacted(content(row["stored"])))


@pytest.mark.parametrize("row", _rows("## A property of a value"))
def test_a_property_is_found_as_the_page_says(row: Row) -> None:
    _one_agrees(
        row, {"property": content(row["property"]).decode()}, Redacted(content(row["stored"]))
    )


@pytest.mark.parametrize("row", _rows("## The text of what is found"))
def test_what_is_found_becomes_the_text_that_the_page_says(row: Row) -> None:
    held = {"k": Redacted(f'{{"v":{code(row["JSON"])},"w":[{code(row["JSON"])}]}}'.encode())}
    items = [{"key": "k", "name": name, "property": name} for name in ("v", "w")]
    inside = b"[" + content(row["inside a document"]) + b"]"
    assert _made_of({"data": items}, held) == {"v": content(row["as an entry"]), "w": inside}
    as_document = _made_of({"dataFrom": ["k"]}, held)
    assert as_document == {"v": content(row["as an entry"]), "w": inside}


@pytest.mark.parametrize("row", _rows("## isBinary"))
def test_base64_is_decoded_as_the_page_says(row: Row) -> None:
    stored = row["stored"]
    if stored.startswith("binary "):
        _one_agrees(row, _yaml(row["item"]), Binary(Redacted(code(stored).encode())))
    else:
        _one_agrees(row, _yaml(row["item"]), Redacted(content(stored)))


@pytest.mark.parametrize("row", _rows("## Documents: dataFrom and dataFromWithOptions"))
def test_documents_become_entries_as_the_page_says(row: Row) -> None:
    _agrees(_made_of(_yaml(row["spec"]), {"k": Redacted(content(row["stored"]))}), row["Secret"])


@pytest.mark.parametrize("row", _rows("## Paths"))
def test_paths_become_entries_as_the_page_says(row: Row) -> None:
    manifest = _manifest({"data": [_yaml(row["item"])]}, "systemManager")
    (item,) = manifest.items
    assert item.kind is ItemKind.PATH
    parameters = [
        {"Name": name, "Value": text, "Version": 1}
        for name, text in _yaml(row["parameters"]).items()
    ]
    try:
        value = value_of_path(item.key, parameters).value
    except GiveUp as error:
        _agrees(_said(error), row["Secret"])
    else:
        _agrees(_made(manifest, {item.entry: value}), row["Secret"])


@pytest.mark.parametrize("row", _rows("## template"))
def test_a_template_is_merged_as_the_page_says(row: Row) -> None:
    generated = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": "shop", "namespace": "team", "ownerReferences": [{"name": "shop"}]},
        "type": row["spec.type"],
        "data": {name: Redacted(text.encode()) for name, text in _yaml(row["read"]).items()},
    }
    if row["Secret has"].startswith("`ERROR"):
        with pytest.raises(GiveUp) as refusal:
            merge(_yaml(row["template"]), generated)
        assert _said(refusal.value).startswith(code(row["Secret has"]))
        return
    whole = merge(_yaml(row["template"]), generated)
    entries = {name: value.reveal().decode() for name, value in entries_of(whole).items()}
    _contains({**whole, "data": entries}, _yaml(row["Secret has"]))


def _contains(whole: Any, part: Any) -> None:
    if isinstance(part, Mapping):
        for name, wanted in part.items():
            _contains(whole[name], wanted)
    elif isinstance(part, list):
        for found, wanted in zip(whole, part, strict=True):
            _contains(found, wanted)
    else:
        assert whole == part
