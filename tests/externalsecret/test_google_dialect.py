from typing import Any

import pytest

from externalsecret.dialect.contract import Defaults
from externalsecret.errors import GiveUp
from externalsecret.identity import Backend, google_secret
from externalsecret.manifest import read_manifest
from externalsecret.reference import Reference, Select, Selector

LATEST = Selector(Select.LATEST)


def _read(
    key: str = "db", defaults: Defaults | None = None, *, version: Any = None, **spec: Any
) -> Reference:
    item = {"key": key, "name": "entry"}
    if version is not None:
        item["version"] = version
    manifest = read_manifest(
        {"backendType": "gcpSecretsManager", "data": [item], **spec}, defaults or Defaults()
    )
    (reference,) = manifest.references.values()
    return reference


def test_a_global_secret_of_a_project() -> None:
    reference = _read(projectId="shop-prod-4711")
    assert reference.entry == "gcpsecretmanager/shop-prod-4711/db#latest"
    assert reference.secret == google_secret("db", "shop-prod-4711")
    assert reference.secret.backend is Backend.GCP_SECRET_MANAGER
    assert reference.secret.region == "global"
    assert reference.selector == LATEST


def test_a_regional_secret() -> None:
    reference = _read(projectId="shop-prod-4711", location="europe-west3")
    assert reference.scope == "shop-prod-4711/europe-west3"
    assert reference.secret == google_secret("db", "shop-prod-4711", "europe-west3")


def test_the_location_global_is_none() -> None:
    assert _read(projectId="shop-prod", location="global") == _read(projectId="shop-prod")


def test_the_settings_name_the_project_that_a_spec_leaves_out() -> None:
    defaults = Defaults(google_project="shop-prod")
    assert _read(defaults=defaults).scope == "shop-prod"
    assert _read(defaults=defaults, projectId="other-one").scope == "other-one"


def test_without_any_project_it_is_that_of_the_credentials() -> None:
    assert _read().scope == "-"
    assert _read(location="europe-west3").scope == "-/europe-west3"
    assert not _read().secret.account


@pytest.mark.parametrize(
    ("version", "selector"),
    [
        (None, LATEST),
        ("", LATEST),
        (0, LATEST),
        ("latest", LATEST),
        (3, Selector(Select.VERSION, "3")),
        ("3", Selector(Select.VERSION, "3")),
        (9223372036854775807, Selector(Select.VERSION, "9223372036854775807")),
        ("live", Selector(Select.LABEL, "live")),
        ("Blue_green-2", Selector(Select.LABEL, "Blue_green-2")),
        ("label", Selector(Select.LABEL, "label")),
    ],
)
def test_a_version_is_latest_a_number_or_an_alias(version: Any, selector: Selector) -> None:
    assert _read(version=version).selector == selector


def test_each_way_to_choose_is_a_read_of_its_own() -> None:
    versions = [None, 1, "1a", "live", "label", "version"]
    spec = {
        "backendType": "gcpSecretsManager",
        "data": [
            {"key": "db", "name": f"n{place}", "version": "live1" if one == "1a" else one}
            for place, one in enumerate(versions)
        ],
    }
    assert len(read_manifest(spec, Defaults()).references) == len(versions)


@pytest.mark.parametrize(
    "version",
    [
        "0",
        "03",
        -1,
        "-1",
        "1.5",
        "a/b",
        "../1",
        "LATEST",
        "new",
        "1:access",
        "a" * 64,
        " 1",
        "\u0663",
        10**19,
        "v?x=1",
    ],
)
def test_what_is_no_version_is_refused(version: Any) -> None:
    with pytest.raises(GiveUp, match=r"spec\.data\[0\]\.version: .* is no version; write a number"):
        _read(version=version)


@pytest.mark.parametrize("name", ["db", "DB_1-x", "_", "9", "a" * 255])
def test_names_of_secrets(name: str) -> None:
    assert _read(name).secret.name == name


@pytest.mark.parametrize(
    "name",
    [
        "a/b",
        "../db",
        "db/versions/1",
        "a b",
        "db?x",
        "db#1",
        "db:access",
        "d\u00e4",
        "a" * 256,
        "db\n",
        "%2e%2e",
        "projects/p/secrets/",
        "-/secrets/x",
    ],
)
def test_what_is_no_name_of_a_secret_is_refused(name: str) -> None:
    with pytest.raises(GiveUp, match="correct the key"):
        _read(name)


def test_a_resource_name_is_refused_with_the_name_to_write() -> None:
    with pytest.raises(GiveUp, match=r"write the secret's name alone, db, .* spec\.projectId"):
        _read("projects/shop-prod/secrets/db")


@pytest.mark.parametrize("project", ["shop-prod", "a12345", "4711", "example.com:shop-prod"])
def test_projects(project: str) -> None:
    assert _read(projectId=project).scope == project


@pytest.mark.parametrize(
    "project",
    [
        "-",
        "a/b",
        "shop prod",
        "Shop-Prod",
        "short",
        "../../x",
        "shop-prod/secrets/x",
        "shop.prod",
        "01",
        "a" * 31,
        "shop-",
        "evil:80/shop-prod",
        "shop-prod\n",
        ":shop-prod",
        "\u0661\u0662",
    ],
)
def test_what_is_no_project_is_refused(project: str) -> None:
    with pytest.raises(GiveUp, match=r"is no Google project; .* spec\.projectId"):
        _read(projectId=project)


@pytest.mark.parametrize("location", ["europe-west3", "us-central1", "northamerica-northeast1"])
def test_locations(location: str) -> None:
    assert _read(location=location).scope == f"-/{location}"


@pytest.mark.parametrize(
    "location",
    [
        "evil.example",
        "evil.example/x",
        "europe-west3.rep",
        "a@b",
        "x:80",
        "Europe-West3",
        "-",
        "eu/",
        "europe--west3",
        "europe-west3-a",
        "..",
        "europe-west3\n",
        "europe-west333",
        "#",
    ],
)
def test_what_is_no_location_is_refused(location: str) -> None:
    with pytest.raises(GiveUp, match=r"is no Google location; .* spec\.location"):
        _read(location=location)


def test_paths_are_refused() -> None:
    spec = {"backendType": "gcpSecretsManager", "data": [{"path": "/a"}]}
    with pytest.raises(GiveUp, match="_getByPath not implemented"):
        read_manifest(spec, Defaults())
