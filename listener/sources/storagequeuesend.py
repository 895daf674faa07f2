"""Sends one message into an Azure storage queue, as whoever runs it.

Used by `hark test-event`; the listener itself never sends. Raises Retry and GiveUp as the source of
the same queue does. The SDK is loaded with this module.
"""

import base64

from listener.sources.storagequeueclient import StorageAccess, make_client
from listener.sources.storagequeueerrors import translated
from listener.sources.storagequeueurl import StorageQueueUrl


def send_to_storage_queue(queue: StorageQueueUrl, access: StorageAccess, body: str) -> None:
    """Send as Event Grid does, in base64; needs the role Storage Queue Data Message Sender."""
    client = make_client(queue, access)
    with translated(f"{queue.account}/{queue.name}"):
        client.send_message(base64.b64encode(body.encode()).decode())
    client.close()
