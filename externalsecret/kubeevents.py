"""Says what happened to an object where `kubectl describe` shows it: in Kubernetes Events.

Fed by both halves with sentences for the user; writes core/v1 Events beside the object, with the
right to create them and no other. Therefore a repetition cannot be counted in the Event that is
there already: it is left out for ten minutes instead. Good news of many objects at once, as when
thousands are synced for the first time, would be a third of all writes: beyond an allowance they
are left out, for the conditions tell the same.

Guarantees: never raises, never fails its caller; no flood of equal Events. Does not guarantee that
an Event arrives: it is said once, and lost if the API server is away. The call waits for the API
server's answer. The caller guarantees that the message holds no secret value.
"""

import secrets
import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal

import structlog

from externalsecret.errors import HarkError, Retry
from externalsecret.kubeapi import KubeApi

EventType = Literal["Normal", "Warning"]

_SILENT_SECONDS = 600.0
_REMEMBERED = 4096
_GOOD_NEWS_AT_ONCE = 100.0
_GOOD_NEWS_A_SECOND = 5.0
_MAX_MESSAGE_BYTES = 1024
_MAX_NAME = 200
_CUT = "..."

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class ObjectRef:
    """What an Event is about."""

    namespace: str
    name: str
    uid: str
    api_version: str
    kind: str

    @classmethod
    def of(cls, obj: Mapping[str, Any]) -> "ObjectRef":
        """The reference to a raw object; objects from a list, which lack a kind, are ours."""
        metadata = obj["metadata"]
        return cls(
            metadata.get("namespace", ""),
            metadata["name"],
            metadata.get("uid", ""),
            obj.get("apiVersion", "kubernetes-client.io/v1"),
            obj.get("kind", "ExternalSecret"),
        )


class Recorder:
    """Writes Events in the name of one component, such as hark-listener. Threads share it."""

    def __init__(self, api: KubeApi, component: str, clock: Callable[[], float]) -> None:
        """`clock` gives the time of day in seconds since 1970."""
        self._api = api
        self._component = component
        self._clock = clock
        self._lock = threading.Lock()
        self._said: OrderedDict[tuple[str, ...], float] = OrderedDict()
        self._allowance = _GOOD_NEWS_AT_ONCE
        self._allowed_at = clock()

    def record(self, about: ObjectRef, kind: EventType, reason: str, message: str) -> None:
        """Write an Event, unless the same was said of the same object within ten minutes, or it is
        one of too many good news.
        """
        now = self._clock()
        said = (about.namespace, about.name, about.uid, reason, message)
        if not self._is_news(said, now) or (kind == "Normal" and not self._is_allowed(now)):
            return
        path = f"/api/v1/namespaces/{about.namespace or 'default'}/events"
        try:
            self._api.request("POST", path, body=self._event(about, kind, reason, message, now))
        except HarkError as error:
            log.debug("event.failed", object=f"{about.namespace}/{about.name}", error=str(error))
            if isinstance(error, Retry):
                self._forget(said)

    def _is_news(self, said: tuple[str, ...], now: float) -> bool:
        with self._lock:
            last = self._said.get(said)
            if last is not None and 0 <= now - last < _SILENT_SECONDS:
                return False
            self._said[said] = now
            self._said.move_to_end(said)
            if len(self._said) > _REMEMBERED:
                self._said.popitem(last=False)
            return True

    def _is_allowed(self, now: float) -> bool:
        """Whether there is room for good news, which are then said."""
        with self._lock:
            passed = max(0.0, now - self._allowed_at)
            self._allowed_at = now
            grown = self._allowance + passed * _GOOD_NEWS_A_SECOND
            self._allowance = min(_GOOD_NEWS_AT_ONCE, grown)
            if self._allowance < 1.0:
                return False
            self._allowance -= 1.0
            return True

    def _forget(self, said: tuple[str, ...]) -> None:
        with self._lock:
            self._said.pop(said, None)

    def _event(
        self, about: ObjectRef, kind: EventType, reason: str, message: str, now: float
    ) -> dict[str, Any]:
        at = datetime.fromtimestamp(now, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        name = about.name[:_MAX_NAME].rstrip(".-")
        return {
            "apiVersion": "v1",
            "kind": "Event",
            "metadata": {
                "name": f"{name}.{secrets.token_hex(8)}",
                "namespace": about.namespace or "default",
            },
            "involvedObject": {
                "apiVersion": about.api_version,
                "kind": about.kind,
                "namespace": about.namespace,
                "name": about.name,
                "uid": about.uid,
            },
            "type": kind,
            "reason": reason,
            "message": _cut(message),
            "firstTimestamp": at,
            "lastTimestamp": at,
            "count": 1,
            "source": {"component": self._component},
            "reportingComponent": self._component,
        }


def _cut(message: str) -> str:
    encoded = message.encode("utf-8", "replace")
    if len(encoded) <= _MAX_MESSAGE_BYTES:
        return encoded.decode()
    kept = encoded[: _MAX_MESSAGE_BYTES - len(_CUT)]
    return kept.decode("utf-8", "ignore") + _CUT
