import string
from typing import Any

import pytest

from externalsecret.dialect.contract import Defaults
from externalsecret.entrykey import entry_key, split_parameter
from externalsecret.errors import GiveUp
from externalsecret.identity import Backend
from externalsecret.manifest import (
    MAX_REFERENCES,
    ItemKind,
    Manifest,
    is_managed,
    read_manifest,
)
from externalsecret.reference import Select, Selector

DEFAULTS = Defaults(region="eu-central-1")
ROLE = "arn:aws:iam::123456789012:role/shop"
ARN = "arn:aws:secretsmanager:us-east-1:123456789012:secret:db-AbCdEf"


def secrets(*data: dict[str, Any], **fields: Any) -> Manifest:
    spec = {"backendType": "secretsManager", "data": list(data), **fields}
    return read_manifest(spec, DEFAULTS)


def parameters(*data: dict[str, Any], **fields: Any) -> Manifest:
    spec = {"backendType": "systemManager", "data": list(data), **fields}
    return read_manifest(spec, DEFAULTS)


def item(key: str = "db", name: str = "password", **fields: Any) -> dict[str, Any]:
    return {"key": key, "name": name, **fields}


@pytest.mark.parametrize(
    ("wanted", "entry"),
    [
        (item(), "secretsmanager/eu-central-1/db#AWSCURRENT"),
        (item(versionStage="blue"), "secretsmanager/eu-central-1/db#blue"),
        (item(versionId="v-1"), "secretsmanager/eu-central-1/db#version:v-1"),
        (item(versionId="v-1", versionStage="blue"), "secretsmanager/eu-central-1/db#version:v-1"),
        (item(ARN), f"secretsmanager/us-east-1/{ARN}#AWSCURRENT"),
    ],
)
def test_the_ledger_key_says_system_region_key_and_version(
    wanted: dict[str, Any], entry: str
) -> None:
    assert list(secrets(wanted).references) == [entry]


@pytest.mark.parametrize(
    ("wanted", "entry"),
    [
        (item("/a/db"), "ssm/eu-central-1//a/db#latest"),
        (item("/a/db:3"), "ssm/eu-central-1//a/db:3#version:3"),
        (item("/a/db:blue"), "ssm/eu-central-1//a/db:blue#blue"),
        ({"path": "/a"}, "ssm/eu-central-1//a#path"),
        ({"path": "/a", "recursive": True}, "ssm/eu-central-1//a#tree"),
    ],
)
def test_a_parameters_version_stands_in_its_key(wanted: dict[str, Any], entry: str) -> None:
    assert list(parameters(wanted).references) == [entry]


@pytest.mark.parametrize(
    ("key", "parts"),
    [
        ("/a/db", ("/a/db", "")),
        ("/a/db:3", ("/a/db", "3")),
        ("db:blue", ("db", "blue")),
        (":3", (":3", "")),
        (
            "arn:aws:ssm:eu-central-1:1:parameter/db",
            ("arn:aws:ssm:eu-central-1:1:parameter/db", ""),
        ),
        (
            "arn:aws:ssm:eu-central-1:1:parameter/db:3",
            ("arn:aws:ssm:eu-central-1:1:parameter/db", "3"),
        ),
    ],
)
def test_colons_of_an_arn_are_no_version(key: str, parts: tuple[str, str]) -> None:
    assert split_parameter(key) == parts


@pytest.mark.parametrize(
    ("fields", "defaults", "region"),
    [
        ({}, DEFAULTS, "eu-central-1"),
        ({"region": "us-west-2"}, DEFAULTS, "us-west-2"),
        ({"region": "us-west-2"}, Defaults("local", region_forced=True), "local"),
    ],
)
def test_the_spec_names_the_region_or_the_settings_do(
    fields: dict[str, Any], defaults: Defaults, region: str
) -> None:
    spec = {"backendType": "secretsManager", "data": [item()], **fields}
    (reference,) = read_manifest(spec, defaults).references.values()
    assert (reference.scope, reference.secret.region) == (region, region)


def test_an_arn_brings_its_own_region_unless_the_spec_names_one() -> None:
    (reference,) = secrets(item(ARN)).references.values()
    assert reference.scope == "us-east-1"
    assert reference.secret.account == "123456789012"


