from typing import Any

import pytest

from externalsecret import identity
from externalsecret.dialect.contract import Defaults
from externalsecret.errors import GiveUp
from externalsecret.identity import Backend
from externalsecret.manifest import read_manifest
from externalsecret.reference import Identity, Reference, Select, Selector

VERSION = "0123456789abcdef0123456789abcdef"
LATEST = Selector(Select.LATEST)


def _read(vault: Any = "shop", key: str = "db", **item: Any) -> Reference:
    spec = {
        "backendType": "azureKeyVault",
        "keyVaultName": vault,
        "data": [{"key": key, "name": "entry", **item}],
    }
    manifest = read_manifest(spec, Defaults())
    assert manifest.identity == Identity()
    (reference,) = manifest.references.values()
    return reference


def _refusal(**spec: Any) -> str:
    with pytest.raises(GiveUp) as refused:
        _read(**spec)
    assert refused.value.reason == "InvalidSpec"
    return refused.value.message


def test_a_key_is_the_name_of_a_secret_in_the_named_vault() -> None:
    reference = _read("Shop-1", "DB-Password")
    assert reference.entry == "keyvault/shop-1/DB-Password#latest"
    assert reference.scope == "shop-1"
    assert reference.key == "DB-Password"
    assert reference.selector == LATEST


@pytest.mark.parametrize("vault", ["abc", "a-b", "A1-b2-C3", "a" * 24, "hark-test-2"])
def test_names_of_vaults(vault: str) -> None:
    assert _read(vault).scope == vault.lower()


@pytest.mark.parametrize(
    "vault",
    [
        "",
        None,
        "ab",
        "a" * 25,
        "1abc",
        "-abc",
        "abc-",
        "a--b",
        "a_b",
        "a.b",
        "shop.vault.azure.net",
        "https://shop",
        "shop/secrets",
        "shop@evil",
        "shop\n",
        "sh\u00f6p",
        "\u212aey",
        "evil.example#",
    ],
)
def test_what_is_no_name_of_a_vault_is_refused(vault: str | None) -> None:
    assert "spec.keyVaultName" in _refusal(vault=vault)


@pytest.mark.parametrize("key", ["a", "A-1", "-", "0", "x" * 127])
def test_names_of_secrets(key: str) -> None:
    assert _read(key=key).key == key


@pytest.mark.parametrize(
    "key",
    [
        "db_password",
        "a/b",
        "a.b",
        "..",
        "x" * 128,
        "a b",
        "a?x=1",
        "a%2fb",
        f"db/{VERSION}",
        "\u00e4",
    ],
)
def test_what_is_no_name_of_a_secret_is_refused(key: str) -> None:
    assert "spec.data[0].key" in _refusal(key=key)


def test_a_refusal_shows_only_so_much_of_a_long_name() -> None:
    assert len(_refusal(vault="v" * 10_000)) < 500
    assert len(_refusal(key="k" * 10_000)) < 500


def test_a_version_in_its_own_form_pins() -> None:
    assert _read(version=VERSION).selector == Selector(Select.VERSION, VERSION)
    assert _read(version=VERSION.upper()).selector == Selector(Select.VERSION, VERSION)


@pytest.mark.parametrize("version", ["latest", "", "1", 3, 0, VERSION[1:], VERSION + "0"])
def test_any_other_version_is_the_newest_as_it_always_was(version: str | int) -> None:
    assert _read(version=version).selector == LATEST


def test_what_belongs_to_other_backends_is_not_looked_at() -> None:
    assert _read(versionStage="AWSPREVIOUS", versionId="x", region="?").selector == LATEST


def test_a_path_is_refused() -> None:
    spec = {"backendType": "azureKeyVault", "keyVaultName": "shop", "data": [{"path": "/a"}]}
    with pytest.raises(GiveUp, match="path"):
        read_manifest(spec, Defaults())


def test_names_are_equal_whatever_their_case() -> None:
    one, other = _read("Shop", "DB"), _read("shop", "db")
    assert one.secret == other.secret
    assert one.secret.matches(other.secret)
    assert not one.secret.matches(_read("shop2", "db").secret)
    assert not one.secret.matches(_read("shop", "db2").secret)


@pytest.mark.parametrize(
    ("url", "version"),
    [
        (f"https://Shop.vault.azure.net/secrets/DB/{VERSION.upper()}", VERSION),
        (f"https://shop.vault.azure.net:443/secrets/db/{VERSION}", VERSION),
        (f"https://shop.vault.azure.cn/certificates/db/{VERSION}", VERSION),
        ("https://shop.vault.usgovcloudapi.net/secrets/db", ""),
    ],
)
def test_the_identifier_of_an_event_names_the_same_secret(url: str, version: str) -> None:
    named = identity.key_vault_url(url)
    assert named == (_read("shop", "db").secret, version)
    assert named[0].backend is Backend.KEY_VAULT


@pytest.mark.parametrize(
    "url",
    [
        "",
        "db",
        "http://shop.vault.azure.net/secrets/db",
        "https://shop/secrets/db",
        "https://shop.vault.azure.net/storage/db",
        "https://shop.vault.azure.net/secrets/",
        "https://a@shop.vault.azure.net/secrets/db",
        "https://shop.vault.azure.net/secrets/db/v/w",
    ],
)
def test_what_is_no_identifier_names_nothing(url: str) -> None:
    assert identity.key_vault_url(url) is None
