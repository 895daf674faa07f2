import base64
from collections.abc import Mapping
from typing import Any

import pytest

from externalsecret.errors import GiveUp
from externalsecret.redacted import Redacted
from reconciler.merge import SERVICE_ACCOUNT_TOKEN, entries_of, merge, revealed

OWNER = {"apiVersion": "kubernetes-client.io/v1", "kind": "ExternalSecret", "name": "a", "uid": "u"}


def generated(data: Mapping[str, bytes] | None = None, secret_type: str = "") -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": "a", "namespace": "ns", "ownerReferences": [dict(OWNER)]},
        "type": secret_type,
        "data": {name: Redacted(value) for name, value in (data or {}).items()},
    }


def entries(template: Mapping[str, Any], data: Mapping[str, bytes]) -> dict[str, bytes]:
    merged = entries_of(merge(template, generated(data)))
    return {name: value.reveal() for name, value in merged.items()}


def encoded(text: bytes) -> str:
    return base64.b64encode(text).decode()


def test_an_empty_template_leaves_what_was_generated() -> None:
    assert merge({}, generated({"x": b"1"})) == {**generated({"x": b"1"}), "type": "Opaque"}


@pytest.mark.parametrize(
    ("template", "spec", "made"),
    [
        ("kubernetes.io/tls", "Opaque", "kubernetes.io/tls"),
        ("", "kubernetes.io/tls", "kubernetes.io/tls"),
        (None, "", "Opaque"),
        ("<%= 1 %>", "", "<%= 1 %>"),
    ],
)
def test_the_templates_type_goes_before_the_specs_and_is_taken_literally(
    template: str | None, spec: str, made: str
) -> None:
    assert merge({"type": template}, generated(secret_type=spec))["type"] == made


def test_the_generated_side_wins_name_kind_and_version() -> None:
    merged = merge({"apiVersion": "v2", "kind": "X", "metadata": {"name": "b"}}, generated())
    assert (merged["apiVersion"], merged["kind"]) == ("v1", "Secret")
    assert merged["metadata"]["name"] == "a"


def test_metadata_of_the_template_stays_beside_the_generated() -> None:
    metadata = {"labels": {"l": "1"}, "annotations": {"a": Redacted(b"2")}, "finalizers": ["x/y"]}
    merged = merge({"metadata": metadata}, generated())["metadata"]
    assert merged == {**generated()["metadata"], **metadata}


def test_owners_merge_by_index() -> None:
    mine = [{"name": "other", "blockOwnerDeletion": True}, {"name": "second"}]
    merged = merge({"metadata": {"ownerReferences": mine}}, generated())
    assert merged["metadata"]["ownerReferences"] == [
        {**OWNER, "blockOwnerDeletion": True},
        {"name": "second"},
    ]
    assert mine[0] == {"name": "other", "blockOwnerDeletion": True}


def test_data_of_the_template_stays_unless_a_read_supplies_the_same_entry() -> None:
    template = {"data": {"x": encoded(b"template"), "y": Redacted(encoded(b"\xff").encode())}}
    assert entries(template, {"x": b"read"}) == {"x": b"read", "y": b"\xff"}


def test_string_data_beats_every_other_entry_as_in_the_api_server() -> None:
    template = {"stringData": {"x": Redacted("é".encode()), "y": "plain"}}
    assert entries(template, {"x": b"read", "z": b"z"}) == {
        "x": "é".encode(),
        "y": b"plain",
        "z": b"z",
    }
    assert merge(template, generated())["stringData"] == template["stringData"]


def test_immutable_and_unknown_fields_pass_through() -> None:
    merged = merge({"immutable": True, "other": [1, {"a": None}]}, generated())
    assert merged["immutable"] is True
    assert merged["other"] == [1, {"a": None}]


def test_what_the_api_server_owns_is_left_out() -> None:
    metadata = {"uid": "x", "resourceVersion": "1", "creationTimestamp": None, "generateName": "g"}
    assert merge({"metadata": metadata}, generated()) == merge({}, generated())


@pytest.mark.parametrize("namespace", ["ns", "", None, Redacted(b"ns")])
def test_the_own_namespace_may_be_named(namespace: object) -> None:
    merged = merge({"metadata": {"namespace": namespace}}, generated())
    assert merged["metadata"]["namespace"] == "ns"


@pytest.mark.parametrize(
    ("template", "words"),
    [
        ({"metadata": {"namespace": "other"}}, "names another namespace"),
        ({"metadata": {"namespace": Redacted(b"other")}}, "names another namespace"),
        ({"metadata": {"labels": {"a": 1}}}, "spec.template.metadata.labels['a'] must be text"),
        ({"metadata": {"labels": ["a"]}}, "spec.template.metadata.labels must be a map"),
        ({"metadata": "a"}, "spec.template.metadata must be a map"),
        ({"data": {"x": "no base64!"}}, "spec.template.data['x'] is not base64"),
        ({"data": {"x": Redacted(b"YQ")}}, "spec.template.data['x'] is not base64"),
        ({"data": {"x": 1}}, "spec.template.data['x'] must be text"),
        ({"data": "x"}, "spec.template.data must be a map"),
        ({"stringData": {"x": True}}, "spec.template.stringData['x'] must be text"),
        ({"stringData": [1]}, "spec.template.stringData must be a map"),
        ({"type": SERVICE_ACCOUNT_TOKEN}, "Hark makes none"),
        ({"type": 1}, "spec.template.type must be text"),
    ],
)
def test_what_cannot_be_made_is_refused_with_a_sentence(
    template: Mapping[str, Any], words: str
) -> None:
    with pytest.raises(GiveUp) as refused:
        entries_of(merge(template, generated()))
    assert words in refused.value.message
    assert refused.value.__context__ is None


def test_a_service_account_token_is_made_only_where_the_operator_allows_it() -> None:
    with pytest.raises(GiveUp):
        merge({}, generated(secret_type=SERVICE_ACCOUNT_TOKEN))
    merged = merge({}, generated(secret_type=SERVICE_ACCOUNT_TOKEN), service_account_tokens=True)
    assert merged["type"] == SERVICE_ACCOUNT_TOKEN


def test_texts_leave_their_cover_at_any_depth_for_the_request() -> None:
    metadata = {"labels": {"a": Redacted("é".encode()), "b": "c"}, "finalizers": ["x"]}
    assert revealed(metadata) == {"labels": {"a": "é", "b": "c"}, "finalizers": ["x"]}
