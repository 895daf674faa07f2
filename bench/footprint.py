"""Scenarios (b) and (c): the memory of each half, and what a restart of both costs.

Both need many ExternalSecrets that are synced, so they share a world.
"""

from __future__ import annotations

import re
import time

from bench.figures import Row
from bench.keptclient import KeptClient
from bench.world import World, rss_mb, value
from testbed.cluster import Cluster

_ENTRIES = ("password", "user", "host")
_GOAL_LISTENER_MB, _GOAL_RECONCILER_MB = 120.0, 150.0
_SETTLE = 1.0
_WRITES = {"POST", "PUT", "PATCH", "APPLY", "DELETE", "DELETECOLLECTION"}
# The bench's own: it makes a token for each half that it starts.
_NOT_COUNTED = {"leases", "serviceaccounts"}
_SAMPLE = re.compile(r"apiserver_request_total\{(?P<labels>[^}]*)\} (?P<count>[0-9.e+]+)")


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
        return [*rows, *_restart(world, quick=quick)]


def _restart(world: World, *, quick: bool) -> list[Row]:
    world.aws.reset()
    before = _writes(world.client)
    began = time.monotonic()
    world.start()
    ready = time.monotonic() - began
    time.sleep(3.0 if quick else 10.0)
    counts = world.aws.counts()
    writes = _writes(world.client) - before
    return [
        Row("restart of both", "until both are ready", ready, "s"),
        Row("restart of both", "value reads", counts.values, "", 0.0),
        Row("restart of both", "writes to the API server", writes, "", 0.0),
    ]


def _writes(client: KeptClient) -> float:
    """All writes that the API server ever answered, of whomever; leases apart."""
    total = 0.0
    for sample in _SAMPLE.finditer(client.text("/metrics")):
        labels = dict(re.findall(r'(\w+)="([^"]*)"', sample["labels"]))
        if labels["verb"] in _WRITES and labels["resource"] not in _NOT_COUNTED:
            total += float(sample["count"])
    return total


def _key(name: str, entry: str) -> str:
    return f"{name}/{entry}"
