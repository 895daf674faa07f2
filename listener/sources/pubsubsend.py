"""Publishes one message to a Pub/Sub topic, as whoever runs it.

Used by `hark test-event`; the listener itself never sends. Credentials come from wherever Google's
libraries find them; PUBSUB_EMULATOR_HOST leads to an emulator. Raises GiveUp with a sentence;
nothing is tried again.
"""

import os
import re

from externalsecret.errors import GiveUp
from listener.sources.pubsubclient import EMULATOR_VARIABLE

TOPIC_EXAMPLE = "projects/shop-prod/topics/secrets"
_TOPIC = re.compile(
    r"projects/[a-z0-9.:-]{1,128}/topics/[A-Za-z][A-Za-z0-9._~+%-]{2,254}", re.ASCII
)
_SECONDS = 20.0
_NOT_SENT = "NotSent"


def send_to_topic(topic: str, body: str) -> None:
    """Publish to a topic by its full name; needs the role Pub/Sub Publisher on it."""
    if not _TOPIC.fullmatch(topic):
        raise GiveUp(
            f"{topic!r} is not the full name of a Pub/Sub topic. Give it as {TOPIC_EXAMPLE}.",
            reason="InvalidSetting",
        )
    try:
        import grpc  # noqa: PLC0415 - only for those who use it
        from google.api_core.exceptions import GoogleAPICallError  # noqa: PLC0415
        from google.auth.exceptions import GoogleAuthError  # noqa: PLC0415
        from google.pubsub_v1 import PublisherClient, PubsubMessage  # noqa: PLC0415
        from google.pubsub_v1.services.publisher.transports import (  # noqa: PLC0415
            PublisherGrpcTransport,
        )
    except ImportError:
        raise GiveUp(
            "Pub/Sub needs google-cloud-pubsub. Install Hark with its extra 'gcp'.",
            reason="MissingPart",
        ) from None
    emulator = os.environ.get(EMULATOR_VARIABLE)
    try:
        if emulator:
            channel = grpc.insecure_channel(emulator)
            client = PublisherClient(transport=PublisherGrpcTransport(channel=channel))
        else:
            client = PublisherClient()
        message = PubsubMessage(data=body.encode())
        client.publish(topic=topic, messages=[message], retry=None, timeout=_SECONDS)
        client.transport.close()
    except GoogleAPICallError as error:
        status = error.grpc_status_code
        code = "UNKNOWN" if status is None else status.name
        raise GiveUp(
            f"Nothing was sent to the topic {topic} ({code}). Check its name, and that your own "
            "Google credentials have the role Pub/Sub Publisher on it.",
            reason=_NOT_SENT,
        ) from None
    except GoogleAuthError as error:
        raise GiveUp(
            f"Nothing was sent to the topic {topic} ({type(error).__name__}). Log in, such as by "
            "`gcloud auth application-default login`, or set GOOGLE_APPLICATION_CREDENTIALS.",
            reason=_NOT_SENT,
        ) from None
