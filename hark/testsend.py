"""Sends the message of `hark test-event` and tells how to look for it.

Fed by hark.testevent and by the environment of whoever runs it, whose own credentials send; feeds a
queue with one marked message (listener.messages.testmessage), which the listener acknowledges,
counts and logs with its id. It shows that the way from the queue to the listener works. It shows
nothing of the way from the cloud's rules to the queue, and does not look whether anybody listened.
"""

import argparse
import json
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial

from externalsecret.errors import GiveUp
from externalsecret.redacted import Redacted
from hark.sources.azureidentity import azure_credential, azure_proxy
from listener.messages.testmessage import SOURCE, TYPE, marked_data, marked_event
from listener.sources.subscriptionurl import parse_subscription_url

_LOOK = """\
The message is on its way, with the id {id}, to {place}.
See whether the listener heard it, in its log (event test.heard) and in its metrics:
  kubectl logs --namespace NAMESPACE deployment/LISTENER --since=10m | grep {id}
  hark_listener_messages_ignored_total{{reason="test_message"}}
{limits}"""
_QUEUE_ONLY = (
    "That shows that the queue reaches the listener. It does not show that the cloud's own events "
    "reach the queue: for that, change a secret."
)
_TOPIC = "Every subscription to the topic gets it, those of others too. " + _QUEUE_ONLY
_BUS = (
    f"It arrives only if a rule of that bus sends events of the source {SOURCE} to the queue, as "
    "TestRule of infra/aws/hark-events.yaml does. The rules for AWS's own events stay untried: "
    "nobody but AWS may send with the source aws.secretsmanager."
)


def run(arguments: argparse.Namespace, environ: Mapping[str, str]) -> int:
    """Send; the exit code. Raises Retry and GiveUp."""
    message = _Message(str(uuid.uuid4()), datetime.now(UTC))
    for name, send in _SENDERS.items():
        where = getattr(arguments, name)
        if where is not None:
            place, limits = send(where, message, environ)
            print(_LOOK.format(id=message.id, place=place, limits=limits))
    return 0


@dataclass(frozen=True, slots=True)
class _Message:
    id: str
    now: datetime

    @property
    def event(self) -> dict[str, object]:
        return marked_event(self.id, self.now)

    @property
    def body(self) -> str:
        return json.dumps(self.event)


_Sent = tuple[str, str]
"""Where a message went, and what that does not show."""


# Each loads the SDK of its own cloud and no other.


def _to_queue(url: str, message: _Message, _environ: Mapping[str, str]) -> _Sent:
    from listener.sources.sqssend import send_to_queue  # noqa: PLC0415 - see above

    send_to_queue(url, message.id, message.body)
    return f"the SQS queue {url}", _QUEUE_ONLY


def _to_bus(bus: str, message: _Message, _environ: Mapping[str, str]) -> _Sent:
    from listener.sources.sqssend import send_to_bus  # noqa: PLC0415 - see above

    send_to_bus(bus, SOURCE, TYPE, marked_data(message.id))
    return f"the event bus {bus}", _BUS


def _to_topic(topic: str, message: _Message, _environ: Mapping[str, str]) -> _Sent:
    from listener.sources.pubsubsend import send_to_topic  # noqa: PLC0415 - see above

    send_to_topic(topic, message.body)
    return f"the topic {topic}", _TOPIC


def _to_storage_queue(url: str, message: _Message, environ: Mapping[str, str]) -> _Sent:
    from listener.sources.storagequeueurl import parse_storage_queue_url  # noqa: PLC0415

    queue = parse_storage_queue_url(url)
    try:
        from listener.sources.storagequeueclient import StorageAccess  # noqa: PLC0415
        from listener.sources.storagequeuesend import send_to_storage_queue  # noqa: PLC0415
    except ImportError:
        raise GiveUp(
            "Storage queues need their SDK. Install Hark with its extra 'azure'.",
            reason="MissingPart",
        ) from None
    access = StorageAccess(
        credential=partial(azure_credential, environ),
        connection_string=environ.get("HARK_AZURE_STORAGE_CONNECTION_STRING", ""),
        proxy=azure_proxy(environ),
    )
    send_to_storage_queue(queue, access, message.body)
    return f"the storage queue {queue.url}", _QUEUE_ONLY


def _to_event_grid(url: str, message: _Message, environ: Mapping[str, str]) -> _Sent:
    from listener.sources.eventgridsend import send_to_event_grid  # noqa: PLC0415 - see above

    place = parse_subscription_url(url)
    key = environ.get("HARK_EVENTGRID_KEY", "")
    credential = Redacted(key.encode()) if key else azure_credential(environ)
    send_to_event_grid(place, credential, azure_proxy(environ), message.event)
    return f"the topic {place.topic} at {place.host}", _TOPIC


_SENDERS = {
    "queue": _to_queue,
    "event_bus": _to_bus,
    "pubsub": _to_topic,
    "storage_queue": _to_storage_queue,
    "eventgrid": _to_event_grid,
}
