import time
from http import HTTPStatus
from typing import Any

import pytest

from externalsecret import definitions
from externalsecret.kubeapi import ApiRefusal, ApiRetry, connect
from externalsecret.kubeevents import ObjectRef, Recorder
from fakes.kubeapi import FakeKubeApi
from testbed.cluster import Cluster
from worlds.rights import may
from worlds.spine import await_until

SHOP = ObjectRef("shop", "db", "uid-1", "kubernetes-client.io/v1", "ExternalSecret")
EVENTS = "/api/v1/namespaces/shop/events"


class Clock:
    now = 1_700_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def api() -> FakeKubeApi:
    return FakeKubeApi()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def recorder(api: FakeKubeApi, clock: Clock) -> Recorder:
    return Recorder(api, "hark-listener", clock)


def _events(api: FakeKubeApi) -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = api.request("GET", EVENTS)["items"]
    return items


def test_an_event_says_who_when_what_and_of_whom(api: FakeKubeApi, recorder: Recorder) -> None:
    recorder.record(SHOP, "Warning", "Denied", "Allow it.")
    (event,) = _events(api)
    assert event["involvedObject"]["uid"] == "uid-1"
    assert (event["type"], event["reason"], event["message"]) == ("Warning", "Denied", "Allow it.")
    assert event["lastTimestamp"] == "2023-11-14T22:13:20Z"
    assert event["source"]["component"] == event["reportingComponent"] == "hark-listener"


def test_a_repetition_is_left_out_for_ten_minutes(
    api: FakeKubeApi, recorder: Recorder, clock: Clock
) -> None:
    recorder.record(SHOP, "Normal", "Heard", "A change.")
    clock.now += 599
    recorder.record(SHOP, "Normal", "Heard", "A change.")
    assert len(_events(api)) == 1
    clock.now += 1
    recorder.record(SHOP, "Normal", "Heard", "A change.")
    assert len(_events(api)) == 2


def test_another_reason_message_or_object_is_news(api: FakeKubeApi, recorder: Recorder) -> None:
    again = ObjectRef("shop", "db", "uid-2", SHOP.api_version, SHOP.kind)
    recorder.record(SHOP, "Normal", "Heard", "A change.")
    recorder.record(SHOP, "Normal", "Read", "A change.")
    recorder.record(SHOP, "Normal", "Heard", "Another change.")
    recorder.record(again, "Normal", "Heard", "A change.")
    assert len(_events(api)) == 4


def test_of_good_news_there_are_no_more_than_a_hundred_at_once_and_five_a_second(
    api: FakeKubeApi, recorder: Recorder, clock: Clock
) -> None:
    def say(count: int) -> int:
        before = len(_events(api))
        for number in range(count):
            recorder.record(SHOP, "Normal", "Synced", f"{clock.now} {number}")
        return len(_events(api)) - before

    assert say(150) == 100
    clock.now += 2
    assert say(50) == 10
    clock.now += 3600
    assert say(150) == 100
    clock.now -= 60
    assert say(1) == 0


def test_what_is_wrong_is_always_said(api: FakeKubeApi, recorder: Recorder) -> None:
    for number in range(200):
        recorder.record(SHOP, "Normal", "Synced", f"{number}")
        recorder.record(SHOP, "Warning", "Denied", f"{number}")
    assert sum(event["type"] == "Warning" for event in _events(api)) == 200


def test_a_failed_event_does_not_fail_its_caller_and_may_be_said_again(
    api: FakeKubeApi, recorder: Recorder
) -> None:
    api.fail_next(ApiRetry("away", 0))
    recorder.record(SHOP, "Normal", "Heard", "A change.")
    recorder.record(SHOP, "Normal", "Heard", "A change.")
    assert len(_events(api)) == 1


def test_a_refused_event_is_not_tried_again(api: FakeKubeApi, recorder: Recorder) -> None:
    api.fail_next(ApiRefusal("the namespace is being deleted", HTTPStatus.FORBIDDEN))
    recorder.record(SHOP, "Normal", "Heard", "A change.")
    recorder.record(SHOP, "Normal", "Heard", "A change.")
    assert len(api.made("POST")) == 1


def test_memory_for_repetitions_is_bounded(api: FakeKubeApi, recorder: Recorder) -> None:
    recorder.record(SHOP, "Warning", "Heard", "first")
    for number in range(4096):
        recorder.record(SHOP, "Warning", "Heard", str(number))
    recorder.record(SHOP, "Warning", "Heard", "first")
    assert len(api.made("POST")) == 4098


def test_a_long_message_is_cut_to_what_an_event_holds(api: FakeKubeApi, recorder: Recorder) -> None:
    recorder.record(SHOP, "Warning", "Heard", "ü" * 2000)
    (event,) = _events(api)
    assert len(event["message"].encode()) <= 1024
    assert event["message"].endswith("ü...")


def test_a_real_api_server_takes_it_with_the_listeners_rights_alone(
    cluster: Cluster, namespace: str
) -> None:
    kubeconfig = cluster.service_account_kubeconfig(namespace, "hark-listener")
    _grant(cluster, namespace)
    name = "a" * 199 + "." + "b" * 53
    about = ObjectRef(namespace, name, "uid-1", SHOP.api_version, SHOP.kind)
    await_until(
        lambda: may(cluster, "listener", namespace, "create", "events"), bool, "it may record"
    )
    recorder = Recorder(connect(str(kubeconfig)), "hark-listener", time.time)
    recorder.record(about, "Warning", "Heard", "ü" * 2000)
    found = cluster.request("GET", f"/api/v1/namespaces/{namespace}/events")
    assert [event["involvedObject"]["name"] for event in found["items"]] == [name]


def _grant(cluster: Cluster, namespace: str) -> None:
    role, _ = definitions.rights("listener")
    rules = [rule for rule in role["rules"] if rule["resources"] == ["events"]]
    rbac = f"/apis/rbac.authorization.k8s.io/v1/namespaces/{namespace}"
    cluster.request("POST", f"{rbac}/roles", {"metadata": {"name": "events"}, "rules": rules})
    subject = {"kind": "ServiceAccount", "name": "hark-listener", "namespace": namespace}
    reference = {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "events"}
    binding = {"metadata": {"name": "events"}, "roleRef": reference, "subjects": [subject]}
    cluster.request("POST", f"{rbac}/rolebindings", binding)
