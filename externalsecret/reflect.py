"""Reflector: one list and watch that never ends, and knows how fresh it is.

Fed by the API server; feeds a Sink (a cache, an index, a work queue). It lists in pages, watches
from the list's resourceVersion with bookmarks, resumes after every end, lists anew after 410 Gone,
and backs off with jitter after failures. It never exits and never stops silently.

Guarantees: after `listed` the sink has seen every object that existed at the list's
resourceVersion; then every change in order. `is_fresh` is true only while a watch is open that has
spoken within its read timeout (the API server sends bookmarks about once a minute). Does not
guarantee that the sink lags by nothing: a change may be on the wire.
"""

import random
import threading
import time
from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import Any, Protocol

import structlog

from externalsecret.errors import HarkError
from externalsecret.kubeapi import ApiRefusal, ApiRetry, KubeApi

_FULL = "application/json"
_METADATA = "application/json;as=PartialObjectMetadata{kind};g=meta.k8s.io;v=v1"
_PAGE = "500"
_WATCH_SECONDS = 290
_READ_TIMEOUT = 100.0
_LONGEST_WAIT = 30.0

log = structlog.get_logger()

Key = tuple[str, str]
"""(namespace, name)"""


def key_of(obj: Mapping[str, Any]) -> Key:
    """(namespace, name) of a raw object."""
    metadata = obj["metadata"]
    return (metadata.get("namespace", ""), metadata["name"])


class Sink(Protocol):
    """Where a reflector's objects go. Called from the reflector's thread, one call at a time."""

    def upsert(self, obj: dict[str, Any]) -> None:
        """An object is there, as it is now."""

    def remove(self, obj: dict[str, Any]) -> None:
        """An object is gone; given as it was last."""

    def listed(self, keys: set[Key], namespace: str = "") -> None:
        """A list is complete: what is not in `keys` is gone, and all may be evaluated.

        It speaks for one namespace, or for all of them (""): several reflectors may share a sink.
        """


class _Expired(Exception):
    """The resourceVersion is too old to watch from."""


class Reflector:
    """One path (all namespaces or one), one sink."""

    def __init__(
        self,
        api: KubeApi,
        path: str,
        sink: Sink,
        *,
        stop: threading.Event,
        label_selector: str = "",
        metadata_only: bool = False,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._api = api
        self._path = path
        self._namespace = _namespace_of(path)
        self._sink = sink
        self._stop = stop
        self._selector = {"labelSelector": label_selector} if label_selector else {}
        self._metadata_only = metadata_only
        self._clock = clock
        self._version = ""
        self._open = False
        self._spoke_at = 0.0
        self._failure: HarkError | None = None
        self.synced = threading.Event()
        """Set after the first complete list."""

    def is_fresh(self) -> bool:
        """Whether the sink can be trusted to hold what the cluster holds."""
        return self._open and self._clock() - self._spoke_at < _READ_TIMEOUT

    def trouble(self) -> str:
        """Why it is not fresh, in a sentence; "" while it is, and where no failure is the cause."""
        failure = self._failure
        if failure is None or self.is_fresh():
            return ""
        if isinstance(failure, ApiRefusal) and failure.status == HTTPStatus.FORBIDDEN:
            return (
                f"{failure} The right to get, list and watch {_resource_of(self._path)} is missing."
            )
        return str(failure)

    def run(self) -> None:
        """List and watch until `stop`; for a thread of its own."""
        failures = 0
        while not self._stop.is_set():
            began = self._clock()
            try:
                if not self._version:
                    self._list()
                self._watch()
                failures = 0
                self._rest(began)
            except _Expired:
                self._version = ""
                self._rest(began)
            except HarkError as error:
                failures = 1 if self._spoke_lately() else failures + 1
                self._wait(error, failures)
            finally:
                self._open = False

    def _spoke_lately(self) -> bool:
        """A watch that worked and then broke starts its backoff anew."""
        return self._clock() - self._spoke_at < 1.0

    def _rest(self, began: float) -> None:
        """A server that ends every watch at once is not asked without a pause."""
        self._open = False
        if self._clock() - began < 1.0:
            self._stop.wait(random.uniform(0.1, 0.3))  # noqa: S311 - jitter needs no secrecy

    def _wait(self, error: HarkError, failures: int) -> None:
        if isinstance(error, ApiRefusal) and error.status == HTTPStatus.GONE:
            self._version = ""
        asked = error.after if isinstance(error, ApiRetry) else None
        delay = min(_LONGEST_WAIT, 0.1 * 2.0 ** min(failures, 10))
        delay *= random.uniform(0.5, 1.0)  # noqa: S311 - jitter needs no secrecy
        delay = max(delay, asked or 0.0)
        self._failure = error
        error_said = self.trouble() or str(error)
        log.warning("watch.failed", path=self._path, error=error_said, retry_in=round(delay, 2))
        self._stop.wait(delay)

    def _list(self) -> None:
        keys: set[Key] = set()
        query = {"limit": _PAGE, **self._selector}
        while True:
            page = self._api.request("GET", self._path, query=query, accept=self._accept("List"))
            # An empty list of metadata comes as null.
            for obj in page.get("items") or []:
                keys.add(key_of(obj))
                self._sink.upsert(obj)
            token = page["metadata"].get("continue")
            if not token:
                break
            query = {**query, "continue": token}
        self._sink.listed(keys, self._namespace)
        # Last: a list that the sink failed to take is made again.
        self._version = page["metadata"]["resourceVersion"]
        self.synced.set()
        log.info("watch.listed", path=self._path, objects=len(keys))

    def _watch(self) -> None:
        query = {
            "watch": "1",
            "resourceVersion": self._version,
            "allowWatchBookmarks": "true",
            "timeoutSeconds": str(_WATCH_SECONDS),
            **self._selector,
        }
        events = self._api.stream(
            self._path, query=query, accept=self._accept(""), read_timeout=_READ_TIMEOUT
        )
        self._heard_something()
        for event in events:
            if self._stop.is_set():
                return
            self._heard_something()
            self._take(event["type"], event["object"])

    def _heard_something(self) -> None:
        self._spoke_at = self._clock()
        self._open = True
        self._failure = None

    def _take(self, kind: str, obj: dict[str, Any]) -> None:
        if kind == "ERROR":
            if obj.get("code") == HTTPStatus.GONE:
                raise _Expired
            raise ApiRetry(
                f"The watch of {self._path} ended with {obj.get('code')} {obj.get('reason')}.",
                int(obj.get("code") or 0),
            )
        if kind in {"ADDED", "MODIFIED"}:
            self._sink.upsert(obj)
        elif kind == "DELETED":
            self._sink.remove(obj)
        # Only now: what the sink could not take is listed anew.
        self._version = obj["metadata"]["resourceVersion"]

    def _accept(self, kind: str) -> str:
        return _METADATA.format(kind=kind) if self._metadata_only else _FULL


def _namespace_of(path: str) -> str:
    """The namespace that a path speaks for: whose objects it lists, or which it is; "" for all."""
    return path.partition("/namespaces/")[2].partition("/")[0]


def _resource_of(path: str) -> str:
    """What a path lists, in the plural."""
    before, _, after = path.partition("/namespaces/")
    return after.partition("/")[2] or ("namespaces" if after else before.rpartition("/")[2])
