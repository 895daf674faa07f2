"""Scenario (g), money: whether Hark asks for what `hark cost` says of the same changes and sweeps.

Some secrets change one at a time, then a sweep is asked for, and the rest is silence:
then what the double counted is compared with hark.cost, whose period is the time that this took.
"""

from __future__ import annotations

import math
import time
from collections.abc import Mapping

from bench.figures import Row
from bench.world import World, value
from externalsecret.identity import Backend
from externalsecret.kubeapi import connect
from hark.cost.compare import compare
from hark.cost.estate import Estate, Group, Terms
from hark.cost.prices import read_prices
from hark.sweepnow import ask, await_answer
from testbed.cluster import Cluster

_OBJECTS = 101
"""More than one page of ListSecrets."""
_SWEEPS = 1
_PATIENCE = 60.0
_QUIET_SECONDS = 65.0
"""Of the whole bench: three empty receives and a bit."""
_SETTLE = 0.3


def measure(cluster: Cluster, *, quick: bool) -> list[Row]:
    """All rows of the scenario."""
    changes = 5 if quick else 20
    with World(cluster) as world:
        world.start()
        names = [f"s{number}" for number in range(_OBJECTS)]
        world.apply_each(names)
        world.aws.reset()
        began = time.monotonic()
        for name in names[:changes]:
            world.aws.change({name: value(name, 1)})
            world.witness.wait([(name, value(name, 1))])
            world.await_acknowledged()
        api = connect(str(cluster.admin_kubeconfig))
        for number in range(_SWEEPS):
            ask(api, world.namespace, f"money-{number}")
            await_answer(api, world.namespace, f"money-{number}", _PATIENCE)
        time.sleep(_SETTLE if quick else _QUIET_SECONDS)
        counts = world.aws.counts()
        took = time.monotonic() - began
    return _rows(_modelled(changes, took), {**counts.calls, "values": counts.values}, changes)


def _modelled(changes: int, took: float) -> Mapping[str, float]:
    """What hark.cost says of so many changes and sweeps in so many seconds, by line."""
    estate = Estate(
        Backend.SECRETS_MANAGER, (Group(_OBJECTS, _OBJECTS, _OBJECTS),), (_OBJECTS,), changes
    )
    terms = Terms(period=took, sweep_interval=took / _SWEEPS, listeners=1, events_per_change=1.0)
    (comparison,) = compare([estate], terms, read_prices())
    return {row.line.what: row.line.calls for row in comparison.bills[-1].rows}


def _rows(modelled: Mapping[str, float], counted: Mapping[str, int], changes: int) -> list[Row]:
    scenario = f"money, {_OBJECTS} objects, {changes} changes"
    pairs = {
        "value reads": counted["values"],
        "sweep: ListSecrets": counted.get("ListSecrets", 0),
        "SQS: deletions": counted.get("DeleteMessageBatch", 0),
    }
    received = modelled["SQS: receives of a message"] + modelled["SQS: empty receives"]
    # Those under way at the beginning and at the end are counted when they begin.
    beyond = abs(counted.get("ReceiveMessage", 0) - received)
    others = sum(
        count
        for name, count in counted.items()
        if name
        not in {
            "values",
            "GetSecretValue",
            "BatchGetSecretValue",
            "ListSecrets",
            "ReceiveMessage",
            "DeleteMessageBatch",
        }
    )
    return [
        *(
            Row(scenario, f"{what}: counted, as modelled", abs(count - modelled[what]), "off", 0.0)
            for what, count in pairs.items()
        ),
        Row(scenario, "SQS: receives, counted and modelled", math.floor(beyond), "off", 1.0),
        Row(scenario, "calls that no model has", others, "", 0.0),
    ]
