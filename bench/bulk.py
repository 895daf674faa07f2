"""Many writes at once, by threads with a kept connection each.

Feeds the set-up of large scenarios, and the floor: what a client reaches that does nothing else.

Bodies are encoded before the clock starts.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterable, Sequence

from bench.keptclient import KeptClient
from bench.world import World, external_secret, reading
from testbed.cluster import Cluster

Write = tuple[str, str, bytes]
"""(method, path, body)"""

_THREADS = 8


def write_all(cluster: Cluster, writes: Sequence[Sequence[Write]]) -> float:
    """Do all writes, those of one inner sequence after each other; the seconds that it took.

    Raises the first error.
    """
    errors: list[Exception] = []
    work = iter(list(writes))
    lock = threading.Lock()

    def run() -> None:
        client = KeptClient(cluster)
        try:
            _work(client, work, lock)
        except Exception as error:  # noqa: BLE001 - raised again below, in the caller's thread
            errors.append(error)
        finally:
            client.close()

    threads = [threading.Thread(target=run) for _ in range(_THREADS)]
    began = time.monotonic()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if errors:
        raise errors[0]
    return time.monotonic() - began


def _work(client: KeptClient, work: Iterable[Sequence[Write]], lock: threading.Lock) -> None:
    following = iter(work)
    while True:
        with lock:
            group = next(following, None)
        if group is None:
            return
        for method, path, body in group:
            client.raw(method, path, body)


def apply_all(world: World, names: Sequence[str], keys: Callable[[str], dict[str, str]]) -> None:
    """Create an ExternalSecret for each name; `keys` tells what it reads."""
    path = world.path()
    bodies = [json.dumps(external_secret(name, reading(keys(name)))).encode() for name in names]
    write_all(world.cluster, [[("POST", path, body)] for body in bodies])
