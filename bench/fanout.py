"""Scenario (d): one secret with many users, many secrets that change at once, and one key of ten.

Times are from the answer of the receive that carries the first event to the last write of a status,
and are told as multiples of what the floor takes for the same writes in the same run.
"""

from __future__ import annotations

from bench.aws import Counts
from bench.bulk import apply_all
from bench.figures import Row
from bench.floor import a_change
from bench.settling import Settling
from bench.witness import ENTRY
from bench.world import World, cpu_seconds, value
from testbed.cluster import Cluster
from testbed.installation import HarkProcess

_GOAL_RATIO = 1.5
_IN_A_BATCH = 10
"""The least that a batch of 20 should hold on average, for the goal of calls."""
_SAMPLE = 400

Floor = tuple[float, float | None]
"""Seconds of a change on the floor, and the most that ours may be of it."""


def measure(cluster: Cluster, *, quick: bool) -> list[Row]:
    """All rows of the scenario."""
    users = burst = 200 if quick else 1000
    # Of a few changes the first receive and the last notes are too great a part.
    goal = None if quick else _GOAL_RATIO
    with World(cluster) as world, Settling(world) as settling:
        halves = world.start()
        rows = _ten_keys(world, settling)
        raw = a_change(cluster, _SAMPLE)
        rows += _shared(world, settling, users, (raw, goal))
        names = _make_burst(world, settling, users, burst)
        raw = a_change(cluster, _SAMPLE)
        rows += _burst(world, settling, halves, names, (raw, goal))
        rows += _tripled(world, settling, names)
        return rows


def _ten_keys(world: World, settling: Settling) -> list[Row]:
    keys = {f"entry{number}": f"ten{number}" for number in range(9)} | {ENTRY: "ten9"}
    world.aws.create({key: value(key, 0) for key in keys.values()})
    world.apply("ten", keys)
    world.await_synced(1)
    world.aws.reset()
    world.aws.change({"ten9": value("ten9", 1)})
    world.witness.wait([("ten", value("ten9", 1))])
    settling.settled()
    counts = world.aws.counts()
    return [Row("one key of ten changes", "value reads", counts.values, "", 1.0)]


def _shared(world: World, settling: Settling, users: int, floor: Floor) -> list[Row]:
    raw, goal = floor
    names = [f"user{number}" for number in range(users)]
    world.aws.create({"shared": value("shared", 0)})
    apply_all(world, names, lambda _name: {ENTRY: "shared"})
    world.await_synced(users + 1)
    settling.settled()
    world.aws.reset()
    message = world.aws.change({"shared": value("shared", 1)})["shared"]
    seen = world.witness.wait((name, value("shared", 1)) for name in names)
    # What is read too often may be read after the Secrets are right.
    ended = settling.settled()
    counts = world.aws.counts()
    began = counts.received_at[message]
    scenario = f"one secret, {users} users"
    return [
        Row(scenario, "receive to the last Secret", max(seen) - began, "s"),
        Row(scenario, "receive to the last status", ended - began, "s"),
        Row(scenario, "the same", (ended - began) / (raw * users), "x raw writes", goal),
        Row(scenario, "value reads", counts.values, "", 1.0),
    ]


def _make_burst(world: World, settling: Settling, others: int, burst: int) -> list[str]:
    names = [f"burst{number}" for number in range(burst)]
    world.aws.create({name: value(name, 0) for name in names})
    apply_all(world, names, lambda name: {ENTRY: name})
    world.await_synced(burst + others + 1)
    settling.settled()
    return names


def _burst(
    world: World,
    settling: Settling,
    halves: tuple[HarkProcess, HarkProcess],
    names: list[str],
    floor: Floor,
) -> list[Row]:
    raw, goal = floor
    used = [cpu_seconds(half) for half in halves]
    took, to_secret, counts = _all_change(world, settling, names, 1)
    each = [(cpu_seconds(half) - was) / len(names) for half, was in zip(halves, used, strict=True)]
    scenario = f"burst of {len(names)}"
    return [
        Row(scenario, "first receive to the last Secret", to_secret, "s"),
        Row(scenario, "first receive to the last status", took, "s"),
        Row(scenario, "the same", took / (raw * len(names)), "x raw writes", goal),
        Row(scenario, "value reads", counts.values, "", float(len(names))),
        Row(scenario, "calls that read them", counts.reading_calls, "", len(names) / _IN_A_BATCH),
        Row(scenario, "CPU of the listener, a change", each[0] * 1000, "ms"),
        Row(scenario, "CPU of the reconciler, a change", each[1] * 1000, "ms"),
    ]


def _tripled(world: World, settling: Settling, names: list[str]) -> list[Row]:
    took, _, counts = _all_change(world, settling, names, 2, copies=3)
    scenario = f"burst of {len(names)}, each event three times, shuffled"
    return [
        Row(scenario, "first receive to the last status", took, "s"),
        Row(scenario, "value reads", counts.values, "", float(len(names))),
    ]


def _all_change(
    world: World, settling: Settling, names: list[str], number: int, *, copies: int = 1
) -> tuple[float, float, Counts]:
    """Seconds to the last status and to the last Secret, and what AWS counted."""
    world.aws.reset()
    values = {name: value(name, number) for name in names}
    messages = world.aws.change(values, copies=copies, shuffle=copies > 1)
    seen = world.witness.wait(values.items(), 180.0)
    world.await_acknowledged()
    ended = settling.settled()
    counts = world.aws.counts()
    began = min(counts.received_at[message] for message in messages.values())
    return ended - began, max(seen) - began, counts
