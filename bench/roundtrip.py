"""Scenario (a): how long one change takes when nothing else is on, in round trips.

The clock runs from the answer of the receive that carries the event to the arrival of the new
Secret at the witness. What a read of the backend took, by the double's own clock, is taken off.
"""

from __future__ import annotations

import time
from collections.abc import Sequence

from bench.figures import Row, percentile
from bench.stalls import Stalls
from bench.unit import Unit
from bench.world import World, value
from testbed.cluster import Cluster

_PAUSE = 0.05
_NEXT_SECOND = 1.2
_P50, _P99 = 0.5, 0.99
_GOAL_P50, _GOAL_P99 = 6.0, 15.0
_MOST_DISTURBED = 0.1
"""With more of them, disturbed changes are judged like the others."""
_LATENCIES = (0.005, 0.0)

Span = tuple[float, float]
"""(answer of the receive, sight of the Secret), monotonic."""


def measure(cluster: Cluster, *, quick: bool) -> list[Row]:
    """All rows of the scenario."""
    changes = 40 if quick else 200
    again = 10 if quick else 50
    rows: list[Row] = []
    with World(cluster) as world, Unit(cluster) as unit, Stalls() as stalls:
        world.start()
        names = [f"s{number}" for number in range(changes)]
        world.apply_each(names)
        time.sleep(_NEXT_SECOND)
        _change(world, names[:5], 1000)
        for number, latency in enumerate(_LATENCIES, start=1):
            world.aws.set_latency(latency)
            scenario = f"round trip, {latency * 1000:g} ms"
            rows += series(world, unit, stalls, names, number=number, scenario=scenario)
        world.aws.reset()
        spans = [_change(world, names[:1], 10 + number)[0] for number in range(again)]
        world.await_acknowledged()
        scenario = "round trip, same secret"
        in_trips = percentile(_seconds(spans), _P50) / percentile(unit.seconds, _P50)
        rows.append(Row(scenario, "p50", in_trips, "round trips"))
        reads = world.aws.counts().values / again
        rows.append(Row(scenario, "value reads per changed version", reads, "", 1.0))
    return rows


def series(
    world: World,
    unit: Unit,
    stalls: Stalls,
    names: Sequence[str],
    *,
    number: int,
    scenario: str,
) -> list[Row]:
    """Each secret changed for the nth time, one after the other, in round trips of right now."""
    # Half before and half after, so that both see the same weather.
    unit.seconds.clear()
    unit.measure(len(names) // 2, _PAUSE / 2)
    world.aws.reset()
    spans = _change(world, names, number)
    world.await_acknowledged()
    counts = world.aws.counts()
    unit.measure(len(names) // 2, _PAUSE / 2)
    reads = counts.values / len(names)
    return [
        *_rows(scenario, spans, stalls, unit.seconds, counts.service_times),
        Row(scenario, "value reads per changed version", reads, "", 1.0),
    ]


def _change(world: World, names: Sequence[str], number: int) -> list[Span]:
    """Change one secret after the other, each awaited."""
    spans = []
    for name in names:
        message = world.aws.change({name: value(name, number)})[name]
        seen = world.witness.wait([(name, value(name, number))])[0]
        spans.append((world.aws.counts().received_at[message], seen))
        time.sleep(_PAUSE)
    return spans


def _seconds(spans: Sequence[Span]) -> list[float]:
    return [ended - began for began, ended in spans]


def _rows(
    scenario: str,
    spans: Sequence[Span],
    stalls: Stalls,
    unit: Sequence[float],
    reads: Sequence[float],
) -> list[Row]:
    one, read = percentile(unit, _P50), percentile(reads, _P50)
    undisturbed = [span for span in spans if not stalls.touched(*span)]
    disturbed = 1 - len(undisturbed) / len(spans)
    judged = spans if disturbed > _MOST_DISTURBED else undisturbed
    p50, p99 = percentile(_seconds(spans), _P50), percentile(_seconds(judged), _P99)
    all_p99 = percentile(_seconds(spans), _P99)
    return [
        Row(scenario, "unit: a status PATCH, p50", one * 1000, "ms"),
        Row(scenario, "the same, p99", percentile(unit, _P99) * 1000, "ms"),
        Row(scenario, "one backend read, p50", read * 1000, "ms"),
        Row(scenario, "receive to Secret, p50", p50 * 1000, "ms"),
        Row(scenario, "receive to Secret, p99", p99 * 1000, "ms"),
        Row(scenario, "the same, disturbed ones too", all_p99 * 1000, "ms"),
        Row(scenario, "disturbed by a halt of the machine", disturbed * 100, "%"),
        Row(scenario, "p50 without the read", (p50 - read) / one, "round trips", _GOAL_P50),
        Row(scenario, "p99 without the read", (p99 - read) / one, "round trips", _GOAL_P99),
    ]
