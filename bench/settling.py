"""When the last status was written: a watch of ExternalSecrets that parses nothing.

Fed by the API server; feeds the scenarios whose clock ends with the last write, not with the last
Secret.
"""

from __future__ import annotations

import contextlib
import http.client
import threading
import time
from typing import Self

from bench.keptclient import KeptClient
from bench.world import World

_GLANCE = 0.05


class Settling:
    """Watches from `__enter__` until `__exit__`."""

    def __init__(self, world: World) -> None:
        self._client = KeptClient(world.cluster)
        self._path = world.path()
        self._last = time.monotonic()
        self._thread = threading.Thread(target=self._watch, name="settling", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._client.hang_up()
        self._thread.join()
        self._client.close()

    def settled(self, quiet: float = 1.0) -> float:
        """When (monotonic) the last object changed, after which nothing did for `quiet` seconds."""
        while (rest := self._last + quiet - time.monotonic()) > 0:
            time.sleep(max(rest, _GLANCE))
        return self._last

    def _watch(self) -> None:
        with contextlib.suppress(OSError, http.client.HTTPException):
            answer = self._client.open("GET", f"{self._path}?watch=1&timeoutSeconds=3600")
            while answer.readline():
                self._last = time.monotonic()
