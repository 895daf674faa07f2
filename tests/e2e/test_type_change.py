"""A Secret that Kubernetes does not let us change: refused by default, made anew where wanted."""

import base64
import json
from typing import Any

import pytest

from externalsecret import definitions
from testbed.installation import grant
from worlds.rights import may
from worlds.spine import await_until, unique
from worlds.whole import DENIED, Whole

REGISTRY = json.dumps({"auths": {}})
DOCKER = "kubernetes.io/dockerconfigjson"
ENTRY = ".dockerconfigjson"


def _spec(world: Whole, name: str, entry: str = ENTRY, **more: Any) -> dict[str, Any]:
    return {"roleArn": world.own_role(), "data": [{"key": name, "name": entry}], **more}


def _allow(world: Whole) -> None:
    """Give the reconciler the right that the policy needs, in the namespace of the test."""
    rights = definitions.recreate_rights()
    grant(world.cluster, "reconciler", rights, world.namespace, world.namespace)
    await_until(
        lambda: may(world.cluster, "reconciler", world.namespace, "delete", "secrets"),
        bool,
        "it may delete Secrets",
    )


@pytest.fixture
def allowed(world: Whole) -> Whole:
    _allow(world)
    return world


def _await_type(world: Whole, name: str, wanted: str) -> dict[str, Any]:
    found = await_until(
        lambda: world.secret(name), lambda secret: (secret or {}).get("type") == wanted, wanted
    )
    assert found is not None
    return found


def test_another_type_is_refused_in_a_sentence_by_default(world: Whole) -> None:
    name = unique("typed")
    world.create(name, REGISTRY)
    world.apply(name, _spec(world, name))
    world.await_synced(name)
    made = world.secret(name)

    world.edit(name, {"spec": {"type": DOCKER}})

    assert "Delete the Secret" in world.await_complaint(name, "TypeConflict")
    assert world.secret(name) == made


def test_with_recreate_it_is_made_anew_without_a_read(allowed: Whole) -> None:
    name = unique("typed")
    allowed.create(name, REGISTRY)
    allowed.apply(name, _spec(allowed, name, onTypeChange="Recreate"))
    allowed.await_synced(name)
    made = allowed.secret(name) or {}
    before = allowed.value_calls(name)
    # What the backend says at that moment is of no importance: all is in the old Secret.
    rule = allowed.refuse(name, DENIED)

    allowed.edit(name, {"spec": {"type": DOCKER}})

    found = _await_type(allowed, name, DOCKER)
    assert found["metadata"]["uid"] != made["metadata"]["uid"]
    assert found["data"] == made["data"]
    assert found["metadata"]["ownerReferences"] == made["metadata"]["ownerReferences"]
    allowed.await_synced(name)
    assert allowed.value_calls(name) == before
    rule.retire()
    allowed.change_and_announce(name, "{}")
    allowed.await_data(name, **{ENTRY: b"{}"})


def test_an_immutable_secret_that_must_change_is_made_anew(allowed: Whole) -> None:
    name = unique("immutable")
    allowed.create(name, "first")
    allowed.apply(name, _spec(allowed, name, "entry", onTypeChange="Recreate"))
    allowed.await_synced(name)
    frozen = allowed.edit_secret(name, {"immutable": True})

    allowed.change_and_announce(name, "second")

    allowed.await_data(name, entry=b"second")
    found = allowed.secret(name) or {}
    assert found["metadata"]["uid"] != frozen["metadata"]["uid"]
    allowed.await_synced(name)


def test_nothing_is_deleted_for_a_type_that_the_entries_do_not_fit(allowed: Whole) -> None:
    name = unique("unfit")
    allowed.create(name, "value")
    allowed.apply(name, _spec(allowed, name, "entry", onTypeChange="Recreate"))
    allowed.await_synced(name)
    made = allowed.secret(name)

    allowed.edit(name, {"spec": {"type": "kubernetes.io/tls"}})

    allowed.await_complaint(name, "SecretRefused")
    assert allowed.secret(name) == made


def test_without_the_right_the_secret_stays_and_the_sentence_names_it(whole: Whole) -> None:
    name = unique("typed")
    whole.reconciler(environment={"DISABLE_POLLING": ""})
    whole.create(name, REGISTRY)
    whole.apply(name, _spec(whole, name, onTypeChange="Recreate"))
    whole.await_synced(name)
    made = whole.secret(name)

    whole.edit(name, {"spec": {"type": DOCKER}})

    assert "recreate-rights.yaml" in whole.await_complaint(name, "TypeConflict")
    assert whole.secret(name) == made
    _allow(whole)
    whole.edit(name, {"spec": {"dataFrom": []}})
    _await_type(whole, name, DOCKER)


def test_the_secret_of_a_former_operator_with_another_type_is_made_anew(allowed: Whole) -> None:
    name = unique("migrated")
    allowed.create(name, "value")
    spec = _spec(allowed, name, "entry", onTypeChange="Recreate")
    allowed.apply(name, {**spec, "controllerId": "kes"})
    theirs = base64.b64encode(b"theirs").decode()
    owner = {
        "apiVersion": "kubernetes-client.io/v1",
        "kind": "ExternalSecret",
        "name": name,
        "uid": allowed.get(name)["metadata"]["uid"],
        "controller": True,
    }
    metadata = {"ownerReferences": [owner]}
    allowed.make_secret(name, metadata=metadata, type="example/other", data={"entry": theirs})

    allowed.edit(name, {"spec": {"controllerId": None}})

    _await_type(allowed, name, "Opaque")
    allowed.await_data(name, entry=b"value")
    allowed.await_synced(name)
