"""What `hark cost` counts of the objects of a cluster."""

from collections.abc import Mapping
from typing import Any

import pytest

from externalsecret.dialect.contract import Defaults
from externalsecret.identity import Backend
from hark.cost.census import Census
from hark.cost.estate import NEVER, Estate, Group
from hark.cost.stores import Key, Store, key_of_store, read_store

ROLE = "arn:aws:iam::123456789012:role/app"
AWS = {"aws": {"service": "SecretsManager", "region": "eu-central-1"}}


def _kes(**spec: Any) -> dict[str, Any]:
    return {"metadata": {"name": "db", "namespace": "shop"}, "spec": spec}


def _aws(*keys: str, region: str = "eu-central-1", **more: Any) -> dict[str, Any]:
    data = [{"key": key, "name": f"entry{place}"} for place, key in enumerate(keys)]
    return _kes(backendType="secretsManager", region=region, data=data, **more)


def _stores(**providers: Mapping[str, Any]) -> dict[Key, Store | str]:
    objects = [
        {"metadata": {"name": name}, "spec": {"provider": provider}}
        for name, provider in providers.items()
    ]
    return {key_of_store(obj): read_store(obj) for obj in objects}


def _eso(*data: Mapping[str, Any], store: str = "main", **spec: Any) -> dict[str, Any]:
    named = {"name": store, "kind": "ClusterSecretStore"}
    return {
        "metadata": {"name": "db", "namespace": "shop"},
        "spec": {"secretStoreRef": named, "data": list(data), **spec},
    }


def _of(key: str, **more: str) -> dict[str, Any]:
    return {"secretKey": "x", "remoteRef": {"key": key, **more}}


def _census(*objects: Mapping[str, Any]) -> Census:
    census = Census(Defaults(region="us-east-1"))
    for obj in objects:
        census.add_kes(obj)
    return census


def _only(census: Census) -> Estate:
    (estate,) = census.estates(None)
    return estate


def test_items_keys_and_secrets_are_told_apart() -> None:
    estate = _only(_census(_aws("db", "db", "mail"), _aws("db")))
    assert estate.backend is Backend.SECRETS_MANAGER
    assert estate.groups == (Group(2, 4, 3),)
    assert estate.lanes == (2,)


def test_secrets_are_shared_by_role_and_region() -> None:
    estate = _only(_census(_aws("db"), _aws("db", roleArn=ROLE), _aws("db", region="us-west-2")))
    assert estate.lanes == (1, 1, 1)
    assert estate.queues == 2


def test_objects_of_both_operators_share_what_they_both_read() -> None:
    census = _census(_aws("db"))
    census.add_eso(_eso(_of("db"), _of("mail")), _stores(main=AWS))
    estate = _only(census)
    assert estate.lanes == (2,)
    assert (census.kes, census.eso) == (1, 1)


@pytest.mark.parametrize(
    ("spec", "interval"),
    [
        ({}, None),
        ({"refreshInterval": "1h"}, 3600.0),
        ({"refreshInterval": "1h30m0s"}, 5400.0),
        ({"refreshInterval": "0"}, NEVER),
        ({"refreshInterval": "0s"}, NEVER),
        ({"refreshInterval": "15m", "refreshPolicy": "OnChange"}, NEVER),
        ({"refreshInterval": "15m", "refreshPolicy": "CreatedOnce"}, NEVER),
        ({"refreshInterval": "15m", "refreshPolicy": "Periodic"}, 900.0),
        ({"refreshInterval": "often"}, None),
    ],
)
def test_each_object_of_eso_tells_its_interval(
    spec: Mapping[str, str], interval: float | None
) -> None:
    census = Census(Defaults())
    census.add_eso(_eso(_of("db"), **spec), _stores(main=AWS))
    assert _only(census).groups == (Group(1, 1, 1, interval),)


