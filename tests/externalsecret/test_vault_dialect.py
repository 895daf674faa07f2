"""What a spec means where it names Vault."""

from typing import Any

import pytest

from externalsecret.dialect.contract import Defaults
from externalsecret.errors import GiveUp
from externalsecret.identity import Backend, SecretId
from externalsecret.manifest import Manifest, read_manifest
from externalsecret.reference import Identity, Reference, Select, Selector

DEFAULTS = Defaults()


def manifest(
    key: str, *, defaults: Defaults = DEFAULTS, item: dict[str, Any] | None = None, **spec: Any
) -> Manifest:
    items = [{"name": "password", "key": key, **(item or {})}]
    return read_manifest({"backendType": "vault", "data": items, **spec}, defaults)


def only(found: Manifest) -> Reference:
    (reference,) = found.references.values()
    return reference


def refused(key: str, **spec: Any) -> str:
    with pytest.raises(GiveUp) as refusal:
        manifest(key, **spec)
    assert refusal.value.reason == "InvalidSpec"
    assert refusal.value.message.endswith(".")
    return refusal.value.message


def test_a_key_is_the_api_path_and_version_2_is_the_default() -> None:
    reference = only(manifest("secret/data/app"))
    assert reference.secret == SecretId(Backend.VAULT, "secret/data/app")
    assert reference.scope == "v2"
    assert reference.entry == "vault/v2/secret/data/app#latest"
    assert reference.selector == Selector(Select.LATEST)


def test_version_1_is_another_scope_and_so_another_fingerprint() -> None:
    one = manifest("kv/data/app", kvVersion=1)
    two = manifest("kv/data/app", kvVersion=2)
    assert only(one).scope == "v1"
    assert one.fingerprint(only(one).entry) != two.fingerprint(only(two).entry)


@pytest.mark.parametrize("version", [0, 3, "2", True, 1.5])
def test_another_kv_version_is_refused_in_the_words_of_the_former_operator(version: object) -> None:
    assert 'Unknown "kvVersion" specified' in refused("secret/data/app", kvVersion=version)


def test_the_login_is_named_by_the_spec_or_by_the_settings() -> None:
    defaults = Defaults(vault_role="common", vault_mount="clusters/one")
    key = "secret/data/app"
    assert manifest(key).identity == Identity(vault_mount="kubernetes")
    assert manifest(key, defaults=defaults).identity == Identity(
        vault_role="common", vault_mount="clusters/one"
    )
    own = manifest(key, defaults=defaults, vaultRole="app", vaultMountPoint="/other/")
    assert own.identity == Identity(vault_role="app", vault_mount="other")


def test_slashes_at_the_ends_and_doubled_ones_do_not_count() -> None:
    assert only(manifest("/secret//data/app/")).secret.name == "secret/data/app"


@pytest.mark.parametrize("version", [3, "3", "03"])
def test_a_version_pins(version: object) -> None:
    reference = only(manifest("secret/data/app", item={"version": version}))
    assert reference.selector == Selector(Select.VERSION, "3")


@pytest.mark.parametrize("version", [None, 0, "", "latest"])
def test_no_version_in_whatever_form_follows_the_newest(version: object) -> None:
    reference = only(manifest("secret/data/app", item={"version": version}))
    assert reference.selector == Selector(Select.LATEST)


def test_a_version_that_is_no_number_is_refused() -> None:
    assert "spec.data[0].version" in refused("secret/data/app", item={"version": "newest"})


def test_version_1_has_no_versions_to_pin() -> None:
    assert not only(manifest("kv/app", kvVersion=1, item={"version": 3})).selector.is_pinned()


@pytest.mark.parametrize(
    "key",
    [
        "secret/data/../../sys/raw",
        "secret/data/./app",
        "..",
        "/",
        "secret/data/app?version=3",
        "secret/data/app#x",
        "secret/data/%2e%2e/app",
        "secret\\data\\app",
        "secret/data/a\nb",
        "secret/data/a\x00",
        "secret/data/a\ud800",
    ],
)
def test_a_path_that_could_lead_elsewhere_is_refused(key: str) -> None:
    refused(key)
    refused(key, kvVersion=1)


@pytest.mark.parametrize(
    "key",
    [
        "sys/mounts/data/x",
        "/sys/data/x",
        "auth/token/data/x",
        "identity/oidc/data/token",
        "cubbyhole/data/x",
        "team/auth/token/lookup-self",
    ],
)
def test_what_belongs_to_vault_itself_is_refused(key: str) -> None:
    assert "Vault itself" in refused(key, kvVersion=1)


@pytest.mark.parametrize("key", ["secret/data/auth/google", "team/kv/data/sys/x"])
def test_such_names_further_down_are_names_like_others(key: str) -> None:
    assert only(manifest(key)).secret.name == key


@pytest.mark.parametrize("key", ["database/creds/app", "data/app", "secret/data"])
def test_version_2_needs_the_data_segment(key: str) -> None:
    assert "spec.kvVersion to 1" in refused(key)


def test_unicode_and_spaces_are_names() -> None:
    assert (
        only(manifest("secret/data/gr\u00fc\u00df e")).secret.name == "secret/data/gr\u00fc\u00df e"
    )


@pytest.mark.parametrize("mount", ["../sys", "a?b", "a%2f", "/", "a\tb"])
def test_a_mount_is_a_path_too(mount: str) -> None:
    assert "vaultMountPoint" in refused("secret/data/app", vaultMountPoint=mount)
    with pytest.raises(GiveUp):
        manifest("secret/data/app", defaults=Defaults(vault_mount=mount))
