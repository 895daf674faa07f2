"""Scenario (g), money: whether Hark asks for what `hark cost` says of the same changes and sweeps.

Some secrets change one at a time, then a sweep is asked for, and the rest is silence:
then what the double counted is compared with hark.cost, whose period is the time that this took.
"""

from __future__ import annotations

import math
import time
from collections.abc import Mapping

from bench.figures import Row
from bench.witness import ENTRY
from bench.world import World, external_secret, reading, value
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
_LOOKS = {
    Backend.SECRETS_MANAGER: ("ListSecrets", ("sweep: ListSecrets",)),
    Backend.PARAMETER_STORE: (
        "DescribeParameters",
        ("sweep: DescribeParameters", "looks after an event"),
    ),
}
"""The operation that tells versions, and the lines of the model that count it."""
BACKENDS = tuple(_LOOKS)
"""Those that the double has."""
_NOT_ODD = {
    "values",
    "GetSecretValue",
    "BatchGetSecretValue",
    "GetParameter",
    "GetParameters",
    "ReceiveMessage",
    "DeleteMessageBatch",
}
_PATIENCE = 60.0
_QUIET_SECONDS = 65.0
"""Of the whole bench: three empty receives and a bit."""
_SETTLE = 0.3


def measure(cluster: Cluster, *, quick: bool) -> list[Row]:
    """All rows of the scenario."""
    rows = []
    for backend in BACKENDS:
        rows += of_backend(cluster, backend, quick=quick)
    return rows


def of_backend(cluster: Cluster, backend: Backend, *, quick: bool) -> list[Row]:
    """The rows of one backend."""
    changes = 5 if quick else 20
    is_of_secrets = backend is Backend.SECRETS_MANAGER
    names = [f"s{number}" for number in range(_OBJECTS)]
    with World(cluster) as world:
        world.start()
        if is_of_secrets:
            world.apply_each(names)
        else:
            _apply_parameters(world, names)
        world.aws.reset()
        began = time.monotonic()
        for name in names[:changes]:
            if is_of_secrets:
                world.aws.change({name: value(name, 1)})
            else:
                world.aws.put_parameters({name: value(name, 1)}, announced=True)
            world.witness.wait([(name, value(name, 1))])
            world.await_acknowledged()
        api = connect(str(cluster.admin_kubeconfig))
        for number in range(_SWEEPS):
            ask(api, world.namespace, f"money-{number}")
            await_answer(api, world.namespace, f"money-{number}", _PATIENCE)
        time.sleep(_SETTLE if quick else _QUIET_SECONDS)
        counts = world.aws.counts()
        took = time.monotonic() - began
    counted = {**counts.calls, "values": counts.values}
    return _rows(backend, _modelled(backend, changes, took), counted, changes)


def _apply_parameters(world: World, names: list[str]) -> None:
    world.aws.put_parameters({name: value(name, 0) for name in names}, announced=False)
    for name in names:
        spec = {**reading({ENTRY: name}), "backendType": "systemManager"}
        world.client.request("POST", world.path(), external_secret(name, spec))
    world.witness.wait((name, value(name, 0)) for name in names)
    world.await_synced(len(names))


def _modelled(backend: Backend, changes: int, took: float) -> Mapping[str, float]:
    """What hark.cost says of so many changes and sweeps in so many seconds, by line."""
    estate = Estate(backend, (Group(_OBJECTS, _OBJECTS, _OBJECTS),), (_OBJECTS,), changes)
    terms = Terms(period=took, sweep_interval=took / _SWEEPS, listeners=1, events_per_change=1.0)
    (comparison,) = compare([estate], terms, read_prices())
    return {row.line.what: row.line.calls for row in comparison.bills[-1].rows}


def _rows(
    backend: Backend, modelled: Mapping[str, float], counted: Mapping[str, int], changes: int
) -> list[Row]:
    scenario = f"money, {_OBJECTS} objects of {backend}, {changes} changes"
    operation, lines = _LOOKS[backend]
    pairs = {
        "value reads": (counted["values"], modelled["value reads"]),
        operation: (counted.get(operation, 0), sum(modelled[line] for line in lines)),
        "SQS: deletions": (counted.get("DeleteMessageBatch", 0), modelled["SQS: deletions"]),
    }
    received = modelled["SQS: receives of a message"] + modelled["SQS: empty receives"]
    # Those under way at the beginning and at the end are counted when they begin.
    beyond = abs(counted.get("ReceiveMessage", 0) - received)
    modelled_ones = {*_NOT_ODD, operation}
    others = sum(count for name, count in counted.items() if name not in modelled_ones)
    return [
        *(
            Row(scenario, f"{what}: counted, as modelled", abs(count - expected), "off", 0.0)
            for what, (count, expected) in pairs.items()
        ),
        Row(scenario, "SQS: receives, counted and modelled", math.floor(beyond), "off", 1.0),
        Row(scenario, "calls that no model has", others, "", 0.0),
    ]
