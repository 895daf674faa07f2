"""Scenario (e), the floor: what a plain client reaches with writes like ours and no other work.

Eight threads of this process, each with a kept connection, do for one object after the other what a
change needs: the note, the Secret, the ledger. Nobody listens.
"""

from __future__ import annotations

import base64
import json
import threading
import time

from bench.bodies import ledger, note
from bench.figures import Row
from bench.keptclient import KeptClient
from bench.witness import ENTRY
from bench.world import World, value
from testbed.cluster import Cluster

_THREADS = 8
_WRITES = 3
_KEY = "secretsmanager/eu-central-1/floor#AWSCURRENT"


def measure(cluster: Cluster, *, quick: bool) -> list[Row]:
    """All rows of the scenario."""
    changes = 25 if quick else 100
    with World(cluster) as world:
        for number in range(_THREADS):
            world.apply(f"floor{number}", {ENTRY: "floor"})
            secret = {"metadata": {"name": f"floor{number}"}, "data": {ENTRY: ""}}
            world.client.request("POST", f"/api/v1/namespaces/{world.namespace}/secrets", secret)
        threads = [
            threading.Thread(target=_write, args=(world, f"floor{number}", changes))
            for number in range(_THREADS)
        ]
        began = time.monotonic()
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        took = time.monotonic() - began
    done = _THREADS * changes
    return [
        Row("floor, 8 threads", "raw writes", done * _WRITES / took, "a second"),
        Row("floor, 8 threads", "changes (note, Secret, ledger)", done / took, "a second"),
    ]


def _write(world: World, name: str, changes: int) -> None:
    client = KeptClient(world.cluster)
    secret = f"/api/v1/namespaces/{world.namespace}/secrets/{name}"
    for number in range(changes):
        client.raw("PATCH", f"{world.path(name)}/status", note(_KEY, number))
        coded = base64.b64encode(value(name, number).encode()).decode()
        client.raw("PATCH", secret, json.dumps({"data": {ENTRY: coded}}).encode())
        client.raw("PATCH", f"{world.path(name)}/status", ledger(_KEY, number))
    client.close()
