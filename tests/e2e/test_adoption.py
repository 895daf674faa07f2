"""Taking over from another operator: what is equal is not rewritten, what follows is as ever."""

import base64
from collections.abc import Mapping
from typing import Any

import pytest

from testbed.cluster import MERGE_PATCH
from worlds.spine import GROUP, await_until, unique
from worlds.whole import Whole

ADOPT = "externalsecrets.kubernetes-client.io/adopt"
LABEL = "externalsecrets.kubernetes-client.io/managed-by"


def _encoded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


class Kes:
    """What kubernetes-external-secrets does to one object: whole PUTs of Secret and status."""

    def __init__(self, world: Whole, name: str, **data: str) -> None:
        self._world = world
        self._name = name
        self._data = {entry: _encoded(text) for entry, text in data.items()}
        self._secrets = f"/api/v1/namespaces/{world.namespace}/secrets"

    def make(self) -> dict[str, Any]:
        return self._request("POST", self._secrets, self._secret())

    def put_secret(self) -> None:
        self._request("PUT", f"{self._secrets}/{self._name}", self._secret())

    def put_status(self) -> None:
        path = f"{GROUP}/namespaces/{self._world.namespace}/externalsecrets/{self._name}"
        found = self._world.get(self._name)
        status = {
            "lastSync": "2026-01-01T00:00:00.000Z",
            "observedGeneration": found["metadata"]["generation"],
            "status": "SUCCESS",
        }
        self._request("PUT", f"{path}/status", {**found, "status": status})

    def _secret(self) -> dict[str, Any]:
        owner = {
            "apiVersion": "kubernetes-client.io/v1",
            "kind": "ExternalSecret",
            "name": self._name,
            "uid": self._world.get(self._name)["metadata"]["uid"],
            "controller": True,
        }
        metadata = {"name": self._name, "ownerReferences": [owner]}
        return {"metadata": metadata, "type": "Opaque", "data": self._data}

    def _request(self, method: str, path: str, body: Mapping[str, Any]) -> dict[str, Any]:
        return self._world.cluster.request(method, f"{path}?fieldManager=unknown", body)


def _spec(world: Whole, name: str, **more: Any) -> dict[str, Any]:
    data = [{"key": name, "name": entry, "property": entry} for entry in ("user", "password")]
    return {"roleArn": world.own_role(), "data": data, **more}


@pytest.fixture
def name(world: Whole) -> str:
    """An ExternalSecret that another operator serves, and its secret in AWS."""
    name = unique("migrated")
    world.create(name, {"user": "app", "password": "right"})
    world.apply(name, _spec(world, name, controllerId="kes"))
    return name


def _hand_over(world: Whole, name: str) -> None:
    world.edit(name, {"spec": {"controllerId": None}})
    world.await_synced(name)


def test_an_equal_secret_is_adopted_without_rewriting(world: Whole, name: str) -> None:
    made = Kes(world, name, user="app", password="right").make()

    _hand_over(world, name)

    assert "2 of its entries were equal" in world.await_event(name, "Adopted")
    assert "2 of its entries were equal" in world.ready(name)["message"]
    found = world.secret(name) or {}
    assert found["data"] == made["data"]
    assert found["metadata"]["uid"] == made["metadata"]["uid"]
    assert found["metadata"]["labels"] == {LABEL: "hark"}
    assert found["metadata"]["ownerReferences"] == made["metadata"]["ownerReferences"]
    # It is still on record that the values are those that the former operator wrote.
    (theirs,) = (one for one in found["metadata"]["managedFields"] if one["manager"] == "unknown")
    assert theirs["fieldsV1"]["f:data"].keys() >= {"f:user", "f:password"}
    assert theirs["time"] == made["metadata"]["managedFields"][0]["time"]
    assert world.value_calls(name) == 1


def test_what_was_adopted_is_repaired_and_updated_as_ever(world: Whole, name: str) -> None:
    Kes(world, name, user="app", password="right").make()
    _hand_over(world, name)
    before = world.value_calls(name)

    world.edit_secret(name, {"metadata": {"labels": {"team": "red"}}})
    world.edit_secret(name, {"data": {"password": _encoded("wrong")}})

    world.await_data(name, user=b"app", password=b"right")
    assert world.value_calls(name) == before
    world.change_and_announce(name, {"user": "app", "password": "second"})
    world.await_data(name, user=b"app", password=b"second")
    assert world.value_calls(name) == before + 1