def test_a_role_tells_in_which_account_the_secret_is() -> None:
    found = secrets(item(), roleArn=ROLE)
    (reference,) = found.references.values()
    assert (reference.secret.account, reference.secret.partition) == ("123456789012", "aws")
    assert found.identity.role_arn == ROLE


def test_items_stand_in_merge_order_documents_first() -> None:
    found = secrets(
        item("c"), dataFrom=["a"], dataFromWithOptions=[{"key": "b", "versionStage": "blue"}]
    )
    assert [(one.key, one.kind) for one in found.items] == [
        ("a", ItemKind.DOCUMENT),
        ("b", ItemKind.DOCUMENT),
        ("c", ItemKind.DATA),
    ]
    assert [one.where for one in found.items] == [
        "spec.dataFrom[0]",
        "spec.dataFromWithOptions[0]",
        "spec.data[0]",
    ]


def test_items_that_need_the_same_read_share_a_reference() -> None:
    found = secrets(item(name="a", property="x"), item(name="b", isBinary=True), dataFrom=["db"])
    assert len(found.items) == 3
    assert len(found.references) == 1


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({}, "Opaque"),
        ({"type": "example/a"}, "example/a"),
        ({"template": {"type": "example/b"}, "type": "example/a"}, "example/b"),
    ],
)
def test_the_type_comes_from_the_template_the_spec_or_is_opaque(
    fields: dict[str, Any], expected: str
) -> None:
    assert secrets(item(), **fields).secret_type == expected


# Long and odd keys.


def test_a_long_key_is_shortened_by_a_digest_and_stays_distinct() -> None:
    selector = Selector(Select.LABEL, "AWSCURRENT")
    keys = [f"{'x' * 400}{end}" for end in string.ascii_lowercase]
    entries = {entry_key(Backend.SECRETS_MANAGER, "r", key, selector) for key in keys}
    assert len(entries) == len(keys)
    assert all(len(entry.encode()) <= 253 for entry in entries)
    assert all(entry.startswith("secretsmanager/r/xxx") for entry in entries)


@pytest.mark.parametrize("key", ["a\nb", "a\x00b", "é" * 200, "\ud800", "a\u2028b"])
def test_every_key_becomes_a_printable_ledger_key_of_bounded_length(key: str) -> None:
    entry = entry_key(Backend.SECRETS_MANAGER, "r", key, Selector(Select.LATEST))
    assert entry.isprintable()
    assert len(entry.encode()) <= 253


def test_the_same_key_has_always_the_same_entry() -> None:
    selector = Selector(Select.VERSION, "v" * 300)
    entries = {entry_key(Backend.PARAMETER_STORE, "r", "db", selector) for _ in range(3)}
    assert len(entries) == 1


# Fingerprints.


def _fingerprint(found: Manifest) -> str:
    (entry,) = found.references
    return found.fingerprint(entry)


@pytest.mark.parametrize(
    "changed",
    [
        secrets(item(name="other")),
        secrets(item(property="x")),
        secrets(item(isBinary=True)),
        secrets(item(versionStage="blue")),
        secrets(item(), roleArn=ROLE),
        secrets(item(), region="us-east-1"),
        secrets(item("other")),
        secrets(item(), item(name="second")),
        secrets(dataFrom=["db"]),
    ],
)
def test_whatever_changes_what_a_read_makes_of_the_secret_changes_its_fingerprint(
    changed: Manifest,
) -> None:
    assert _fingerprint(changed) != _fingerprint(secrets(item()))


@pytest.mark.parametrize(
    "same",
    [
        secrets(item(versionStage="AWSCURRENT")),
        secrets(item(isBinary=False)),
        secrets(item(), region="eu-central-1"),
        secrets(item(), type="example/a"),
    ],
)
def test_what_makes_no_difference_to_a_read_keeps_its_fingerprint(same: Manifest) -> None:
    assert _fingerprint(same) == _fingerprint(secrets(item()))


def test_an_item_of_another_key_does_not_change_a_fingerprint() -> None:
    (entry,) = secrets(item()).references
    assert secrets(item(), item("web", "page")).fingerprint(entry) == secrets(item()).fingerprint(
        entry
    )


# Refusals.


