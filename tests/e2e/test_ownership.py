"""Whose Secret it is: that of somebody else is not touched, that of our predecessor is taken on."""

import base64
from typing import Any

from worlds.spine import await_until, unique
from worlds.whole import Whole

ADOPT = "externalsecrets.kubernetes-client.io/adopt"
THEIRS = base64.b64encode(b"theirs").decode()


def _spec(world: Whole, name: str) -> dict[str, Any]:
    return {"roleArn": world.own_role(), "data": [{"key": name, "name": "ours"}]}


def test_a_foreign_secret_is_touched_only_where_it_is_asked_for(world: Whole) -> None:
    name = unique("foreign")
    world.create(name, "value")
    made = world.make_secret(name, data={"theirs": THEIRS})
    world.apply(name, _spec(world, name))

    sentence = world.await_complaint(name, "SecretNotOurs")

    assert ADOPT in sentence
    found = world.secret(name) or {}
    assert found["metadata"]["resourceVersion"] == made["metadata"]["resourceVersion"]
    world.annotate(name, {ADOPT: "true"})
    world.await_data(name, ours=b"value", theirs=b"theirs")
    adopted = world.secret(name) or {}
    assert adopted["metadata"]["uid"] == made["metadata"]["uid"]
    assert adopted["metadata"]["ownerReferences"][0]["name"] == name
    world.change_and_announce(name, "second")
    world.await_data(name, ours=b"second", theirs=b"theirs")


def test_the_secret_of_kubernetes_external_secrets_is_taken_on(world: Whole) -> None:
    name = unique("migrated")
    world.create(name, "value")
    # Its ExternalSecret stood there before, served by its own controller.
    world.apply(name, {**_spec(world, name), "controllerId": "kes"})
    uid = world.get(name)["metadata"]["uid"]
    made = world.make_secret(
        name, data={"ours": THEIRS}, metadata={"ownerReferences": [_owner(name, uid)]}
    )

    world.edit(name, {"spec": {"controllerId": None}})

    world.await_data(name, ours=b"value")
    found = (world.secret(name) or {})["metadata"]
    assert found["uid"] == made["metadata"]["uid"]
    assert [owner["uid"] for owner in found["ownerReferences"]] == [uid]
    world.await_synced(name)


def test_the_secret_of_a_namesake_that_was_deleted_gets_the_new_owner(world: Whole) -> None:
    name = unique("restored")
    world.create(name, "value")
    world.apply(name, {**_spec(world, name), "controllerId": "kes"})
    former = "00000000-0000-4000-8000-000000000000"
    world.make_secret(
        name, data={"ours": THEIRS}, metadata={"ownerReferences": [_owner(name, former)]}
    )

    world.edit(name, {"spec": {"controllerId": None}})

    # The garbage collector may be faster at any step: then it is made anew, with the same end.
    world.await_synced(name)
    uid = world.get(name)["metadata"]["uid"]

    def state() -> tuple[list[str], dict[str, bytes]]:
        metadata = (world.secret(name) or {}).get("metadata", {})
        owners = [owner["uid"] for owner in metadata.get("ownerReferences", [])]
        return owners, world.data(name)

    await_until(
        state, lambda seen: seen == ([uid], {"ours": b"value"}), "it belongs to the new one"
    )


def test_a_deleted_external_secret_takes_its_secret_along(world: Whole) -> None:
    name = unique("gone")
    world.create(name, "value")
    world.apply(name, _spec(world, name))
    world.await_data(name, ours=b"value")

    world.delete(name)

    world.await_collected(name)


def _owner(name: str, uid: str) -> dict[str, Any]:
    return {
        "apiVersion": "kubernetes-client.io/v1",
        "kind": "ExternalSecret",
        "name": name,
        "uid": uid,
        "controller": True,
    }
