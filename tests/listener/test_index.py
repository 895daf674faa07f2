"""From a changed secret to those who read it."""

import threading
from typing import Any

from externalsecret.identity import (
    SecretId,
    secrets_manager,
)
from externalsecret.manifest import Defaults
from externalsecret.reflect import Key, Reflector
from fakes.kubeapi import FakeKubeApi
from listener.index import Index
from listener.messages.meaning import Change, ChangeEvent
from listener.recent import Recent

DEFAULTS = Defaults(region="eu-west-1")
GROUP = "/apis/kubernetes-client.io/v1"


def _index(instance_id: str = "") -> Index:
    return Index(DEFAULTS, instance_id, Recent(), lambda _key, _missed: None)


def _object(
    name: str, *keys: str, namespace: str = "shop", version: int = 1, **spec: Any
) -> dict[str, Any]:
    wanted = {
        "backendType": "secretsManager",
        "data": [{"key": key, "name": f"n{place}"} for place, key in enumerate(keys)],
        **spec,
    }
    metadata = {
        "namespace": namespace,
        "name": name,
        "uid": f"uid-{namespace}-{name}",
        "resourceVersion": str(version),
    }
    return {"metadata": metadata, "spec": wanted}


def _path_reader(name: str, path: str, *, recursive: bool = False) -> dict[str, Any]:
    item = {"path": path, "recursive": recursive}
    return _object(name, backendType="systemManager", data=[item])


def _event(secret: SecretId, change: Change = Change.VALUE) -> ChangeEvent:
    return ChangeEvent(secret.within(region="eu-west-1", account="1"), change, "e1", "")


def _found(index: Index, secret: SecretId) -> list[Key]:
    return [target.key for target in index.lookup(_event(secret))]


def test_watches_of_two_namespaces_share_an_index() -> None:
    api = FakeKubeApi()
    for namespace in ("one", "two"):
        path = f"{GROUP}/namespaces/{namespace}/externalsecrets"
        api.seed(f"{path}/db", _object("db", "db", namespace=namespace))
    index = _index()
    stop = threading.Event()
    for namespace in ("one", "two"):
        path = f"{GROUP}/namespaces/{namespace}/externalsecrets"
        reflector = Reflector(api, path, index, stop=stop)
        threading.Thread(target=reflector.run, daemon=True).start()
        assert reflector.synced.wait(5)
    assert _found(index, secrets_manager("db")) == [("one", "db"), ("two", "db")]
    stop.set()
    api.end_watches()
