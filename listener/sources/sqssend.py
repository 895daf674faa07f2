"""Sends one message into an SQS queue, or one event to an EventBridge bus, as whoever runs it.

Used by `hark test-event`; the listener itself never sends. Credentials come from wherever the SDK
finds them. Raises GiveUp with a sentence; nothing is tried again.
"""

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from externalsecret.errors import GiveUp
from listener.sources.queueurl import parse_queue_url
from listener.sources.sqsclient import make_client

_NOT_SENT = "NotSent"


def send_to_queue(queue_url: str, test_id: str, body: str) -> None:
    """Send to a queue; needs sqs:SendMessage on it, and kms:GenerateDataKey where its key is one of
    the customer's.
    """
    queue = parse_queue_url(queue_url)
    client = make_client(queue, None, None, 0)
    with _translated(f"the SQS queue {queue.name}", "sqs:SendMessage"):
        if queue.name.endswith(".fifo"):
            client.send_message(
                QueueUrl=queue.url,
                MessageBody=body,
                MessageGroupId="hark-test",
                MessageDeduplicationId=test_id,
            )
        else:
            client.send_message(QueueUrl=queue.url, MessageBody=body)
    client.close()


def send_to_bus(bus: str, source: str, detail_type: str, detail: Mapping[str, str]) -> None:
    """Send to an event bus of AWS_REGION, by its name or ARN; needs events:PutEvents on it.

    EventBridge takes it whether or not a rule wants it. Its source cannot be one of AWS's own.
    """
    try:
        import boto3  # noqa: PLC0415 - only for those who use it
    except ImportError:
        raise GiveUp(
            "EventBridge needs boto3. Install Hark with its extra 'aws'.", reason="MissingPart"
        ) from None
    entry = {
        "EventBusName": bus,
        "Source": source,
        "DetailType": detail_type,
        "Detail": json.dumps(detail),
    }
    with _translated(f"the event bus {bus}", "events:PutEvents"):
        # The SDK itself heeds AWS_DEFAULT_REGION alone, Hark everywhere AWS_REGION too.
        client = boto3.Session().client("events", region_name=os.environ.get("AWS_REGION") or None)
        reply = client.put_events(Entries=[entry])  # type: ignore[list-item] # a dict is one
        client.close()
    failed = reply["Entries"][0].get("ErrorCode")
    if failed:
        raise GiveUp(f"The event bus {bus} did not take the event ({failed}).", reason=_NOT_SENT)


@contextmanager
def _translated(place: str, action: str) -> Iterator[None]:
    from botocore.exceptions import BotoCoreError, ClientError  # noqa: PLC0415 - as above

    try:
        yield
    except ClientError as error:
        code = error.response.get("Error", {}).get("Code", "")
        raise GiveUp(
            f"Nothing was sent to {place} ({code}). Check region, account and name, and that your "
            f"own AWS credentials allow {action} there.",
            reason=_NOT_SENT,
        ) from None
    except BotoCoreError as error:
        raise GiveUp(
            f"Nothing was sent to {place} ({type(error).__name__}). Check your own AWS "
            "credentials, AWS_REGION and the network.",
            reason=_NOT_SENT,
        ) from None
