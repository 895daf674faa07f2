"""The worlds of all sources: a new kind of source adds the opener of its world here, and passes all
tests of the contract.
"""

from collections.abc import Callable

import pytest

from worlds.eventgridqueue import event_grid_queue
from worlds.sources import Opening
from worlds.sqsqueue import sqs_queue
from worlds.storagequeue import storage_queue
from worlds.subscription import pubsub_queue
from worlds.vaultpaths import vault_paths
from worlds.webhookposts import webhook_posts

SOURCE_WORLDS: dict[str, Callable[[pytest.FixtureRequest], Opening]] = {
    "sqs": sqs_queue,
    "eventgrid": event_grid_queue,
    "vault": vault_paths,
    "storagequeue": storage_queue,
    "pubsub": pubsub_queue,
    "webhook": webhook_posts,
}
"""By the source's `via`. An opener is a generator that yields its world once, as a fixture does; it
takes the fixtures that it needs from the request.
"""