def test_only_what_differs_is_written_and_what_is_beside_it_stays(world: Whole, name: str) -> None:
    Kes(world, name, user="app", password="former", more="theirs").make()

    _hand_over(world, name)

    world.await_data(name, user=b"app", password=b"right", more=b"theirs")
    said = world.await_event(name, "Adopted")
    assert "1 of its entries were equal" in said
    assert "1 were written" in said
    world.edit(name, {"spec": {"data": _spec(world, name)["data"][:1]}})
    # What the manifest drops goes, if it was ours; the former operator's own stays.
    world.await_data(name, user=b"app", more=b"theirs")


def test_nothing_is_written_into_it_until_every_key_was_read(world: Whole, name: str) -> None:
    made = Kes(world, name, user="former", password="former").make()
    missing = {"key": unique("missing"), "name": "missing"}
    spec = _spec(world, name)
    world.edit(name, {"spec": {"data": [*spec["data"], missing], "controllerId": None}})

    world.await_complaint(name, "NotFound")

    found = world.secret(name) or {}
    assert found["metadata"]["resourceVersion"] == made["metadata"]["resourceVersion"]


def test_a_foreign_secret_that_is_refused_costs_no_more_values(world: Whole) -> None:
    name = unique("foreign")
    world.create(name, "value")
    world.make_secret(name, data={"theirs": _encoded("theirs")})
    spec = {"roleArn": world.own_role(), "data": [{"key": name, "name": "ours"}]}
    world.apply(name, spec)
    world.await_complaint(name, "SecretNotOurs")
    before = world.value_calls(name)

    version = world.change_and_announce(name, "second")

    def heard() -> list[str | None]:
        keys = world.status(name).get("keys") or {}
        return [(leaves.get("heard") or {}).get("version") for leaves in keys.values()]

    await_until(heard, lambda versions: version in versions, "a note")
    assert world.value_calls(name) == before
    world.annotate(name, {ADOPT: "true"})
    world.await_data(name, theirs=b"theirs", ours=b"second")
    assert "Took over" in world.await_event(name, "Adopted")


def test_a_former_operator_that_still_runs_is_noticed_and_survived(world: Whole, name: str) -> None:
    kes = Kes(world, name, user="app", password="right")
    kes.make()
    _hand_over(world, name)
    reads, looks = world.value_calls(name), world.looks(name)

    kes.put_secret()
    kes.put_status()

    assert "controllerId" in world.await_event(name, "StatusOverwritten")
    uid = world.get(name)["metadata"]["uid"]
    await_until(lambda: world.status(name).get("uid"), lambda found: found == uid, "its ledger")
    world.await_synced(name)

    def has_label() -> bool:
        labels = (world.secret(name) or {})["metadata"].get("labels") or {}
        return LABEL in labels

    await_until(has_label, bool, "our label")
    world.await_rest(name)
    assert world.value_calls(name) <= reads + 1
    assert world.looks(name) <= looks + 2
    world.change_and_announce(name, {"user": "app", "password": "second"})
    world.await_data(name, user=b"app", password=b"second")


def test_an_owner_that_somebody_bent_is_put_right(world: Whole) -> None:
    name = unique("bent")
    world.create(name, {"user": "app", "password": "right"})
    world.apply(name, _spec(world, name))
    world.await_synced(name)
    (owner,) = (world.secret(name) or {})["metadata"]["ownerReferences"]

    path = f"/api/v1/namespaces/{world.namespace}/secrets/{name}"
    bent = {"metadata": {"ownerReferences": [{**owner, "controller": False}]}}
    world.cluster.request("PATCH", path, bent, content_type=MERGE_PATCH)

    def owners() -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = (world.secret(name) or {})["metadata"]["ownerReferences"]
        return found

    await_until(owners, lambda found: found == [owner], "the reference is ours again")
