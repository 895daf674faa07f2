"""What becomes of the Secret when its ExternalSecret goes, with the real garbage collector."""

import base64
from typing import Any

import pytest

from testbed.cluster import Cluster
from worlds.spine import await_until, unique
from worlds.whole import Whole

LABEL = "externalsecrets.kubernetes-client.io/managed-by"


def _spec(world: Whole, name: str, **more: Any) -> dict[str, Any]:
    return {"roleArn": world.own_role(), "data": [{"key": name, "name": "ours"}], **more}


def _owners(world: Whole, name: str) -> list[dict[str, Any]]:
    owners: list[dict[str, Any]] = (world.secret(name) or {})["metadata"].get("ownerReferences", [])
    return owners


@pytest.fixture
def collected(world: Whole) -> str:
    """An ExternalSecret whose Secret the garbage collector will take: a sign that it is awake."""
    name = unique("collected")
    world.create(name, "value")
    world.apply(name, _spec(world, name))
    world.await_data(name, ours=b"value")
    return name


def _collect(world: Whole, name: str) -> None:
    """Wait until the garbage collector has done what it had to do."""
    world.delete(name)
    world.await_collected(name)


def test_a_retained_secret_stays_and_is_taken_up_again(world: Whole, collected: str) -> None:
    name = unique("retained")
    world.create(name, "value")
    spec = _spec(world, name, deletionPolicy="Retain")
    world.apply(name, spec)
    world.await_data(name, ours=b"value")
    world.await_synced(name)
    assert _owners(world, name) == []
    made = (world.secret(name) or {})["metadata"]

    world.delete(name)
    _collect(world, collected)

    assert world.data(name) == {"ours": b"value"}
    before = world.value_calls(name)
    world.apply(name, spec)
    world.await_synced(name)
    found = (world.secret(name) or {})["metadata"]
    assert (found["uid"], found["resourceVersion"]) == (made["uid"], made["resourceVersion"])
    assert world.value_calls(name) <= before + 1
    world.change_and_announce(name, "second")
    world.await_data(name, ours=b"second")


def test_a_retained_secret_that_was_changed_meanwhile_is_put_right(world: Whole) -> None:
    name = unique("retained")
    world.create(name, "value")
    spec = _spec(world, name, deletionPolicy="Retain")
    world.apply(name, spec)
    world.await_synced(name)
    world.delete(name)
    theirs = base64.b64encode(b"theirs").decode()
    world.edit_secret(name, {"data": {"ours": theirs, "theirs": theirs}})

    world.apply(name, spec)

    world.await_data(name, ours=b"value", theirs=b"theirs")


def test_a_switch_to_retain_takes_away_our_reference_only(world: Whole, collected: str) -> None:
    name = unique("switched")
    world.create(name, "value")
    world.apply(name, _spec(world, name))
    world.await_synced(name)
    (ours,) = _owners(world, name)
    other = _config_map(world.cluster, world.namespace, unique("other"))
    world.edit_secret(name, {"metadata": {"ownerReferences": [other, ours]}})

    world.edit(name, {"spec": {"deletionPolicy": "Retain"}})

    await_until(lambda: _owners(world, name), lambda owners: owners == [other], "let go")
    world.await_synced(name)
    world.delete(name)
    _collect(world, collected)
    assert world.data(name) == {"ours": b"value"}
    assert LABEL in (world.secret(name) or {})["metadata"]["labels"]


def test_a_switch_back_to_delete_puts_our_reference_in(world: Whole) -> None:
    name = unique("switched")
    world.create(name, "value")
    world.apply(name, _spec(world, name, deletionPolicy="Retain"))
    world.await_synced(name)
    before = world.value_calls(name)

    world.edit(name, {"spec": {"deletionPolicy": "Delete"}})

    (owner,) = await_until(lambda: _owners(world, name), bool, "an owner")
    assert owner["uid"] == world.get(name)["metadata"]["uid"]
    world.await_synced(name)
    assert world.value_calls(name) == before
    world.delete(name)
    world.await_collected(name)


def test_a_reference_that_somebody_put_in_against_retain_goes(world: Whole) -> None:
    name = unique("kept")
    world.create(name, "value")
    world.apply(name, _spec(world, name, deletionPolicy="Retain"))
    world.await_synced(name)
    reference = {
        "apiVersion": "kubernetes-client.io/v1",
        "kind": "ExternalSecret",
        "name": name,
        "uid": world.get(name)["metadata"]["uid"],
    }

    world.edit_secret(name, {"metadata": {"ownerReferences": [reference]}})

    await_until(lambda: _owners(world, name), lambda owners: not owners, "it went")


def _config_map(cluster: Cluster, namespace: str, name: str) -> dict[str, Any]:
    """A reference to something that exists."""
    path = f"/api/v1/namespaces/{namespace}/configmaps"
    made = cluster.request("POST", path, {"metadata": {"name": name}})
    uid: str = made["metadata"]["uid"]
    return {"apiVersion": "v1", "kind": "ConfigMap", "name": name, "uid": uid}
