"""A first sync of many ExternalSecrets with both halves just started, for several scenarios."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

from bench.aws import Counts
from bench.bulk import apply_all
from bench.settling import Settling
from bench.witness import ENTRY
from bench.world import World, rss_mb, value
from testbed.installation import HarkProcess

_PATIENCE = 900.0


@dataclass(frozen=True, slots=True)
class Cold:
    """How it went. Seconds from the start of both processes."""

    to_ready: float
    to_status: float
    """The last one."""
    counts: Counts
    halves: tuple[HarkProcess, HarkProcess]
    rss: tuple[float, float]
    """Of listener and reconciler, in MB."""


def sync(world: World, names: Sequence[str], distinct: int) -> Cold:
    """Make the objects, which read so many distinct secrets in turn; then start both halves."""
    keys = {name: f"secret{place % distinct}" for place, name in enumerate(names)}
    world.aws.create({key: value(key, 0) for key in set(keys.values())})
    apply_all(world, names, lambda name: {ENTRY: keys[name]})
    with Settling(world) as settling:
        world.aws.reset()
        began = time.monotonic()
        halves = world.start()
        ready = time.monotonic() - began
        world.witness.wait(((name, value(key, 0)) for name, key in keys.items()), _PATIENCE)
        ended = settling.settled()
    world.await_synced(len(names))
    listener, reconciler = halves
    rss = (rss_mb(listener), rss_mb(reconciler))
    return Cold(ready, ended - began, world.aws.counts(), halves, rss)
