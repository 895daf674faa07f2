"""Scenario (e), the floor: what a plain client reaches with writes like ours and no other work.

Eight threads of this process, each with a kept connection and with bodies that were encoded before,
do for one object after the other what Hark would do: for a change the note, the Secret and the
ledger, for a first sync the Secret and the ledger. Nobody listens but the witness, as always.
`a_change` and `a_first_sync` tell other scenarios what that costs here and now.
"""

from __future__ import annotations

import base64
import json
import secrets

from bench import doublespeed
from bench.bodies import ledger, note
from bench.bulk import Write, apply_all, write_all
from bench.figures import Row
from bench.witness import ENTRY
from bench.world import World, value
from testbed.cluster import Cluster

_KEY = "secretsmanager/eu-central-1/floor#AWSCURRENT"
_MANAGER = "fieldManager=hark"


def measure(cluster: Cluster, *, quick: bool) -> list[Row]:
    """All rows of the scenario."""
    count = 200 if quick else 800
    change, first = a_change(cluster, count), a_first_sync(cluster, count)
    return [
        Row("floor, 8 threads", "raw writes, of changes", 3 / change, "a second"),
        Row("floor, 8 threads", "raw writes, of first syncs", 2 / first, "a second"),
        Row("floor, 8 threads", "changes (note, Secret, ledger)", 1 / change, "a second"),
        *doublespeed.measure(),
    ]


def a_change(cluster: Cluster, count: int) -> float:
    """Seconds of a note, a write of a Secret and a ledger: of so many, on average."""
    with World(cluster) as world:
        names = _objects(world, count)
        write_all(cluster, [[_post(world, name)] for name in names])
        return write_all(cluster, [_changed(world, name) for name in names]) / count


def a_first_sync(cluster: Cluster, count: int) -> float:
    """Seconds of a new Secret and a ledger: of so many, on average."""
    with World(cluster) as world:
        names = _objects(world, count)
        return (
            write_all(cluster, [[_post(world, one), _ledger(world, one)] for one in names]) / count
        )


def _objects(world: World, count: int) -> list[str]:
    names = [f"floor-{secrets.token_hex(4)}-{number}" for number in range(count)]
    apply_all(world, names, lambda _name: {ENTRY: "floor"})
    return names


def _changed(world: World, name: str) -> list[Write]:
    path = f"{_secrets(world)}/{name}?{_MANAGER}"
    body = json.dumps({"data": {ENTRY: _coded(name, 1)}}).encode()
    heard = ("PATCH", f"{world.path(name)}/status?fieldManager=hark-listener", note(_KEY, 1))
    return [heard, ("PATCH", path, body), _ledger(world, name)]


def _post(world: World, name: str) -> Write:
    body = {"metadata": {"name": name}, "data": {ENTRY: _coded(name, 0)}}
    return ("POST", f"{_secrets(world)}?{_MANAGER}", json.dumps(body).encode())


def _ledger(world: World, name: str) -> Write:
    return ("PATCH", f"{world.path(name)}/status?fieldManager=hark-reconciler", ledger(_KEY, 1))


def _secrets(world: World) -> str:
    return f"/api/v1/namespaces/{world.namespace}/secrets"


def _coded(name: str, number: int) -> str:
    return base64.b64encode(value(name, number).encode()).decode()
