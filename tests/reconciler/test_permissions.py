from collections.abc import Iterator, Mapping, Sequence

import pytest

from externalsecret.dialect.contract import Defaults
from externalsecret.errors import GiveUp
from externalsecret.manifest import read_manifest
from externalsecret.reference import Identity
from reconciler.permissions import (
    Permissions,
    PermissionSettings,
    RequestedKey,
    doubtful_annotations,
    requested_keys,
    requested_roles,
)

NAMING = PermissionSettings().naming_annotation
ROLE = PermissionSettings().role_annotation
HEAD = "not allowed to fetch secret: ns/es: "


@pytest.fixture(scope="module")
def lenient() -> Iterator[Permissions]:
    permissions = Permissions(PermissionSettings())
    yield permissions
    permissions.close()


@pytest.fixture(scope="module")
def enforced() -> Iterator[Permissions]:
    permissions = Permissions(PermissionSettings(enforced=True))
    yield permissions
    permissions.close()


@pytest.fixture(scope="module")
def whole() -> Iterator[Permissions]:
    permissions = Permissions(PermissionSettings(whole=True))
    yield permissions
    permissions.close()


def denial(
    permissions: Permissions,
    annotations: Mapping[str, str] | None,
    keys: Sequence[str | RequestedKey] = (),
    roles: Sequence[str] = (),
) -> str | None:
    asked = [key if isinstance(key, RequestedKey) else RequestedKey(key) for key in keys]
    try:
        permissions.check(("ns", "es"), asked, roles, annotations)
    except GiveUp as refusal:
        return f"{refusal}" if refusal.reason == "NotPermitted" else repr(refusal)
    return None


@pytest.mark.parametrize("annotations", [None, {}, {"other": "x"}, {NAMING: ""}, {ROLE: ""}])
def test_without_an_annotation_everything_is_allowed(
    lenient: Permissions, annotations: Mapping[str, str] | None
) -> None:
    assert denial(lenient, annotations, ["a"], ["role"]) is None


@pytest.mark.parametrize(
    ("pattern", "key", "allowed"),
    [
        ("p/q", "app/q", True),
        ("^app/", "app/q", True),
        ("^app/", "my/app/q", False),
        ("^a$", "a", True),
        ("^a$", "a\n", False),
        (r"^\d$", "٣", False),
        (r"^\w$", "é", False),
        (r"^a\/b$", "a/b", True),
        ("^(?<n>a)$", "a", True),
        ("^(one|two)/", "two/x", True),
        ('["app/.*"]', "zap", True),
        ('["app/.*"]', "ZZZ", False),
        (".*", "", True),
        ("a", "", False),
    ],
)
def test_the_expression_is_javascript_and_matches_anywhere(
    lenient: Permissions, pattern: str, key: str, *, allowed: bool
) -> None:
    said = denial(lenient, {NAMING: pattern}, [key])
    expected = f"{HEAD}key name {key} does not match naming convention {pattern}"
    assert said == (None if allowed else expected)


def test_a_path_is_named_as_a_path(lenient: Permissions) -> None:
    said = denial(lenient, {NAMING: "^/ok"}, [RequestedKey("/no", is_path=True)])
    assert said == f"{HEAD}path /no does not match naming convention ^/ok"


def test_all_reasons_are_told(lenient: Permissions) -> None:
    said = denial(lenient, {NAMING: "ok", ROLE: "^arn:ok"}, ["a", "ok", "b", "a"], ["arn:x", "v"])
    assert said == (
        f"{HEAD}key name a does not match naming convention ok; "
        "key name b does not match naming convention ok; "
        "namespace does not allow to assume role arn:x; "
        "namespace does not allow to assume role v"
    )


def test_of_very_many_reasons_the_number_is_told(lenient: Permissions) -> None:
    said = denial(lenient, {NAMING: "ok"}, [f"a{number}" for number in range(1000)])
    assert said is not None
    assert said.endswith("key name a19 does not match naming convention ok; and 980 more")


def test_a_permitted_role_lifts_no_naming_denial_and_masks_no_other_role(
    lenient: Permissions,
) -> None:
    annotations = {NAMING: "ok", ROLE: "^good$"}
    assert denial(lenient, annotations, ["ok"], ["good"]) is None
    said = denial(lenient, annotations, ["bad"], ["good", "evil"])
    assert said == (
        f"{HEAD}key name bad does not match naming convention ok; "
        "namespace does not allow to assume role evil"
    )


