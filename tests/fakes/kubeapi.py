"""A KubeApi in memory: any path, with resourceVersion, conflicts, merge patches and watches.

It keeps what a test of the halves must not be lied to about: uid, resourceVersion (moved only by a
real change), generation and the status subresource of ExternalSecrets, stringData, who last changed
an entry, label or annotation of a Secret (managedFields), 404, 409, 410. It knows no schema, no
rights, no other managedFields and no garbage collection. It records every request and can be told
to fail.
"""

import base64
import json
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from externalsecret.errors import HarkError
from externalsecret.kubeapi import MERGE_PATCH, ApiRefusal, ApiRetry
from fakes.dataowners import with_data_owners
from fakes.kubepath import Place, read_path
from fakes.mergepatch import merge_patch

_CREATED_AT = "2026-01-01T00:00:00Z"
_WITH_STATUS = {"externalsecrets"}
_WITH_DATA_OWNERS = {"secrets"}
_NOBODY = "unknown"


@dataclass(frozen=True, slots=True)
class Request:
    """What was asked for."""

    method: str
    path: str
    query: Mapping[str, str]
    body: Any
    content_type: str


@dataclass(slots=True)
class _Failure:
    error: HarkError
    times: int
    method: str
    path: str

    def concerns(self, request: Request) -> bool:
        return self.method in {"", request.method} and self.path in request.path


