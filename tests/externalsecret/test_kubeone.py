import threading
from http import HTTPStatus
from typing import Any

import pytest

from externalsecret.kubeapi import ApiRefusal, connect
from externalsecret.kubeone import OneObject
from externalsecret.reflect import Reflector
from fakes.kubeapi import FakeKubeApi
from testbed.cluster import MERGE_PATCH, Cluster

PATIENCE = 30.0
RBAC = "/apis/rbac.authorization.k8s.io/v1"


class Seen:
    """A sink that tells what it saw, and lets a test wait for it."""

    def __init__(self) -> None:
        self.annotations: dict[str, Any] = {}
        self.lists: list[tuple[set[tuple[str, str]], str]] = []
        self.bodies: list[dict[str, Any]] = []
        self._changed = threading.Condition()

    def upsert(self, obj: dict[str, Any]) -> None:
        with self._changed:
            self.bodies.append(obj)
            self.annotations = obj["metadata"].get("annotations") or {}
            self._changed.notify_all()

    def remove(self, obj: dict[str, Any]) -> None:
        raise AssertionError(obj)

    def listed(self, keys: set[tuple[str, str]], namespace: str = "") -> None:
        with self._changed:
            self.lists.append((keys, namespace))
            self._changed.notify_all()

    def await_annotation(self, name: str, text: str) -> None:
        with self._changed:
            assert self._changed.wait_for(lambda: self.annotations.get(name) == text, PATIENCE)


def test_a_role_in_a_namespace_suffices_to_watch_it(cluster: Cluster, namespace: str) -> None:
    place = f"{RBAC}/namespaces/{namespace}"
    rules = [{"apiGroups": [""], "resources": ["namespaces"], "verbs": ["get", "watch"]}]
    cluster.request("POST", f"{place}/roles", {"metadata": {"name": "watcher"}, "rules": rules})
    binding = {
        "metadata": {"name": "watcher"},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "watcher"},
        "subjects": [{"kind": "ServiceAccount", "namespace": namespace, "name": "watcher"}],
    }
    cluster.request("POST", f"{place}/rolebindings", binding)
    api = connect(str(cluster.service_account_kubeconfig(namespace, "watcher")))
    path, stop, seen = f"/api/v1/namespaces/{namespace}", threading.Event(), Seen()
    reflector = Reflector(OneObject(api), path, seen, stop=stop, metadata_only=True)
    thread = threading.Thread(target=reflector.run, daemon=True)
    thread.start()
    try:
        assert reflector.synced.wait(PATIENCE)
        assert seen.lists == [({("", namespace)}, namespace)]
        for text in ("one", "two"):
            patch = {"metadata": {"annotations": {"a": text}}}
            cluster.request("PATCH", path, patch, content_type=MERGE_PATCH)
            seen.await_annotation("a", text)
        assert reflector.is_fresh()
        assert all("spec" not in body for body in seen.bodies)
    finally:
        stop.set()
        patch = {"metadata": {"annotations": {"a": "three"}}}
        cluster.request("PATCH", path, patch, content_type=MERGE_PATCH)
        thread.join(PATIENCE)


def test_an_object_that_is_not_there_is_an_empty_list_and_a_refusal_stays_one() -> None:
    fake = FakeKubeApi()
    one = OneObject(fake)
    path = "/api/v1/namespaces/team"
    assert one.request("GET", path) == {"items": [], "metadata": {"resourceVersion": ""}}
    fake.seed(path, {"metadata": {"name": "team"}})
    (found,) = one.request("GET", path)["items"]
    assert found["metadata"]["name"] == "team"
    fake.fail_next(ApiRefusal("no", HTTPStatus.FORBIDDEN))
    with pytest.raises(ApiRefusal, match="no"):
        one.request("GET", path)