@pytest.mark.parametrize(
    ("annotations", "roles", "reason"),
    [
        (None, [], "Namespace annotation is required"),
        ({}, [], "Namespace annotation is required"),
        ({"other": "x"}, [], f"Missing required annotation {NAMING} on namespace ns"),
        ({NAMING: ""}, [], f"Missing required annotation {NAMING} on namespace ns"),
        ({NAMING: "a"}, ["r"], f"Missing required annotation {ROLE} on namespace ns"),
        ({NAMING: "a", ROLE: ""}, ["r"], f"Missing required annotation {ROLE} on namespace ns"),
        ({NAMING: "a", ROLE: "x"}, ["r"], "namespace does not allow to assume role r"),
        ({NAMING: "a"}, [], None),
        ({NAMING: "a", ROLE: "r"}, ["r"], None),
    ],
)
def test_enforcement_demands_the_annotations(
    enforced: Permissions,
    annotations: Mapping[str, str] | None,
    roles: Sequence[str],
    reason: str | None,
) -> None:
    said = denial(enforced, annotations, ["a"], roles)
    assert said == (None if reason is None else HEAD + reason)


@pytest.mark.parametrize(
    ("pattern", "key", "allowed"),
    [
        ("p/q", "app/q", False),
        ("app/.*", "app/q", True),
        ("a|b", "b", True),
        ("a|b", "bc", False),
        ("(a|ab)", "ab", True),
        ("^a$", "a", True),
    ],
)
def test_in_whole_mode_a_part_is_not_enough(
    whole: Permissions, pattern: str, key: str, *, allowed: bool
) -> None:
    assert (denial(whole, {NAMING: pattern}, [key]) is None) is allowed


@pytest.mark.parametrize("pattern", ["(", "a)|(b", "[", "*", "(?i)a", "\\"])
def test_a_malformed_expression_allows_nothing(whole: Permissions, pattern: str) -> None:
    said = denial(whole, {NAMING: pattern}, ["a"])
    assert said is not None
    assert said.startswith(f"Invalid regular expression: /{pattern}/ in annotation {NAMING}")


def test_an_expression_that_never_ends_allows_nothing_and_harms_no_other(
    lenient: Permissions,
) -> None:
    said = denial(lenient, {NAMING: "^(a+)+$"}, ["a" * 50 + "b"])
    assert said == (
        f"The regular expression of annotation {NAMING} on namespace ns needs too much time, "
        "so nothing is allowed."
    )
    assert denial(lenient, {NAMING: "^a"}, ["a"]) is None


def test_the_annotations_can_have_other_names() -> None:
    permissions = Permissions(PermissionSettings(naming_annotation="n", role_annotation="r"))
    try:
        assert denial(permissions, {"n": "x"}, ["a"]) is not None
        assert denial(permissions, {"r": "x"}, ["a"], ["y"]) is not None
        assert denial(permissions, {NAMING: "x", ROLE: "x"}, ["a"], ["y"]) is None
    finally:
        permissions.close()


def test_what_looks_like_a_list_is_warned_about() -> None:
    settings = PermissionSettings()
    (said,) = doubtful_annotations({NAMING: '["a", "b"]', ROLE: "[a-z]+"}, settings)
    assert said.startswith(f"Annotation {NAMING} looks like a list")
    assert doubtful_annotations({NAMING: "a", "other": "[1]"}, settings) == ()


def test_every_key_and_path_of_a_spec_is_requested_also_an_empty_one() -> None:
    spec = {
        "dataFrom": ["a"],
        "dataFromWithOptions": [{"key": "b", "versionStage": "x"}],
        "data": [
            {"key": "c", "name": "n"},
            {"path": "/d", "recursive": True},
            {"path": "", "key": ""},
            {"name": "neither"},
        ],
    }
    assert requested_keys(spec) == (
        RequestedKey("a"),
        RequestedKey("b"),
        RequestedKey("c"),
        RequestedKey("/d", is_path=True),
        RequestedKey("", is_path=True),
        RequestedKey(""),
    )
    assert requested_keys({}) == ()


@pytest.mark.parametrize(
    ("spec", "identity", "roles"),
    [
        ({}, Identity(), ()),
        ({"roleArn": "r"}, Identity(role_arn="r"), ("r",)),
        ({"roleArn": "r", "vaultRole": "v"}, Identity(vault_role="v"), ("r", "v")),
        ({"backendType": "vault"}, Identity(vault_role="default"), ("default",)),
        ({"roleArn": "r"}, Identity(vault_role="default"), ("r", "default")),
        ({"vaultRole": "v"}, Identity(), ("v",)),
        ({"backendType": "secretsManager", "roleArn": ""}, Identity(), ()),
    ],
)
def test_every_role_that_is_named_or_used_is_requested(
    spec: Mapping[str, str], identity: Identity, roles: tuple[str, ...]
) -> None:
    assert requested_roles(spec, identity) == roles


def test_the_default_role_of_vault_is_requested_where_a_spec_names_none() -> None:
    defaults = Defaults(vault_role="default")
    unnamed = {"backendType": "vault", "data": []}
    named = {**unnamed, "vaultRole": "own"}
    assert requested_roles(unnamed, read_manifest(unnamed, defaults).identity) == ("default",)
    assert requested_roles(named, read_manifest(named, defaults).identity) == ("own",)