class FakeKubeApi:
    """In-memory API server for unit tests; threads may share it."""

    def __init__(self) -> None:
        self.requests: list[Request] = []
        self.before: Callable[[Request], None] = _nothing
        """Called with each request before it is served; may change objects, wait or raise."""
        self.kept_status: set[str] | None = None
        """Fields of status that the CRD keeps; None keeps all."""
        self._objects: dict[Place, dict[str, Any]] = {}
        self._history: list[tuple[int, Place, str, dict[str, Any]]] = []
        self._answers: dict[tuple[str, str], dict[str, Any]] = {}
        self._failures: list[_Failure] = []
        self._version = 1
        """Of the store before there was any object in it."""
        self._oldest = 0
        self._watch_round = 0
        self._changed = threading.Condition(threading.RLock())

    # What a test says and asks.

    def seed(self, path: str, obj: Mapping[str, Any]) -> dict[str, Any]:
        """Let an object stand at its path, status included; returns it as stored."""
        place = _place(path)
        with self._changed:
            return self._store(place, _copy(obj), self._objects.get(place))

    def find(self, path: str) -> dict[str, Any] | None:
        """The object at a path, without a request."""
        with self._changed:
            held = self._objects.get(_place(path))
            return None if held is None else _copied(held)

    def answer(self, method: str, path: str, reply: Mapping[str, Any]) -> None:
        """Answer this from now on to a path that holds no objects."""
        self._answers[method, path] = _copy(reply)

    def fail_next(
        self, error: HarkError, *, times: int = 1, method: str = "", path: str = ""
    ) -> None:
        """Let the next requests fail; `path` is a part of it, empty for any."""
        self._failures.append(_Failure(error, times, method, path))

    def heal(self) -> None:
        """Forget all failures that are still to come."""
        self._failures.clear()

    def made(self, method: str, path: str = "") -> list[Request]:
        """Requests with this method whose path contains `path`."""
        return [seen for seen in self.requests if seen.method == method and path in seen.path]

    def end_watches(self, *, forget: bool = False) -> None:
        """End every open watch; `forget` makes older resourceVersions answer 410 from now on."""
        with self._changed:
            self._watch_round += 1
            if forget:
                self._version += 1
                self._oldest = self._version
                self._history.clear()
            self._changed.notify_all()

    # KubeApi.

    def request(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        body: Mapping[str, Any] | None = None,
        content_type: str = "application/json",
        accept: str = "application/json",
    ) -> dict[str, Any]:
        asked = Request(method, path, dict(query or {}), _copy(body), content_type)
        self._admit(asked)
        with self._changed:
            canned = self._answers.get((method, path))
            if canned is not None:
                return _copied(canned)
            reply = _copied(self._serve(asked))
            return _only_metadata(reply) if "PartialObjectMetadata" in accept else reply

    def stream(
        self, path: str, *, query: Mapping[str, str], accept: str, read_timeout: float
    ) -> Iterator[dict[str, Any]]:
        self._admit(Request("WATCH", path, dict(query), None, ""))
        return self._watch(path, query, accept, read_timeout)

    def _admit(self, asked: Request) -> None:
        with self._changed:
            self.requests.append(asked)
        self.before(asked)
        for failure in list(self._failures):
            if failure.concerns(asked):
                failure.times -= 1
                if failure.times <= 0:
                    self._failures.remove(failure)
                raise failure.error

    def _serve(self, asked: Request) -> dict[str, Any]:
        place = read_path(asked.path)
        if place is None:
            raise _refused(asked, HTTPStatus.NOT_FOUND)
        if asked.method == "POST":
            return self._create(asked, place)
        if asked.method == "GET" and not place.name:
            return self._list(place, asked.query)
        target = place.named(place.name)
        held = self._objects.get(target)
        if held is None:
            raise _refused(asked, HTTPStatus.NOT_FOUND)
        if asked.method == "GET":
            return held
        if asked.method == "DELETE":
            return self._delete(target, held)
        return self._update(asked, place, held)

    def _create(self, asked: Request, place: Place) -> dict[str, Any]:
        obj = asked.body
        metadata = obj.setdefault("metadata", {})
        if not metadata.get("name"):
            prefix = metadata.get("generateName")
            if not prefix:
                raise _refused(asked, HTTPStatus.UNPROCESSABLE_ENTITY)
            metadata["name"] = f"{prefix}{self._version + 1:05d}"
        if place.resource in _WITH_STATUS:
            obj.pop("status", None)
        target = place.named(metadata["name"])
        if target in self._objects:
            raise _conflict(asked, "AlreadyExists")
        return self._store(target, obj, None, asked.query.get("fieldManager", ""))

    def _update(self, asked: Request, place: Place, held: dict[str, Any]) -> dict[str, Any]:
        expected = asked.body.get("metadata") or {}
        if expected.get("resourceVersion") not in {None, "", held["metadata"]["resourceVersion"]}:
            raise _conflict(asked, "Conflict")
        # Of a custom resource's status patch the real server reads no other metadata.
        another = expected.get("uid") not in {None, "", held["metadata"]["uid"]}
        if another and place.subresource != "status":
            if asked.method == "PATCH":
                raise _refused(asked, HTTPStatus.UNPROCESSABLE_ENTITY, ("metadata.uid",))
            raise _conflict(asked, "Conflict")
        if asked.method == "PATCH":
            if asked.content_type != MERGE_PATCH:
                raise _refused(asked, HTTPStatus.UNSUPPORTED_MEDIA_TYPE)
            wanted = merge_patch(held, asked.body)
        else:
            wanted = asked.body
        if place.subresource == "status":
            wanted = {**held, "status": self._pruned(wanted.get("status"))}
        elif place.resource in _WITH_STATUS:
            wanted = {**wanted, "status": held.get("status")}
        manager = asked.query.get("fieldManager", "")
        return self._store(place.named(place.name), wanted, held, manager)

    def _pruned(self, status: Any) -> Any:
        if self.kept_status is None or not isinstance(status, dict):
            return status
        return {name: value for name, value in status.items() if name in self.kept_status}

    def _delete(self, target: Place, held: dict[str, Any]) -> dict[str, Any]:
        self._version += 1
        del self._objects[target]
        metadata = {**held["metadata"], "resourceVersion": str(self._version)}
        self._tell(target, "DELETED", {**held, "metadata": metadata})
        return {"kind": "Status", "status": "Success", "metadata": {}}

    def _store(
        self, target: Place, obj: dict[str, Any], held: dict[str, Any] | None, manager: str = ""
    ) -> dict[str, Any]:
        old = held or {"metadata": {}}
        fixed = {
            "name": target.name,
            "uid": old["metadata"].get("uid") or f"uid-{self._version + 1}",
            "creationTimestamp": old["metadata"].get("creationTimestamp", _CREATED_AT),
            "resourceVersion": old["metadata"].get("resourceVersion", "0"),
        }
        if target.namespace:
            fixed["namespace"] = target.namespace
        given = obj.get("metadata") or {}
        if held is None and given.get("uid"):
            fixed["uid"] = given["uid"]
        wanted = _settled({**obj, "metadata": {**given, **fixed}})
        if target.resource in _WITH_STATUS:
            generation = old["metadata"].get("generation", 0)
            moved = held is None or held.get("spec") != wanted.get("spec")
            wanted["metadata"]["generation"] = generation + 1 if moved else generation
        if target.resource in _WITH_DATA_OWNERS:
            wanted = with_data_owners(held, wanted, manager or _NOBODY)
        if wanted == held:
            return wanted
        self._version += 1
        wanted["metadata"]["resourceVersion"] = str(self._version)
        self._objects[target] = wanted
        self._tell(target, "ADDED" if held is None else "MODIFIED", wanted)
        return _copied(wanted)

    def _tell(self, target: Place, kind: str, obj: dict[str, Any]) -> None:
        self._history.append((self._version, target, kind, _copied(obj)))
        self._changed.notify_all()

    def _list(self, place: Place, query: Mapping[str, str]) -> dict[str, Any]:
        chosen = [
            obj
            for target, obj in sorted(self._objects.items(), key=lambda pair: str(pair[0]))
            if place.holds(target) and _is_selected(obj, query)
        ]
        return {"metadata": {"resourceVersion": str(self._version)}, "items": chosen}

    def _watch(
        self, path: str, query: Mapping[str, str], accept: str, read_timeout: float
    ) -> Iterator[dict[str, Any]]:
        place = _place(path)
        seen = int(query.get("resourceVersion") or 0)
        started = self._watch_round
        if seen < self._oldest:
            yield {"type": "ERROR", "object": {"code": HTTPStatus.GONE, "reason": "Expired"}}
            return
        while True:
            with self._changed:
                news = [told for told in self._history if told[0] > seen]
                if not news and self._watch_round == started:
                    self._changed.wait(read_timeout)
                    news = [told for told in self._history if told[0] > seen]
            for version, target, kind, obj in news:
                seen = version
                if place.holds(target) and _is_selected(obj, query):
                    shown = _only_metadata(obj) if "PartialObjectMetadata" in accept else obj
                    yield {"type": kind, "object": _copied(shown)}
            if not news:
                return


