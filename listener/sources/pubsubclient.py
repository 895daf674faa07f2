"""The client for Pub/Sub: where it connects, with whose credentials, how soon it connects again.

Feeds pubsub. Credentials come from wherever Google's libraries find them (workload identity,
GOOGLE_APPLICATION_CREDENTIALS, gcloud's own); PUBSUB_EMULATOR_HOST leads to an emulator, without
TLS and without credentials. No call is made here but that credentials may be looked for at the
metadata server. The SDK is loaded at the first call of `make_client`, so that those who have no
subscription need neither the package nor its memory.

Calls are single ones over gRPC. The SDK's streams lease messages to a subscriber that is gone for a
minute, and the test server knows no other transport. gRPC has a proxy and certificates of its own:
https_proxy and no_proxy (lower case), GRPC_DEFAULT_SSL_ROOTS_FILE_PATH.
"""

import logging
import os
from functools import partial
from typing import TYPE_CHECKING, Any

from externalsecret.errors import GiveUp
from listener.sources.pubsuberrors import translated
from listener.sources.subscription import Subscription

if TYPE_CHECKING:
    import grpc
    from google.pubsub_v1 import SubscriberClient

EMULATOR_VARIABLE = "PUBSUB_EMULATOR_HOST"

# gRPC itself would wait up to two minutes before it connects again, and 20 s for a connection.
_CHANNEL_OPTIONS = (
    ("grpc.initial_reconnect_backoff_ms", 500),
    ("grpc.min_reconnect_backoff_ms", 5_000),
    ("grpc.max_reconnect_backoff_ms", 2_000),
    ("grpc.keepalive_time_ms", 30_000),
    ("grpc.keepalive_timeout_ms", 10_000),
    ("grpc.max_receive_message_length", -1),
    ("grpc.max_send_message_length", -1),
    # Sources share no connection, and so no trouble.
    ("grpc.use_local_subchannel_pool", 1),
)
# At debug level these show whole messages, or tokens.
_SILENT = (
    "google.pubsub_v1.services.subscriber.client",
    "google.pubsub_v1.services.subscriber.transports.grpc",
    "google.pubsub_v1",
    "google.auth",
    "google.auth.transport.requests",
    "google",
    "grpc",
    "urllib3",
)


def make_client(subscription: Subscription) -> "SubscriberClient":
    """Make a client, which threads may share. Raises GiveUp (MissingPart) where the SDK is not
    installed, and Retry where there are no credentials.
    """
    try:
        import grpc  # noqa: PLC0415 - see the module's docstring
        from google.pubsub_v1 import SubscriberClient  # noqa: PLC0415
        from google.pubsub_v1.services.subscriber.transports import (  # noqa: PLC0415
            SubscriberGrpcTransport,
        )
    except ImportError as error:
        raise GiveUp(
            "Pub/Sub needs google-cloud-pubsub. Install Hark with its extra 'gcp'.",
            reason="MissingPart",
        ) from error
    _silence()
    emulator = os.environ.get(EMULATOR_VARIABLE)
    if emulator:
        channel = grpc.insecure_channel(emulator, options=_CHANNEL_OPTIONS)
        return SubscriberClient(transport=SubscriberGrpcTransport(channel=channel))

    def connect(host: str, **given: Any) -> "grpc.Channel":
        return SubscriberGrpcTransport.create_channel(host, **given | {"options": _CHANNEL_OPTIONS})

    with translated(subscription):
        return SubscriberClient(transport=partial(SubscriberGrpcTransport, channel=connect))


def _silence() -> None:
    for name in _SILENT:
        logger = logging.getLogger(name)
        if logger.getEffectiveLevel() < logging.INFO:
            logger.setLevel(logging.INFO)
