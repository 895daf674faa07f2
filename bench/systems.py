"""Scenario (f): calls for a hundred values of each system at once, and what each SDK costs.

The reconciler runs alone, as a process under its ServiceAccount, and is started anew for each
figure, since an SDK is imported when it is first used.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from bench.clouds import Clouds, System
from bench.figures import Row
from bench.keptclient import KeptClient
from bench.world import GROUP, external_secret, is_ready, rss_mb
from externalsecret import definitions
from testbed.cluster import Cluster
from testbed.installation import HarkProcess, Installation, grant

_KEYS = 100
_PATIENCE = 60.0


def measure(cluster: Cluster, *, quick: bool) -> list[Row]:
    """All rows of the scenario; `quick` changes nothing, for the goals are of a hundred."""
    _ = quick
    with Clouds() as clouds:
        rows = [_calls(cluster, clouds, system) for system in clouds.all]
        return [
            *rows,
            *_import_cost(cluster, clouds, (), "no object"),
            *_import_cost(cluster, clouds, clouds.aws, "an object of each service of AWS"),
            *_import_cost(cluster, clouds, clouds.all, "an object of each system"),
        ]


class _Room:
    """A namespace, and a reconciler that serves it."""

    def __init__(self, cluster: Cluster, clouds: Clouds) -> None:
        self.client = KeptClient(cluster)
        self._namespace = f"bench-{secrets.token_hex(4)}"
        self.client.request("POST", "/api/v1/namespaces", {"metadata": {"name": self._namespace}})
        rights = definitions.rights("reconciler")
        grant(cluster, "reconciler", rights, self._namespace, self._namespace)
        environment = {**clouds.env(), "WATCHED_NAMESPACES": self._namespace}
        self.installation = Installation(cluster, self._namespace, environment)

    def apply(self, system: System, names: Sequence[str]) -> None:
        """One ExternalSecret with all these keys."""
        system.put(names)
        data = [{"key": system.key(name), "name": name} for name in names]
        path = f"{GROUP}/namespaces/{self._namespace}/externalsecrets"
        self.client.request("POST", path, external_secret(names[0], {**system.spec, "data": data}))

    def await_ready(self, count: int) -> None:
        deadline = time.monotonic() + _PATIENCE
        path = f"{GROUP}/namespaces/{self._namespace}/externalsecrets"
        while True:
            items = self.client.request("GET", path)["items"]
            if sum(map(is_ready, items)) >= count:
                return
            if time.monotonic() > deadline:
                said = [(item.get("status") or {}).get("status") for item in items]
                raise TimeoutError(f"The ExternalSecrets of a system are not Ready: {said}.")
            time.sleep(0.05)


@contextmanager
def _room(cluster: Cluster, clouds: Clouds) -> Iterator[_Room]:
    room = _Room(cluster, clouds)
    try:
        yield room
    finally:
        room.installation.close()
        room.client.close()


def _calls(cluster: Cluster, clouds: Clouds, system: System) -> Row:
    names = [f"{secrets.token_hex(4)}-{number}" for number in range(_KEYS)]
    with _room(cluster, clouds) as room:
        room.apply(system, names)
        before = system.calls()
        room.installation.start("reconciler").await_ready()
        room.await_ready(1)
        calls = system.calls() - before
    return Row(f"{_KEYS} keys at once", f"calls, {system.title}", calls, "", float(system.least))


def _import_cost(
    cluster: Cluster, clouds: Clouds, systems: Sequence[System], title: str
) -> list[Row]:
    with _room(cluster, clouds) as room:
        for system in systems:
            room.apply(system, [f"{secrets.token_hex(4)}-one"])
        began = time.monotonic()
        process: HarkProcess = room.installation.start("reconciler")
        process.await_ready()
        ready = time.monotonic() - began
        room.await_ready(len(systems))
        synced = time.monotonic() - began
        return [
            Row(f"reconciler, {title}", "until it is ready", ready, "s"),
            Row(f"reconciler, {title}", "until all are synced", synced, "s"),
            Row(f"reconciler, {title}", "RSS", rss_mb(process), "MB"),
        ]
