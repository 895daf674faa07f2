import concurrent.futures
from http import HTTPStatus
from typing import Any

import pytest

from testbed.cluster import MERGE_PATCH, ApiError, Cluster

KEY = "secretsmanager/us-east-1/prod/db#AWSCURRENT"
HEARD = {"id": "e-1", "version": "v-1", "at": "2026-03-01T12:00:00Z", "via": "sqs"}
SYNCED = {
    "note": "e-1",
    "version": "v-1",
    "at": "2026-03-01T12:00:01Z",
    "via": "sqs",
    "resource": "arn:aws:secretsmanager:us-east-1:123456789012:secret:prod/db-AbCdEf",
    "fingerprint": "sha256:0123",
    "feeds": ["password", "username"],
}
STATUS = {
    "conditions": [
        {
            "type": "Ready",
            "status": "True",
            "reason": "Synced",
            "message": "1 of 1 keys in step.",
            "lastTransitionTime": "2026-03-01T12:00:01Z",
            "observedGeneration": 1,
        }
    ],
    "lastSync": "2026-03-01T12:00:01.000Z",
    "status": "SUCCESS",
    "observedGeneration": 1,
    "uid": "00000000-1111-2222-3333-444444444444",
    "secret": {"uid": "00000000-1111-2222-3333-555555555555", "resourceVersion": "42"},
    "keys": {KEY: {"heard": HEARD, "synced": SYNCED}},
}


@pytest.fixture
def shop(cluster: Cluster, collection: str) -> str:
    """The path of an ExternalSecret without a status."""
    manifest = {
        "apiVersion": "kubernetes-client.io/v1",
        "kind": "ExternalSecret",
        "metadata": {"name": "shop"},
        "spec": {"backendType": "vault", "data": [{"key": "shop", "name": "password"}]},
    }
    cluster.request("POST", collection, manifest)
    return f"{collection}/shop"


def _patch(cluster: Cluster, shop: str, status: dict[str, Any]) -> dict[str, Any]:
    path = f"{shop}/status?fieldValidation=Strict"
    answer = cluster.request("PATCH", path, {"status": status}, content_type=MERGE_PATCH)
    kept: dict[str, Any] = answer.get("status", {})
    return kept


def _patch_key(cluster: Cluster, shop: str, leaf: dict[str, Any] | None) -> dict[str, Any]:
    kept = _patch(cluster, shop, {"keys": {KEY: leaf}})
    keys: dict[str, Any] = kept["keys"]
    return keys


def test_a_whole_status_comes_back_in_the_reply_and_in_the_object(
    cluster: Cluster, shop: str
) -> None:
    assert _patch(cluster, shop, STATUS) == STATUS
    assert cluster.request("GET", shop)["status"] == STATUS


def test_null_for_each_field_of_a_leaf_deletes_it(cluster: Cluster, shop: str) -> None:
    _patch(cluster, shop, STATUS)
    heard = {"id": "e-2", "version": None, "at": None, "via": None}
    synced = dict.fromkeys(SYNCED)
    kept = _patch_key(cluster, shop, {"heard": heard, "synced": synced})
    assert kept == {KEY: {"heard": {"id": "e-2"}, "synced": {}}}


def test_null_in_a_leaf_that_is_not_there_yet_is_the_same_as_absent(
    cluster: Cluster, shop: str
) -> None:
    heard = {"id": "e-1", "version": None, "at": None, "via": "vault"}
    assert _patch_key(cluster, shop, {"heard": heard}) == {
        KEY: {"heard": {"id": "e-1", "via": "vault"}}
    }


def test_null_deletes_an_entry_and_leaves_its_neighbour(cluster: Cluster, shop: str) -> None:
    _patch(cluster, shop, {"keys": {KEY: {"heard": HEARD}, "other": {"heard": HEARD}}})
    assert _patch_key(cluster, shop, None) == {"other": {"heard": HEARD}}


def test_a_note_without_an_id_is_refused(cluster: Cluster, shop: str) -> None:
    with pytest.raises(ApiError, match=r"heard\.id: Required value") as refusal:
        _patch_key(cluster, shop, {"heard": {"version": "v-1"}})
    assert refusal.value.code == HTTPStatus.UNPROCESSABLE_ENTITY


def test_a_patch_of_the_status_changes_neither_spec_nor_labels_nor_generation(
    cluster: Cluster, shop: str
) -> None:
    before = cluster.request("GET", shop)
    forged = {
        "metadata": {"labels": {"forged": "yes"}, "ownerReferences": []},
        "spec": {"backendType": "akeyless"},
        "status": {"keys": {KEY: {"heard": HEARD}}},
    }
    after = cluster.request("PATCH", f"{shop}/status", forged, content_type=MERGE_PATCH)
    assert after["spec"] == before["spec"]
    assert "labels" not in after["metadata"]
    assert after["metadata"]["generation"] == before["metadata"]["generation"]
    assert after["status"]["keys"] == {KEY: {"heard": HEARD}}


def test_writing_the_object_leaves_the_status_alone(cluster: Cluster, shop: str) -> None:
    _patch(cluster, shop, STATUS)
    forged = {"spec": {"region": "us-east-1"}, "status": {"keys": None}}
    after = cluster.request("PATCH", shop, forged, content_type=MERGE_PATCH)
    assert after["status"] == STATUS


def test_two_writers_at_once_never_disturb_each_other(cluster: Cluster, shop: str) -> None:
    rounds = 20
    keys = [f"vault/shop/{number}" for number in range(3)]

    def listen() -> None:
        for number in range(rounds):
            notes = {key: {"heard": {**HEARD, "id": f"e-{number}"}} for key in keys}
            _patch(cluster, shop, {"keys": notes})

    def reconcile() -> None:
        for number in range(rounds):
            results = {key: {"synced": {**SYNCED, "note": f"e-{number}"}} for key in keys}
            _patch(cluster, shop, {"keys": results, "status": "SUCCESS"})

    with concurrent.futures.ThreadPoolExecutor() as pool:
        for writer in [pool.submit(listen), pool.submit(reconcile)]:
            writer.result()

    last = f"e-{rounds - 1}"
    entry = {"heard": {**HEARD, "id": last}, "synced": {**SYNCED, "note": last}}
    assert cluster.request("GET", shop)["status"] == {
        "keys": dict.fromkeys(keys, entry),
        "status": "SUCCESS",
    }
