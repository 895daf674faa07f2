"""The unit of the round trips: one status PATCH over a kept connection, in this very run.

Feeds bench.roundtrip. The object lies in a namespace that no half watches; it has a whole ledger of
one key, written by two managers as in production, since the API server's work grows with both.
"""

from __future__ import annotations

import secrets
import time
from typing import Self

from bench.aws import ROLE
from bench.bodies import ledger, note
from bench.keptclient import KeptClient
from bench.world import GROUP, external_secret
from testbed.cluster import Cluster

_KEY = "secretsmanager/eu-central-1/unit#AWSCURRENT"


class Unit:
    """Measures the unit; the times of all calls of `measure` together are its sample."""

    def __init__(self, cluster: Cluster) -> None:
        self.seconds: list[float] = []
        self._client = KeptClient(cluster)
        self._namespace = f"bench-unit-{secrets.token_hex(4)}"
        self._client.request("POST", "/api/v1/namespaces", {"metadata": {"name": self._namespace}})
        path = f"{GROUP}/namespaces/{self._namespace}/externalsecrets"
        item = {"key": "unit", "name": "password"}
        spec = {"backendType": "secretsManager", "roleArn": ROLE, "data": [item]}
        self._client.request("POST", path, external_secret("unit", spec))
        self._path = f"{path}/unit/status?fieldManager=hark-listener"
        whole = f"{path}/unit/status?fieldManager=hark-reconciler"
        self._client.raw("PATCH", whole, ledger(_KEY, 0))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._client.close()

    def measure(self, times: int, pause: float) -> None:
        """So many patches, each as large as a note, with a pause in seconds after each."""
        for number in range(times):
            body = note(_KEY, number)
            began = time.monotonic()
            self._client.raw("PATCH", self._path, body)
            self.seconds.append(time.monotonic() - began)
            time.sleep(pause)
