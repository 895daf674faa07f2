"""What goes wrong on the way to the API server, and the end of a process at any request."""

import random
from collections.abc import Callable, Iterator, Mapping
from enum import Enum
from typing import Any

from externalsecret.kubeapi import ApiRetry
from fakes.kubeapi import FakeKubeApi


class Crash(BaseException):
    """The process ends here: nothing catches it but the world, which throws its memory away."""


class Broken(BaseException):
    """A promise is broken; as Crash, so that no half takes it for a fault of its own."""


class Fault(Enum):
    NONE = "none"
    AWAY = "away"
    LOST_REPLY = "applied, but the reply was lost"
    CONFLICT = "conflict"
    CRASH_BEFORE = "crash before the request"
    CRASH_AFTER = "crash after the request"


Applied = Callable[[str, str, Mapping[str, Any]], None]
_FAULTS = [fault for fault in Fault if fault is not Fault.NONE]


class Dice:
    """Chooses faults, until it is told to be kind."""

    def __init__(self, rng: random.Random, rate: float, *, crashes: bool) -> None:
        self.rate = rate
        self._rng = rng
        self._crashes = crashes

    def roll(self, method: str) -> Fault:
        if self._rng.random() >= self.rate:
            return Fault.NONE
        fault = self._rng.choice(_FAULTS)
        if fault is Fault.CONFLICT and method != "PATCH":
            return Fault.AWAY
        if not self._crashes and fault in {Fault.CRASH_BEFORE, Fault.CRASH_AFTER}:
            return Fault.LOST_REPLY
        return fault


class UnreliableApi:
    """A KubeApi for one half; `applied` is called after each request that had an effect."""

    def __init__(self, api: FakeKubeApi, dice: Dice, applied: Applied) -> None:
        self._api = api
        self._dice = dice
        self._applied = applied

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
        fault = self._dice.roll(method)
        if fault is Fault.CRASH_BEFORE:
            raise Crash
        if fault is Fault.AWAY:
            raise ApiRetry("The API server is away.", 0)
        if fault is Fault.CONFLICT:
            raise ApiRetry("Somebody else was faster.", 409)
        reply = self._api.request(
            method, path, query=query, body=body, content_type=content_type, accept=accept
        )
        self._applied(method, path, body or {})
        if fault is Fault.CRASH_AFTER:
            raise Crash
        if fault is Fault.LOST_REPLY:
            raise ApiRetry("The reply was lost.", 0)
        return reply

    def stream(
        self, path: str, *, query: Mapping[str, str], accept: str, read_timeout: float
    ) -> Iterator[dict[str, Any]]:
        return self._api.stream(path, query=query, accept=accept, read_timeout=read_timeout)
