"""Scenario (d): one secret with many users, and many secrets that change at once."""

from __future__ import annotations

import time

from bench.figures import Row
from bench.witness import ENTRY
from bench.world import World, cpu_seconds, value
from testbed.cluster import Cluster
from testbed.installation import HarkProcess

_LATE = 1.0


def measure(cluster: Cluster, *, quick: bool) -> list[Row]:
    """All rows of the scenario."""
    users, burst = (20, 40) if quick else (100, 200)
    with World(cluster) as world:
        halves = world.start()
        return [*_shared(world, users), *_burst(world, halves, users, burst)]


def _shared(world: World, users: int) -> list[Row]:
    names = [f"user{number}" for number in range(users)]
    world.aws.create({"shared": value("shared", 0)})
    for name in names:
        world.apply(name, {ENTRY: "shared"})
    world.await_synced(users)
    time.sleep(_LATE)
    world.aws.reset()
    message = world.aws.change({"shared": value("shared", 1)})["shared"]
    seen = world.witness.wait((name, value("shared", 1)) for name in names)
    # What is read too often may be read after the Secrets are right.
    time.sleep(_LATE)
    counts = world.aws.counts()
    scenario = f"one secret, {users} users"
    took = max(seen) - counts.received_at[message]
    return [
        Row(scenario, "receive to the last Secret", took, "s"),
        Row(scenario, "value reads", counts.values, "", 1.0),
    ]


def _burst(
    world: World, halves: tuple[HarkProcess, HarkProcess], others: int, burst: int
) -> list[Row]:
    names = [f"burst{number}" for number in range(burst)]
    world.aws.create({name: value(name, 0) for name in names})
    for name in names:
        world.apply(name, {ENTRY: name})
    world.await_synced(burst + others)
    time.sleep(_LATE)
    world.aws.reset()
    used = [cpu_seconds(half) for half in halves]
    messages = world.aws.change({name: value(name, 1) for name in names})
    seen = world.witness.wait((name, value(name, 1)) for name in names)
    world.await_acknowledged()
    time.sleep(_LATE)
    each = [(cpu_seconds(half) - was) / burst for half, was in zip(halves, used, strict=True)]
    counts = world.aws.counts()
    scenario = f"burst of {burst}"
    began = min(counts.received_at[message] for message in messages.values())
    reading = sum(counts.calls.get(one, 0) for one in ("GetSecretValue", "BatchGetSecretValue"))
    return [
        Row(scenario, "first receive to the last Secret", max(seen) - began, "s"),
        Row(scenario, "value reads", counts.values, "", float(burst)),
        Row(scenario, "calls that read them", reading, ""),
        Row(scenario, "CPU of the listener, a change", each[0] * 1000, "ms"),
        Row(scenario, "CPU of the reconciler, a change", each[1] * 1000, "ms"),
    ]