def _nothing(_request: Request) -> None:
    """The hook of a test that needs none."""


def _place(path: str) -> Place:
    place = read_path(path)
    if place is None:
        raise AssertionError(f"{path} is no path of a Kubernetes object or collection")
    return place


def _settled(obj: dict[str, Any]) -> dict[str, Any]:
    """As it is stored: no nulls at the top, stringData in data."""
    settled = {name: value for name, value in obj.items() if value is not None}
    plain = settled.pop("stringData", None) or {}
    coded = {name: base64.b64encode(text.encode()).decode() for name, text in plain.items()}
    if coded:
        settled["data"] = {**(settled.get("data") or {}), **coded}
    return settled


def _is_selected(obj: Mapping[str, Any], query: Mapping[str, str]) -> bool:
    """Label selectors of equality and of presence."""
    labels = obj["metadata"].get("labels") or {}
    for term in filter(None, query.get("labelSelector", "").split(",")):
        name, equals, value = term.partition("=")
        if name not in labels or (equals and labels[name] != value.lstrip("=")):
            return False
    return True


def _only_metadata(reply: dict[str, Any]) -> dict[str, Any]:
    if "items" in reply:
        return {**reply, "items": [_only_metadata(item) for item in reply["items"]]}
    return {"kind": "PartialObjectMetadata", "metadata": reply["metadata"]}


def _copy(value: Any) -> Any:
    """By way of JSON, as on the wire, so that what is no JSON fails here too."""
    return json.loads(json.dumps(value))


def _copied(obj: Mapping[str, Any]) -> dict[str, Any]:
    copied: dict[str, Any] = _copy(obj)
    return copied


def _refused(asked: Request, status: HTTPStatus, fields: tuple[str, ...] = ()) -> ApiRefusal:
    said = f"The Kubernetes API server answered {status} to {asked.method} {asked.path}."
    return ApiRefusal(said, status, fields)


def _conflict(asked: Request, reason: str) -> ApiRetry:
    return ApiRetry(
        f"The Kubernetes API server answered 409 to {asked.method} {asked.path}: {reason}.",
        HTTPStatus.CONFLICT,
    )
