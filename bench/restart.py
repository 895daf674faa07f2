"""What a restart of both halves costs, where everything is synced; used by several scenarios."""

from __future__ import annotations

import time

from bench.figures import Row
from bench.world import World
from bench.writes import writes

_GOAL_READY_SECONDS = 15.0


def restart(world: World, *, quick: bool, of: str = "") -> list[Row]:
    """Start both halves, which were ended, and wait until they would have done what they may not.

    `of` says in the table what was restarted.
    """
    world.aws.reset()
    before = writes(world.client)
    began = time.monotonic()
    world.start()
    ready = time.monotonic() - began
    time.sleep(3.0 if quick else 10.0)
    counts = world.aws.counts()
    written = writes(world.client) - before
    scenario = f"restart of both{of}"
    return [
        Row(scenario, "until both are ready", ready, "s", _GOAL_READY_SECONDS),
        Row(scenario, "value reads", counts.values, "", 0.0),
        Row(scenario, "writes to the API server", written, "", 0.0),
    ]
