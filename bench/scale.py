"""Scenario (i), scale: ten thousand ExternalSecrets, from the first sync to rest.

One after the other in one world: the first sync of all, one change at a time, a sweep, rest, and a
restart of both halves. Then, in another one, the same number of objects of few secrets.
"""

from __future__ import annotations

import math
import time

from bench import cold, floor, roundtrip
from bench.figures import Row
from bench.restart import restart
from bench.stalls import Stalls
from bench.unit import Unit
from bench.world import World, rss_mb
from bench.writes import writes
from externalsecret.kubeapi import connect
from hark.sweepnow import ask, await_answer
from testbed.cluster import Cluster

_GOAL_RATIO = 1.5
_GOAL_LISTENER_MB, _GOAL_RECONCILER_MB = 150.0, 250.0
_BATCH = 20
_PAGE = 100
_SAMPLE = 1000
_PATIENCE = 120.0


def measure(cluster: Cluster, *, quick: bool) -> list[Row]:
    """All rows of the scenario."""
    objects, distinct = (1000, 50) if quick else (10_000, 500)
    return [
        *_many(cluster, objects, quick=quick),
        *_shared(cluster, objects, distinct),
    ]


def _many(cluster: Cluster, objects: int, *, quick: bool) -> list[Row]:
    raw = floor.a_first_sync(cluster, _SAMPLE)
    with World(cluster) as world:
        names = [f"secret{number}" for number in range(objects)]
        done = cold.sync(world, names, objects)
        scenario = f"cold, {objects} of {objects} secrets"
        ratio = done.to_status / (raw * objects)
        rows = [
            Row(scenario, "until both are ready", done.to_ready, "s"),
            Row(scenario, "until the last status", done.to_status, "s"),
            # Of a few objects most of the time is that of two starting processes.
            Row(scenario, "the same", ratio, "x raw writes", None if quick else _GOAL_RATIO),
            Row(scenario, "value reads", done.counts.values, "", float(objects)),
        ]
        rows += _one_at_a_time(world, names[: 40 if quick else 200], objects)
        rows += _sweep(world, cluster, objects)
        rows += _rest(world, objects, 5.0 if quick else 60.0)
        listener, reconciler = (
            max(was, rss_mb(half)) for was, half in zip(done.rss, done.halves, strict=True)
        )
        scenario = f"{objects} objects"
        rows += [
            Row(scenario, "RSS of the listener", listener, "MB", _GOAL_LISTENER_MB),
            Row(scenario, "RSS of the reconciler", reconciler, "MB", _GOAL_RECONCILER_MB),
        ]
        for half in done.halves:
            half.terminate()
        return [*rows, *restart(world, quick=quick, of=f" with {objects} objects")]


def _one_at_a_time(world: World, names: list[str], objects: int) -> list[Row]:
    with Unit(world.cluster) as unit, Stalls() as stalls:
        scenario = f"round trip among {objects} objects, 5 ms"
        return roundtrip.series(world, unit, stalls, names, number=1, scenario=scenario)


def _sweep(world: World, cluster: Cluster, objects: int) -> list[Row]:
    world.aws.reset()
    ask(connect(str(cluster.admin_kubeconfig)), world.namespace, "scale")
    await_answer(connect(str(cluster.admin_kubeconfig)), world.namespace, "scale", _PATIENCE)
    counts = world.aws.counts()
    looks = sum(counts.calls.get(one, 0) for one in ("ListSecrets", "DescribeSecret"))
    scenario = f"sweep of {objects} keys"
    return [
        Row(scenario, "calls", looks, "", math.ceil(objects / _PAGE)),
        Row(scenario, "value reads", counts.values, "", 0.0),
    ]


def _rest(world: World, objects: int, seconds: float) -> list[Row]:
    world.aws.reset()
    before = writes(world.client)
    time.sleep(seconds)
    written = writes(world.client) - before
    scenario = f"{objects} objects at rest for {seconds:g} s"
    return [
        Row(scenario, "writes to the API server", written, "", 0.0),
        Row(scenario, "value reads", world.aws.counts().values, "", 0.0),
    ]


def _shared(cluster: Cluster, objects: int, distinct: int) -> list[Row]:
    raw = floor.a_first_sync(cluster, _SAMPLE)
    with World(cluster) as world:
        done = cold.sync(world, [f"user{number}" for number in range(objects)], distinct)
    scenario = f"cold, {objects} of {distinct} secrets"
    calls = done.counts.reading_calls
    return [
        Row(scenario, "until the last status", done.to_status, "s"),
        Row(scenario, "the same", done.to_status / (raw * objects), "x raw writes"),
        Row(scenario, "value reads", done.counts.values, "", float(distinct)),
        Row(scenario, "calls that read them", calls, "", math.ceil(distinct / _BATCH)),
    ]
