"""A backend world below the whole reconciler, stepped instead of threaded: what a sweep costs.

The cluster is the one in memory; the backend and its server are the real ones of the world.
"""

import base64
import random
import time
from typing import Any

from externalsecret.kubeapi import GROUP_PATH, MERGE_PATCH
from fakes.guards import open_guard
from fakes.kubeapi import FakeKubeApi
from simulation.halves import Clock, ReconcilerHalf
from worlds.backends import RemoteWorld
from worlds.spine import PATIENCE

_PATH = f"{GROUP_PATH}/namespaces/team/externalsecrets"


class _Now(Clock):
    """The time that passes by itself, as servers see it; `seconds` are waits that were spared."""

    def __call__(self) -> float:
        return time.monotonic() + self.seconds

    def time(self) -> float:
        return time.time()


class SweptWorld:
    """One ExternalSecret that reads some secrets of a world, and all that keeps it."""

    def __init__(self, world: RemoteWorld, *names: str) -> None:
        self.world = world
        self._asked_before = len(world.values_asked())
        self._clock = _Now(0.0)
        self._kube = FakeKubeApi()
        self._kube.request(
            "POST", _PATH, body={"metadata": {"name": "shop"}, "spec": world.spec(*names)}
        )
        self.restart()

    def restart(self) -> None:
        """A new process, which remembers nothing."""
        self._half = ReconcilerHalf(
            self._kube,
            self._kube,
            lambda _lane: self.world.backend,
            open_guard("team"),
            self._clock,
            random.Random(0),  # noqa: S311 - no secrecy
        )
        self.rest()

    def sweep(self) -> None:
        """A whole sweep, and what follows from it."""
        assert not self._half.sweeper.sweep(), "everything got an answer"
        self.rest()

    def rest(self) -> None:
        """Take steps until there are none, and the object is well."""
        deadline = time.monotonic() + PATIENCE
        while any(step() for step in self._half.steps()) or not self._is_ready():
            assert time.monotonic() < deadline, self.status()

    def hear(self, note: str) -> None:
        """Write a note that names no version to all keys, as the listener does, and let its time
        pass.
        """
        leaf = {"heard": {"id": note, "version": None, "at": None, "via": "storagequeue"}}
        body = {"status": {"keys": dict.fromkeys(self.status()["keys"], leaf)}}
        path = f"{_PATH}/shop/status"
        self._kube.request("PATCH", path, body=body, content_type=MERGE_PATCH)
        for _ in range(4):
            self.rest()
            self._clock.seconds += 10.0

    def values_asked(self) -> list[str]:
        """The secrets whose value was asked for since the object came, once for each time."""
        return self.world.values_asked()[self._asked_before :]

    def data(self) -> dict[str, bytes]:
        """What the Secret holds."""
        held = self._kube.find("/api/v1/namespaces/team/secrets/shop") or {}
        return {name: base64.b64decode(text) for name, text in held["data"].items()}

    def ready(self) -> dict[str, Any]:
        """The Ready condition; empty where there is none."""
        conditions = self.status().get("conditions", [])
        return next((one for one in conditions if one["type"] == "Ready"), {})

    def status(self) -> dict[str, Any]:
        status: dict[str, Any] = (self._kube.find(f"{_PATH}/shop") or {}).get("status") or {}
        return status

    def _is_ready(self) -> bool:
        return self.ready().get("status") == "True"
