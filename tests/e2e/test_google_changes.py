"""Secrets of Google's Secret Manager end to end, announced through Pub/Sub: both halves as
processes, Google's own Pub/Sub server for tests, and a double of Secret Manager. Nothing is swept.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest

from testbed.cluster import Cluster
from testbed.moto import Moto
from testbed.pubsub import PubSubServer
from worlds.announced import ACCESS, OTHER, TOPIC, Announced, announced_product
from worlds.google import NUMBER, secret_name
from worlds.spine import await_until, unique


@pytest.fixture
def product(
    served_cluster: Cluster, moto: Moto, pubsub_server: PubSubServer, tmp_path: Path
) -> Iterator[Announced]:
    with announced_product(served_cluster, moto, pubsub_server.address, tmp_path) as made:
        made.reconcile()
        made.listen()
        yield made


def test_an_announced_version_costs_one_read_however_often_it_is_announced(
    product: Announced,
) -> None:
    name, other = unique("google"), unique("google")
    product.synced(name, "one")
    product.synced(other, "one", location="europe-west3")
    product.manager.add(secret_name(name, project=OTHER), b"elsewhere")
    product.apply(name, named=f"{name}-elsewhere", projectId=OTHER)
    product.whole.await_data(f"{name}-elsewhere", entry=b"elsewhere")
    product.whole.await_synced(f"{name}-elsewhere")
    before = product.server.calls[ACCESS]
    elsewhere = product.whole.status(f"{name}-elsewhere")

    version = product.manager.add(secret_name(name), b"two")
    for _ in range(10):
        product.announce("SECRET_VERSION_ADD", name, version)
    product.change(other, "two", location="europe-west3")

    product.whole.await_data(name, entry=b"two")
    product.whole.await_data(other, entry=b"two")
    assert product.server.calls[ACCESS] == before + 2
    assert product.whole.status(f"{name}-elsewhere") == elsewhere


def test_a_version_disabled_and_a_secret_deleted_leave_the_secret_and_come_back(
    product: Announced,
) -> None:
    name = unique("google")
    product.synced(name, "one")
    product.manager.disable(secret_name(name), "1")
    product.announce("SECRET_VERSION_DISABLE", name, "1")
    product.whole.await_complaint(name, "Disabled")
    assert product.whole.data(name) == {"entry": b"one"}
    product.manager.enable(secret_name(name), "1")
    product.announce("SECRET_VERSION_ENABLE", name, "1")
    product.whole.await_synced(name)

    product.manager.delete(secret_name(name))
    product.announce("SECRET_DELETE", name)
    product.whole.await_complaint(name, "NotFound")
    assert product.whole.data(name) == {"entry": b"one"}

    # It counts from 1 again, up to the very number that was read half a minute ago at most.
    product.manager.create(secret_name(name))
    product.announce("SECRET_CREATE", name)
    product.change(name, "anew")
    product.whole.await_data(name, entry=b"anew")
    product.whole.await_synced(name)


def test_an_alias_that_moves_is_followed_and_a_version_destroyed_leaves_the_secret(
    product: Announced,
) -> None:
    name = unique("google")
    resource, by_alias = secret_name(name), f"{name}-alias"
    product.synced(name, "one")
    product.manager.alias(resource, "live", "1")
    product.apply(name, named=by_alias, data=[{"key": name, "name": "entry", "version": "live"}])
    product.whole.await_data(by_alias, entry=b"one")
    product.whole.await_synced(by_alias)

    product.change(name, "two")
    product.whole.await_data(name, entry=b"two")
    assert product.whole.data(by_alias) == {"entry": b"one"}
    product.manager.alias(resource, "live", "2")
    product.announce("SECRET_UPDATE", name)
    product.whole.await_data(by_alias, entry=b"two")

    product.manager.destroy(resource, "2")
    product.announce("SECRET_VERSION_DESTROY", name, "2")
    for reader in (name, by_alias):
        sentence = product.whole.await_complaint(reader, "Destroyed")
        assert f"Version 2 of the secret {name} is destroyed." in sentence
        assert product.whole.data(reader) == {"entry": b"two"}

    product.manager.alias(resource, "live", "1")
    product.announce("SECRET_UPDATE", name)
    product.whole.await_data(by_alias, entry=b"one")
    product.whole.await_synced(by_alias)
    assert product.whole.data(name) == {"entry": b"two"}
    product.change(name, "three")
    product.whole.await_data(name, entry=b"three")
    product.whole.await_synced(name)


def test_an_entry_of_the_audit_log_is_a_change_and_poison_ends_in_the_dead_letter_topic(
    product: Announced,
) -> None:
    name = unique("google")
    product.synced(name, "one")
    version = product.manager.add(secret_name(name), b"two")
    product.topics.publish(TOPIC, b"poison")
    call = {
        "serviceName": "secretmanager.googleapis.com",
        "methodName": "google.cloud.secretmanager.v1.SecretManagerService.AddSecretVersion",
        "resourceName": secret_name(name),
        "response": {"name": f"{secret_name(name, project=NUMBER)}/versions/{version}"},
    }
    product.topics.publish(TOPIC, {"protoPayload": call, "insertId": unique("entry")})
    product.whole.await_data(name, entry=b"two")
    assert product.server.calls[ACCESS] == 2
    buried: list[bytes] = []

    def look() -> list[bytes]:
        buried.extend(one.message.data for one in product.topics.take(f"{TOPIC}-dead"))
        return buried

    await_until(look, lambda found: found == [b"poison"], "the poison is buried", patience=60)
