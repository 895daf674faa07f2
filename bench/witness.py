"""The witness: an independent watch of the Secrets of a namespace, which notes when it saw what.

Fed by the API server; feeds the bench's clock, which ends when the watch's line has arrived here,
before it is parsed. It knows nothing of the product.
"""

from __future__ import annotations

import base64
import contextlib
import http.client
import json
import threading
import time
from collections.abc import Iterable
from typing import Self

from bench.keptclient import KeptClient
from testbed.cluster import Cluster

Sight = tuple[str, str]
"""(name of the Secret, value of its entry)"""
ENTRY = "password"


class UnseenError(Exception):
    """What was waited for was not seen in time."""


class Witness:
    """Watches from `__enter__` until `__exit__`."""

    def __init__(self, cluster: Cluster, namespace: str) -> None:
        # Silent for minutes while objects are made.
        self._client = KeptClient(cluster, timeout=None)
        self._namespace = namespace
        self._changed = threading.Condition()
        self._seen: dict[Sight, float] = {}
        self._missing: set[Sight] = set()
        """Kept while somebody waits, so that a sight among thousands costs the machine nothing."""
        self._has_ended = False
        self._thread = threading.Thread(target=self._watch, name="witness", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._client.hang_up()
        self._thread.join()
        self._client.close()

    def wait(self, sights: Iterable[Sight], seconds: float = 60.0) -> list[float]:
        """When (monotonic) each was seen first; waits for them. Raises UnseenError."""
        wanted = list(sights)
        with self._changed:
            self._missing = set(wanted) - self._seen.keys()
            self._changed.wait_for(lambda: self._has_ended or not self._missing, seconds)
            if self._missing:
                why = "the watch has ended, and " if self._has_ended else ""
                names = [name for name, _ in self._missing][:3]
                raise UnseenError(
                    f"{why}{len(self._missing)} of {len(wanted)} not seen, as {names}"
                )
            return [self._seen[sight] for sight in wanted]

    def _watch(self) -> None:
        path = f"/api/v1/namespaces/{self._namespace}/secrets?watch=1&timeoutSeconds=3600"
        with contextlib.suppress(OSError, http.client.HTTPException):
            self._read(self._client.open("GET", path))
        with self._changed:
            self._has_ended = True
            self._changed.notify_all()

    def _read(self, answer: http.client.HTTPResponse) -> None:
        while line := answer.readline():
            at = time.monotonic()
            secret = json.loads(line)["object"]
            coded = (secret.get("data") or {}).get(ENTRY)
            if coded is None:
                continue
            sight = (secret["metadata"]["name"], base64.b64decode(coded).decode())
            with self._changed:
                self._seen.setdefault(sight, at)
                self._missing.discard(sight)
                if not self._missing:
                    self._changed.notify_all()
