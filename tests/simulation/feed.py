"""A list and watch that is stepped event by event, in place of the reflector's thread."""

from externalsecret.reflect import Sink, key_of
from fakes.kubeapi import FakeKubeApi


class Feed:
    """What a sink sees of a path: late, but in order."""

    def __init__(self, api: FakeKubeApi, path: str, sink: Sink, selector: str = "") -> None:
        self._api = api
        self._path = path
        self._sink = sink
        self._query = {"labelSelector": selector} if selector else {}
        self.seen = 0

    def relist(self) -> None:
        page = self._api.request("GET", self._path, query=self._query)
        for obj in page["items"]:
            self._sink.upsert(obj)
        self._sink.listed({key_of(obj) for obj in page["items"]})
        self.seen = int(page["metadata"]["resourceVersion"])

    def step(self) -> bool:
        """Deliver one event; whether there was one."""
        query = {**self._query, "resourceVersion": str(self.seen)}
        events = self._api.stream(self._path, query=query, accept="", read_timeout=0)
        event = next(events, None)
        if event is None:
            return False
        obj = event["object"]
        self.seen = int(obj["metadata"]["resourceVersion"])
        if event["type"] == "DELETED":
            self._sink.remove(obj)
        else:
            self._sink.upsert(obj)
        return True

    def drain(self) -> bool:
        moved = False
        while self.step():
            moved = True
        return moved
