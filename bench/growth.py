"""Scenario (j), growth: time, reads and memory of a first sync, with ever more ExternalSecrets.

Linear or better: what one object more costs is judged from the smallest to the largest size, so
that the start of two processes, which is the same for all, does not flatter.
"""

from __future__ import annotations

from bench import cold
from bench.figures import Row
from bench.world import World
from testbed.cluster import Cluster

_SIZES = (1000, 3000, 10_000, 30_000)
_QUICK_SIZES = (100, 300, 1000)
_MOST_GROWTH = 1.15
"""Of the seconds and bytes that an object more costs, of the last step against the first one: a
machine is never quite the same twice.
"""


def measure(cluster: Cluster, *, quick: bool) -> list[Row]:
    """All rows of the scenario."""
    sizes = _QUICK_SIZES if quick else _SIZES
    done = {}
    for size in sizes:
        with World(cluster) as world:
            done[size] = cold.sync(world, [f"secret{number}" for number in range(size)], size)
    rows = []
    for size, one in done.items():
        scenario = f"growth, {size} objects"
        rows += [
            Row(scenario, "until the last status", one.to_status, "s"),
            Row(scenario, "value reads", one.counts.values, "", float(size)),
            Row(scenario, "RSS of the listener", one.rss[0], "MB"),
            Row(scenario, "RSS of the reconciler", one.rss[1], "MB"),
        ]
    goal = None if quick else _MOST_GROWTH
    seconds = [one.to_status for one in done.values()]
    memory = [one.rss[1] for one in done.values()]
    return [
        *rows,
        Row("growth", "seconds of an object more, last / first", _steps(sizes, seconds), "", goal),
        Row("growth", "memory of an object more, last / first", _steps(sizes, memory), "", goal),
    ]


def _steps(sizes: tuple[int, ...], figures: list[float]) -> float:
    """What an object more costs in the last step, over what it costs in the first one."""
    first = (figures[1] - figures[0]) / (sizes[1] - sizes[0])
    last = (figures[-1] - figures[-2]) / (sizes[-1] - sizes[-2])
    return last / first if first > 0 else float("inf")
