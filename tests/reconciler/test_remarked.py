"""A secret that expires without changing: it is used, and whoever reads it is told."""

import pytest

from externalsecret.ledger import Entry, Ledger, Synced
from reconciler.remarked import remarks_of
from worlds.keyvault import KeyVaultWorld
from worlds.sweptworld import SweptWorld


@pytest.fixture
def shop(key_vault: KeyVaultWorld) -> SweptWorld:
    for name in ("db", "other"):
        key_vault.put(name, b"value")
    return SweptWorld(key_vault, "db", "other")


def _expire(key_vault: KeyVaultWorld, at: int | None) -> None:
    key_vault.azure.vaults.change(key_vault.vault, "db", expires=at)


def _remarks(shop: SweptWorld) -> list[str | None]:
    return [leaf["synced"].get("remark") for leaf in shop.status()["keys"].values()]


def test_the_sweep_tells_of_it_once_and_takes_it_back_and_no_value_is_asked_for(
    shop: SweptWorld, key_vault: KeyVaultWorld
) -> None:
    shop.sweep()
    assert shop.ready()["reason"] == "Synced"
    asked = shop.values_asked()
    _expire(key_vault, 1_000_000_000)
    shop.sweep()
    ready = shop.ready()
    assert (ready["status"], ready["reason"]) == ("True", "SecretExpired")
    assert f"https://{key_vault.vault}.vault.azure.net/secrets/db/" in ready["message"]
    assert sorted(_remarks(shop), key=str) == [None, "SecretExpired"]
    before = shop.status()
    shop.sweep()
    shop.restart()
    shop.sweep()
    assert shop.status() == before
    _expire(key_vault, None)
    shop.sweep()
    assert shop.ready()["reason"] == "Synced"
    assert _remarks(shop) == [None, None]
    assert shop.values_asked() == asked
    assert shop.data() == {"db": b"value", "other": b"value"}


def test_an_event_of_the_expiry_ends_in_the_condition_and_asks_for_no_value(
    shop: SweptWorld, key_vault: KeyVaultWorld
) -> None:
    asked = shop.values_asked()
    _expire(key_vault, 1_000_000_000)
    shop.hear("event-1")
    assert shop.ready()["reason"] == "SecretExpired"
    assert {leaf["synced"]["note"] for leaf in shop.status()["keys"].values()} == {"event-1"}
    # The next version ends it.
    key_vault.put("db", b"new")
    shop.sweep()
    assert shop.ready()["reason"] == "Synced"
    assert shop.values_asked() == [*asked, "db"]


def test_many_that_expired_are_named_in_one_sentence_and_not_all_of_them() -> None:
    leaves = {
        f"k{number}": Synced(None, "v", None, "spec", None, (), "f", "SecretExpired")
        for number in range(7)
    }
    ledger = Ledger({"k0": Entry(None, Synced(None, "v", None, "spec", None, (), "f"))})
    word, (sentence,) = remarks_of(ledger, leaves, leaves)
    assert word == "SecretExpired"
    assert sentence == "SecretExpired, and used all the same: k0, k1, k2, k3, k4, ...."
    assert remarks_of(ledger, {}, ["k0"]) == ("", ())