@pytest.mark.parametrize(
    ("provider", "backend"),
    [
        (AWS, Backend.SECRETS_MANAGER),
        ({"aws": {"region": "eu-central-1"}}, Backend.SECRETS_MANAGER),
        ({"aws": {"service": "ParameterStore"}}, Backend.PARAMETER_STORE),
        ({"gcpsm": {"projectID": "shop-prod"}}, Backend.GCP_SECRET_MANAGER),
        ({"azurekv": {"vaultUrl": "https://shop.vault.azure.net"}}, Backend.KEY_VAULT),
        ({"vault": {"server": "https://vault:8200", "path": "secret"}}, Backend.VAULT),
    ],
)
def test_stores_tell_the_backend(provider: Mapping[str, Any], backend: Backend) -> None:
    census = Census(Defaults())
    census.add_eso(_eso(_of("a", property="x"), _of("a", property="y")), _stores(main=provider))
    estate = _only(census)
    assert (estate.backend, estate.groups, estate.lanes) == (backend, (Group(1, 2, 1),), (1,))


def test_google_and_key_vault_are_shared_by_both_operators_too() -> None:
    google = {"backendType": "gcpSecretsManager", "projectId": "shop-prod"}
    azure = {"backendType": "azureKeyVault", "keyVaultName": "shop"}
    item = [{"key": "db", "name": "x"}]
    census = _census(_kes(**google, data=item), _kes(**azure, data=item))
    stores = _stores(
        g={"gcpsm": {"projectID": "shop-prod"}},
        a={"azurekv": {"vaultUrl": "https://Shop.vault.azure.net/"}},
    )
    for store in "ga":
        census.add_eso(_eso(_of("db"), store=store), stores)
    assert [(one.objects, one.secrets) for one in census.estates(None)] == [(2, 1), (2, 1)]


def test_an_item_may_name_a_store_of_its_own() -> None:
    own = {**_of("db"), "sourceRef": {"storeRef": {"name": "near", "kind": "SecretStore"}}}
    near = {
        "metadata": {"name": "near", "namespace": "shop"},
        "spec": {"provider": {"vault": {"path": "secret"}}},
    }
    census = Census(Defaults())
    census.add_eso(
        _eso(own, _of("db")), {**_stores(main=AWS), key_of_store(near): read_store(near)}
    )
    found = {one.backend: one.groups for one in census.estates(None)}
    assert found == {
        Backend.SECRETS_MANAGER: (Group(1, 1, 1),),
        Backend.VAULT: (Group(1, 1, 1),),
    }


def test_what_cannot_be_priced_is_counted_by_reason_and_stops_nothing() -> None:
    census = _census(
        _kes(backendType="akeyless", data=[{"key": "a", "name": "a"}]),
        _aws(""),
        _aws("db"),
    )
    generated = {"sourceRef": {"generatorRef": {"kind": "Password"}}}
    stores = _stores(main=AWS, odd={"onepassword": {}}, none={})
    census.add_eso(_eso(_of("db"), dataFrom=[generated]), stores)
    for store in ("odd", "gone", "none"):
        census.add_eso(_eso(_of("db"), store=store), stores)
    assert census.unpriced == {
        "akeyless": 1,
        "bad manifest": 1,
        "generators": 1,
        "onepassword": 1,
        "no such store": 1,
        "a store without a provider": 1,
    }
    assert _only(census).objects == 2


def test_paths_and_searches_count_as_one_read_and_are_told() -> None:
    path = {"path": "/shop", "recursive": False}
    census = _census(_kes(backendType="systemManager", region="eu-central-1", data=[path]))
    found = {"find": {"name": {"regexp": "db-.*"}}}
    census.add_eso(_eso(dataFrom=[found, {"extract": {"key": "db"}}]), _stores(main=AWS))
    assert census.several == 2
    assert [(one.items, one.secrets) for one in census.estates(None)] == [(2, 2), (1, 1)]


def test_changes_are_shared_out_by_secrets_and_are_one_a_month_by_default() -> None:
    google = _kes(
        backendType="gcpSecretsManager", projectId="shop-prod", data=[{"key": "db", "name": "x"}]
    )
    census = _census(_aws("a", "b", "c"), google)
    assert [one.changes for one in census.estates(None)] == [3, 1]
    assert [one.changes for one in census.estates(8.0)] == [180, 60]
    assert _census().estates(None) == []
