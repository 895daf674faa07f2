from collections.abc import Mapping
from typing import Any

import pytest

from externalsecret.errors import GiveUp
from externalsecret.manifest import read_manifest
from fakes.resources import DEFAULTS, spec
from reconciler.merge import SERVICE_ACCOUNT_TOKEN
from reconciler.templateform import check_template


def check(template: Mapping[str, Any], *, tokens: bool = False, **fields: Any) -> None:
    wanted = {**spec(password="db"), **fields, "template": template}
    check_template(read_manifest(wanted, DEFAULTS), "team", service_account_tokens=tokens)


def nested(levels: int) -> dict[str, Any]:
    template: dict[str, Any] = {}
    for _ in range(levels):
        template = {"x": template}
    return template


@pytest.mark.parametrize(
    "template",
    [
        {},
        {"metadata": None, "data": None, "stringData": {"x": None, "y": ""}},
        {"metadata": {"namespace": "team", "ownerReferences": [{}], "finalizers": ["a/b"]}},
        {"metadata": {"namespace": "<%= data.password %>"}},
        {"immutable": True, "kind": "Pod", "anything": [1, {"a": None}]},
    ],
)
def test_what_a_secret_can_be_made_from_passes(template: Mapping[str, Any]) -> None:
    check(template)


@pytest.mark.parametrize(
    ("template", "words"),
    [
        ({"metadata": "secret"}, "spec.template.metadata must be a map"),
        ({"metadata": {"labels": ["secret"]}}, "spec.template.metadata.labels must be a map"),
        ({"metadata": {"labels": {"a": 1}}}, "spec.template.metadata.labels.a must be text"),
        ({"metadata": {"annotations": {"a/b": True}}}, "annotations['a/b'] must be text"),
        ({"data": ["secret"]}, "spec.template.data must be a map"),
        ({"stringData": {"a": 1}}, "spec.template.stringData.a must be text"),
        ({"stringData": {"a b": "secret"}}, "stringData['a b'] cannot name an entry"),
        ({"data": {str(n): "" for n in range(1001)}}, "makes 1001 entries; at most 1000"),
        ({"immutable": "true"}, "spec.template.immutable must be true or false"),
        ({"immutable": 1}, "spec.template.immutable must be true or false"),
        ({"metadata": {"namespace": "secret"}}, "names another namespace"),
        ({"metadata": {"ownerReferences": {"a": "b"}}}, "ownerReferences must be a list of maps"),
        ({"metadata": {"finalizers": [1]}}, "finalizers must be a list of texts"),
        ({"type": {"a": "secret"}}, "must be text"),
        ({"type": SERVICE_ACCOUNT_TOKEN}, "HARK_ALLOW_SERVICE_ACCOUNT_TOKENS=true"),
        (nested(101), "nested deeper than 100 levels"),
    ],
)
def test_the_rest_is_refused_by_the_name_of_the_field(
    template: Mapping[str, Any], words: str
) -> None:
    with pytest.raises(GiveUp) as refused:
        check(template)
    assert words in refused.value.message
    assert "secret'" not in refused.value.message
    assert refused.value.reason == "InvalidTemplate"


def test_a_service_account_token_is_made_only_where_the_operator_allows_it() -> None:
    with pytest.raises(GiveUp, match="filled with credentials"):
        check({}, type=SERVICE_ACCOUNT_TOKEN)
    check({}, type=SERVICE_ACCOUNT_TOKEN, tokens=True)
