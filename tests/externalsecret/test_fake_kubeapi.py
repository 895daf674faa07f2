"""The API server in memory is held to the real one: each test runs against both."""

import threading
from http import HTTPStatus
from typing import Any

import pytest

from externalsecret.kubeapi import MERGE_PATCH, ApiRefusal, ApiRetry, KubeApi, connect
from fakes.kubeapi import FakeKubeApi
from fakes.mergepatch import merge_patch
from testbed.cluster import Cluster

OURS = {"apiVersion": "kubernetes-client.io/v1", "kind": "ExternalSecret"}
SPEC = {"backendType": "vault", "data": [{"key": "shop", "name": "password"}]}


@pytest.fixture(params=["real", "fake"])
def api(request: pytest.FixtureRequest) -> KubeApi:
    if request.param == "fake":
        return FakeKubeApi()
    cluster: Cluster = request.getfixturevalue("served_cluster")
    return connect(str(cluster.admin_kubeconfig))


@pytest.fixture
def maps(api: KubeApi, request: pytest.FixtureRequest) -> str:
    """The path of the ConfigMaps of a namespace."""
    if isinstance(api, FakeKubeApi):
        return "/api/v1/namespaces/shop/configmaps"
    return f"/api/v1/namespaces/{request.getfixturevalue('namespace')}/configmaps"


def _external_secrets(maps: str) -> str:
    path = maps.replace("/api/v1", "/apis/kubernetes-client.io/v1")
    return path.replace("configmaps", "externalsecrets")


def _named(name: str, **fields: Any) -> dict[str, Any]:
    return {"metadata": {"name": name}, **fields}


def _patch(api: KubeApi, path: str, patch: dict[str, Any]) -> dict[str, Any]:
    return api.request("PATCH", path, body=patch, content_type=MERGE_PATCH)


def test_what_is_created_is_found_with_uid_and_version(api: KubeApi, maps: str) -> None:
    created = api.request("POST", maps, body=_named("one", data={"a": "1"}))
    assert created["metadata"]["uid"]
    found = api.request("GET", f"{maps}/one")
    assert found["metadata"]["resourceVersion"] == created["metadata"]["resourceVersion"]
    assert found["data"] == {"a": "1"}


def test_creating_twice_is_a_conflict(api: KubeApi, maps: str) -> None:
    api.request("POST", maps, body=_named("one"))
    with pytest.raises(ApiRetry) as conflict:
        api.request("POST", maps, body=_named("one"))
    assert conflict.value.status == HTTPStatus.CONFLICT


@pytest.mark.parametrize("method", ["GET", "PATCH", "PUT", "DELETE"])
def test_what_is_not_there_is_refused_with_404(api: KubeApi, maps: str, method: str) -> None:
    if method == "PUT" and not isinstance(api, FakeKubeApi):
        # The real server creates some kinds on PUT; nobody here relies on either.
        method = "GET"
    with pytest.raises(ApiRefusal) as missing:
        api.request(
            method,
            f"{maps}/none",
            body=None if method in {"GET", "DELETE"} else {"metadata": {"name": "none"}},
            content_type=MERGE_PATCH if method == "PATCH" else "application/json",
        )
    assert missing.value.status == HTTPStatus.NOT_FOUND


def test_a_put_of_an_old_version_is_a_conflict(api: KubeApi, maps: str) -> None:
    first = api.request("POST", maps, body=_named("one", data={"a": "1"}))
    second = api.request("PUT", f"{maps}/one", body={**first, "data": {"a": "2"}})
    assert second["metadata"]["resourceVersion"] != first["metadata"]["resourceVersion"]
    with pytest.raises(ApiRetry) as conflict:
        api.request("PUT", f"{maps}/one", body={**first, "data": {"a": "3"}})
    assert conflict.value.status == HTTPStatus.CONFLICT
    assert api.request("GET", f"{maps}/one")["data"] == {"a": "2"}


def test_a_patch_that_names_an_old_version_is_a_conflict(api: KubeApi, maps: str) -> None:
    first = api.request("POST", maps, body=_named("one", data={"a": "1"}))
    _patch(api, f"{maps}/one", {"data": {"a": "2"}})
    old = {"resourceVersion": first["metadata"]["resourceVersion"]}
    with pytest.raises(ApiRetry) as conflict:
        _patch(api, f"{maps}/one", {"metadata": old, "data": {"a": "3"}})
    assert conflict.value.status == HTTPStatus.CONFLICT


def test_a_patch_that_names_another_uid_is_refused(api: KubeApi, maps: str) -> None:
    api.request("POST", maps, body=_named("one", data={"a": "1"}))
    with pytest.raises(ApiRefusal) as refusal:
        _patch(api, f"{maps}/one", {"metadata": {"uid": "another"}, "data": {"a": "2"}})
    assert refusal.value.status == HTTPStatus.UNPROCESSABLE_ENTITY


def test_a_status_patch_has_no_precondition_but_the_version(api: KubeApi, maps: str) -> None:
    path = _external_secrets(maps)
    first = api.request("POST", path, body=_named("shop", spec=SPEC, **OURS))
    status = f"{path}/shop/status"
    _patch(api, status, {"metadata": {"uid": "another"}, "status": {"status": "SUCCESS"}})
    old = {"resourceVersion": first["metadata"]["resourceVersion"]}
    with pytest.raises(ApiRetry) as conflict:
        _patch(api, status, {"metadata": old, "status": {"status": "late"}})
    assert conflict.value.status == HTTPStatus.CONFLICT


def test_a_merge_patch_adds_changes_and_deletes(api: KubeApi, maps: str) -> None:
    api.request("POST", maps, body=_named("one", data={"a": "1", "b": "2"}))
    patched = _patch(api, f"{maps}/one", {"data": {"a": None, "b": "3", "c": "4"}})
    assert patched["data"] == {"b": "3", "c": "4"}