@pytest.mark.parametrize(
    ("spec", "named"),
    [
        ({"backendType": "abacus"}, "abacus"),
        ({}, "backendType"),
        ({"backendType": ["vault"]}, "backendType"),
        ({"backendType": "secretsManager", "data": [{"path": "/a"}]}, r"spec.data\[0\].path"),
        ({"backendType": "secretsManager", "data": [item("")]}, r"spec.data\[0\]"),
        ({"backendType": "secretsManager", "dataFrom": ["db", ""]}, r"spec.dataFrom\[1\]"),
    ],
)
def test_what_cannot_be_served_is_refused_in_a_sentence_that_names_it(
    spec: dict[str, Any], named: str
) -> None:
    with pytest.raises(GiveUp, match=named):
        read_manifest(spec, DEFAULTS)


def test_without_any_region_the_setting_is_named() -> None:
    spec = {"backendType": "secretsManager", "data": [item()]}
    with pytest.raises(GiveUp, match="AWS_REGION"):
        read_manifest(spec, Defaults())


def test_more_keys_than_a_status_can_hold_are_refused() -> None:
    keys = [item(f"k{number}", f"n{number}") for number in range(MAX_REFERENCES)]
    assert len(secrets(*keys).references) == MAX_REFERENCES
    with pytest.raises(GiveUp, match="Split it"):
        secrets(*keys, item("one too many"))


@pytest.mark.parametrize(
    ("controller", "instance", "ours"),
    [(None, "", True), ("", "", True), ("a", "a", True), ("a", "", False), (None, "a", False)],
)
def test_an_object_is_ours_when_controller_id_and_instance_id_are_equal(
    controller: str | None, instance: str, *, ours: bool
) -> None:
    assert is_managed({"controllerId": controller}, instance) is ours


@pytest.mark.parametrize(
    "template",
    [{"metadata": "x"}, {"metadata": {"labels": ["a"]}}, {"type": {"a": "b"}}, {"data": 1}],
)
def test_a_template_that_is_wrong_makes_no_reference_unknown(template: Any) -> None:
    spec = {"backendType": "secretsManager", "data": [item()], "template": template}
    found = read_manifest(spec, Defaults(region="eu-central-1"))
    assert found.template == template
    assert len(found.references) == 1


@pytest.mark.parametrize("template", ["x", ["x"]])
def test_a_template_that_is_no_map_is_refused_in_a_sentence(template: Any) -> None:
    spec = {"backendType": "secretsManager", "data": [], "template": template}
    with pytest.raises(GiveUp, match=r"spec\.template is no map") as refused:
        read_manifest(spec, Defaults(region="eu-central-1"))
    assert refused.value.reason == "InvalidSpec"


@pytest.mark.parametrize("data", ["x", [1], [{"key": 3, "name": "a"}], [{"name": "a"}]])
def test_a_spec_that_another_definition_let_in_is_refused_in_a_sentence(data: Any) -> None:
    spec = {"backendType": "secretsManager", "data": data}
    with pytest.raises(GiveUp, match="definition") as refused:
        read_manifest(spec, Defaults(region="eu-central-1"))
    assert refused.value.reason == "InvalidSpec"


def test_a_number_that_is_no_decimal_is_a_label() -> None:
    spec = {"backendType": "systemManager", "data": [{"key": "a:²", "name": "a"}]}
    (reference,) = read_manifest(spec, Defaults(region="eu-central-1")).references.values()
    assert reference.selector == Selector(Select.LABEL, "²")


def test_reads_that_differ_in_the_kind_of_selector_alone_have_different_keys() -> None:
    backend = Backend.PARAMETER_STORE
    keys = [
        entry_key(backend, "r", "/a:path", Selector(Select.LABEL, "path")),
        entry_key(backend, "r", "/a:path", Selector(Select.PATH)),
        entry_key(backend, "r", "/a", Selector(Select.LABEL, "version:3")),
        entry_key(backend, "r", "/a", Selector(Select.VERSION, "3")),
        entry_key(backend, "r", "/a#b", Selector(Select.LABEL, "c")),
        entry_key(backend, "r", "/a", Selector(Select.LABEL, "b#c")),
    ]
    assert len(set(keys)) == len(keys)
