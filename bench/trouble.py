"""Scenario (h), trouble: a backend that throttles, and a tenant whose role hangs."""

from __future__ import annotations

import base64
import time

from bench.aws import ROLE
from bench.bulk import apply_all
from bench.figures import Row, percentile
from bench.settling import Settling
from bench.witness import ENTRY
from bench.world import World, value
from testbed.cluster import Cluster

_SLOW_ROLE = ROLE.replace("role/bench", "role/slow")
_HANG_SECONDS = 10.0
_MOST_SLOWDOWN = 2.0
_PAUSE = 0.05
_P99 = 0.99
_PATIENCE = 240.0


def measure(cluster: Cluster, *, quick: bool) -> list[Row]:
    """All rows of the scenario."""
    return [*_throttled(cluster, quick=quick), *_slow_tenant(cluster, quick=quick)]


def _throttled(cluster: Cluster, *, quick: bool) -> list[Row]:
    burst, seconds = (100, 5.0) if quick else (500, 30.0)
    names = [f"s{number}" for number in range(burst)]
    with World(cluster) as world, Settling(world) as settling:
        world.start()
        world.aws.create({name: value(name, 0) for name in names})
        apply_all(world, names, lambda name: {ENTRY: name})
        world.await_synced(burst)
        settling.settled()
        world.aws.reset()
        world.aws.throttle(seconds)
        began = time.monotonic()
        values = {name: value(name, 1) for name in names}
        world.aws.change(values)
        seen = world.witness.wait(values.items(), _PATIENCE)
        world.await_acknowledged()
        # Until the throttling is over and what it put off has had its time.
        time.sleep(max(0.0, began + seconds - time.monotonic()))
        settling.settled()
        counts = world.aws.counts()
        wrong = _wrong(world, values)
    scenario = f"burst of {burst}, every second read refused for {seconds:g} s"
    return [
        Row(scenario, "until the last Secret", max(seen) - began, "s"),
        Row(scenario, "reads that were refused", counts.refused, ""),
        Row(scenario, "value reads that succeeded", counts.values, "", float(burst)),
        Row(scenario, "Secrets wrong at the end", wrong, "", 0.0),
    ]


def _wrong(world: World, values: dict[str, str]) -> int:
    """Secrets that do not hold what they should."""
    path = f"/api/v1/namespaces/{world.namespace}/secrets"
    held = {
        item["metadata"]["name"]: base64.b64decode((item.get("data") or {}).get(ENTRY, "")).decode()
        for item in world.client.request("GET", path)["items"]
    }
    return sum(held.get(name) != expected for name, expected in values.items())


def _slow_tenant(cluster: Cluster, *, quick: bool) -> list[Row]:
    changes, slow = (20, 10) if quick else (100, 50)
    names = [f"s{number}" for number in range(changes)]
    theirs = [f"slow{number}" for number in range(slow)]
    with World(cluster, tenants=1) as world, Settling(world) as settling:
        world.start()
        world.aws.create({name: value(name, 0) for name in [*names, *theirs]})
        apply_all(world, names, lambda name: {ENTRY: name})
        for name in theirs:
            world.apply(name, {ENTRY: name}, role=_SLOW_ROLE, tenant=world.tenants[0])
        world.await_synced(changes)
        settling.settled()
        alone = _one_by_one(world, names, 1)
        world.aws.hang(_SLOW_ROLE, _HANG_SECONDS)
        world.aws.change({name: value(name, 1) for name in theirs})
        # They are noted, and their reads hang.
        world.await_acknowledged()
        beside = _one_by_one(world, names, 2)
    before, meanwhile = percentile(alone, _P99), percentile(beside, _P99)
    scenario = f"{slow} changes of a tenant whose reads hang {_HANG_SECONDS:g} s"
    return [
        Row(scenario, "the others' receive to Secret before, p99", before * 1000, "ms"),
        Row(scenario, "meanwhile, p99", meanwhile * 1000, "ms"),
        Row(scenario, "slower by", meanwhile / before, "times", None if quick else _MOST_SLOWDOWN),
    ]


def _one_by_one(world: World, names: list[str], number: int) -> list[float]:
    """Seconds from receive to Secret of each."""
    spans = []
    for name in names:
        message = world.aws.change({name: value(name, number)})[name]
        seen = world.witness.wait([(name, value(name, number))])[0]
        spans.append(seen - world.aws.counts().received_at[message])
        time.sleep(_PAUSE)
    return spans
