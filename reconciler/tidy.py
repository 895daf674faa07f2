"""Tidying: lets go of what served objects that are no more.

Fed by the objects of the cluster; feeds nobody: it frees lanes (reconciler.fetch) with their
clients and threads, and cached answers (reconciler.cache). Done at each sweep and by a timer of its
own, since a sweep is not had everywhere.

Does not guarantee that nothing in use is let go: an object that appears meanwhile costs one more
read.
"""

import threading

from reconciler.cache import Cache
from reconciler.fetch import Fetcher
from reconciler.objects import Objects
from reconciler.reads import Lane

_EVERY = 3600.0
"""In seconds."""


def tidy(objects: Objects, fetcher: Fetcher, cache: Cache) -> dict[Lane, set[str]]:
    """Keep only what is in use; that, by lane."""
    lanes = objects.lanes()
    cache.retain({(lane, entry) for lane, entries in lanes.items() for entry in entries})
    fetcher.retain(lanes.keys())
    return lanes


def keep_tidy(objects: Objects, fetcher: Fetcher, cache: Cache, stop: threading.Event) -> None:
    """Tidy every hour until the stop; for a thread of its own."""
    while not stop.wait(_EVERY):
        tidy(objects, fetcher, cache)
