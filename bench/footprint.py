"""Scenarios (b) and (c): the memory of each half, and what a restart of both costs.

Both need many ExternalSecrets that are synced, so they share a world.
"""

from __future__ import annotations

import time

from bench.figures import Row
from bench.restart import restart
from bench.world import World, rss_mb, value
from testbed.cluster import Cluster

_ENTRIES = ("password", "user", "host")
_GOAL_LISTENER_MB, _GOAL_RECONCILER_MB = 120.0, 150.0
_SETTLE = 1.0


def measure(cluster: Cluster, *, quick: bool) -> list[Row]:
    """All rows of the scenarios."""
    objects = 60 if quick else 300
    with World(cluster) as world:
        listener, reconciler = world.start()
        names = [f"s{number}" for number in range(objects)]
        world.aws.create({_key(name, one): value(name, 0) for name in names for one in _ENTRIES})
        began = time.monotonic()
        for name in names:
            world.apply(name, {one: _key(name, one) for one in _ENTRIES})
        world.await_synced(objects)
        cold = time.monotonic() - began
        memory = [(rss_mb(listener), rss_mb(reconciler))]
        world.aws.change({_key(name, "password"): value(name, 1) for name in names})
        world.witness.wait((name, value(name, 1)) for name in names)
        world.await_acknowledged()
        time.sleep(_SETTLE)
        memory.append((rss_mb(listener), rss_mb(reconciler)))
        scenario = f"{objects} x {len(_ENTRIES)} items"
        rows = [
            Row(scenario, "until all are Ready, created one by one", cold, "s"),
            Row(
                scenario,
                "RSS of the listener",
                max(one for one, _ in memory),
                "MB",
                _GOAL_LISTENER_MB,
            ),
            Row(
                scenario,
                "RSS of the reconciler",
                max(one for _, one in memory),
                "MB",
                _GOAL_RECONCILER_MB,
            ),
        ]
        for half in (listener, reconciler):
            half.terminate()
        return [*rows, *restart(world, quick=quick)]


def _key(name: str, entry: str) -> str:
    return f"{name}/{entry}"