def test_a_patch_that_changes_nothing_keeps_the_version(api: KubeApi, maps: str) -> None:
    created = api.request("POST", maps, body=_named("one", data={"a": "1"}))
    patched = _patch(api, f"{maps}/one", {"data": {"a": "1"}})
    assert patched["metadata"]["resourceVersion"] == created["metadata"]["resourceVersion"]


def test_what_is_deleted_is_gone(api: KubeApi, maps: str) -> None:
    api.request("POST", maps, body=_named("one"))
    api.request("DELETE", f"{maps}/one")
    with pytest.raises(ApiRefusal):
        api.request("GET", f"{maps}/one")


def test_a_list_is_chosen_by_label(api: KubeApi, maps: str) -> None:
    labelled = {"metadata": {"name": "one", "labels": {"team": "red"}}}
    api.request("POST", maps, body=labelled)
    api.request("POST", maps, body=_named("two"))
    found = api.request("GET", maps, query={"labelSelector": "team=red"})
    assert [item["metadata"]["name"] for item in found["items"]] == ["one"]
    assert not api.request("GET", maps, query={"labelSelector": "team=blue"})["items"]


def test_a_status_patch_changes_status_alone_and_no_generation(api: KubeApi, maps: str) -> None:
    path = _external_secrets(maps)
    body = _named("shop", spec=SPEC, status={"status": "forged"}, **OURS)
    created = api.request("POST", path, body=body)
    assert "status" not in created
    forged = {"spec": {"backendType": "akeyless"}, "status": {"status": "SUCCESS"}}
    patched = _patch(api, f"{path}/shop/status", forged)
    assert (patched["spec"], patched["status"]) == (SPEC, {"status": "SUCCESS"})
    assert patched["metadata"]["generation"] == created["metadata"]["generation"] == 1
    changed = _patch(api, f"{path}/shop", {"spec": {"region": "x"}, "status": {"status": "no"}})
    assert changed["metadata"]["generation"] == 2
    assert changed["status"] == {"status": "SUCCESS"}


def test_plain_texts_of_a_secret_become_data(api: KubeApi, maps: str) -> None:
    path = maps.replace("configmaps", "secrets")
    made = api.request("POST", path, body=_named("one", data={"a": "MQ=="}, stringData={"b": "2"}))
    assert made["data"] == {"a": "MQ==", "b": "Mg=="}
    assert "stringData" not in made


def test_a_watch_tells_each_change_after_its_version(api: KubeApi, maps: str) -> None:
    api.request("POST", maps, body=_named("before"))
    listed = api.request("GET", maps)
    query = {"watch": "1", "resourceVersion": listed["metadata"]["resourceVersion"]}
    events = api.stream(maps, query=query, accept="application/json", read_timeout=10)
    api.request("POST", maps, body=_named("one"))
    _patch(api, f"{maps}/one", {"data": {"a": "1"}})
    api.request("DELETE", f"{maps}/one")
    told = [next(events) for _ in range(3)]
    assert [event["type"] for event in told] == ["ADDED", "MODIFIED", "DELETED"]
    assert {event["object"]["metadata"]["name"] for event in told} == {"one"}


def test_the_fake_fails_as_often_as_told_and_only_where_told() -> None:
    api = FakeKubeApi()
    path = "/api/v1/namespaces/shop/configmaps"
    api.fail_next(ApiRetry("away", 0), times=2, method="POST", path="configmaps")
    assert api.request("GET", path)["items"] == []
    for _ in range(2):
        with pytest.raises(ApiRetry):
            api.request("POST", path, body=_named("one"))
    api.request("POST", path, body=_named("one"))
    assert len(api.made("POST", "configmaps")) == 3


def test_a_watch_of_the_fake_waits_for_news_and_ends_when_told() -> None:
    api = FakeKubeApi()
    path = "/api/v1/namespaces/shop/configmaps"
    events = api.stream("/api/v1/configmaps", query={}, accept="", read_timeout=10)
    later = threading.Timer(0.01, api.seed, (f"{path}/one", {"data": {}}))
    later.start()
    assert next(events)["object"]["metadata"]["name"] == "one"
    later.join()
    api.end_watches(forget=True)
    assert list(events) == []
    old = api.stream(path, query={"resourceVersion": "1"}, accept="", read_timeout=10)
    assert [event["object"]["code"] for event in old] == [HTTPStatus.GONE]


def test_the_fake_drops_what_an_old_definition_does_not_know() -> None:
    api = FakeKubeApi()
    api.kept_status = {"status"}
    path = "/apis/kubernetes-client.io/v1/namespaces/shop/externalsecrets/db"
    api.seed(path, {"spec": SPEC})
    patched = _patch(api, f"{path}/status", {"status": {"status": "SUCCESS", "keys": {}}})
    assert patched["status"] == {"status": "SUCCESS"}


@pytest.mark.parametrize(
    ("target", "patch", "merged"),
    [
        ({"a": "b"}, {"a": "c"}, {"a": "c"}),
        ({"a": "b"}, {"a": None}, {}),
        ({"a": ["b"]}, {"a": "c"}, {"a": "c"}),
        ({"a": {"b": "c"}}, {"a": {"b": "d", "c": None}}, {"a": {"b": "d"}}),
        ({}, {"a": {"bb": {"ccc": None}}}, {"a": {"bb": {}}}),
        ({"e": None}, {"a": 1}, {"e": None, "a": 1}),
        (["a"], {"b": "c"}, {"b": "c"}),
    ],
)
def test_merge_patch_follows_the_examples_of_its_standard(
    target: Any, patch: Any, merged: Any
) -> None:
    assert merge_patch(target, patch) == merged
