"""`hark test-event` as a user runs it: a command with credentials of its own, and a listener that
hears every kind of queue.
"""

import re
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from testbed import eventgrid
from testbed.azure import AzureDouble
from testbed.azurite import connection_string
from testbed.installation import HarkProcess
from testbed.pubsub import PubSubServer
from testbed.topics import Topics
from worlds.eventgridqueue import SUBSCRIPTION, TOPIC
from worlds.spine import Spine, await_until, unique
from worlds.storagequeue import QueuesOfATest

ROOT = Path(__file__).resolve().parents[2]


def hark(*arguments: str, environment: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "hark", "test-event", *arguments],
        cwd=ROOT,
        env=dict(environment),
        capture_output=True,
        text=True,
        timeout=90,
        check=False,
    )


class Sender:
    """Sends by the command, and waits until the listener has told of it."""

    def __init__(self, listener: HarkProcess, environment: Mapping[str, str]) -> None:
        self._listener = listener
        self._environment = environment

    def send(self, *arguments: str) -> dict[str, Any]:
        """What the listener logged."""
        done = hark(*arguments, environment=self._environment)
        assert done.returncode == 0, done.stderr
        sent = re.search(r"with the id (\S+),", done.stdout)
        assert sent, done.stdout
        assert f"| grep {sent[1]}\n" in done.stdout
        heard = await_until(
            lambda: [one for one in self._listener.events() if one.get("id") == sent[1]],
            bool,
            "the listener heard of it",
        )
        assert heard[0]["event"] == "test.heard"
        return heard[0]

    def await_counted(self, count: int) -> None:
        metric = "hark_listener_messages_ignored_total"
        await_until(lambda: self._listener.metric(metric), lambda seen: seen == count, "counted")
        assert f'{metric}{{reason="test_message"' in self._listener.get("/metrics")[1]


def left(spine: Spine) -> int:
    reply = spine.aws("sqs").get_queue_attributes(QueueUrl=spine.queue, AttributeNames=["All"])
    told: dict[str, str] = reply["Attributes"]
    names = ("ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible")
    return sum(int(told[name]) for name in names)


def test_a_test_message_goes_by_each_kind_of_queue_and_is_told_counted_and_done(
    spine: Spine, tmp_path: Path, azurite: str, pubsub_server: PubSubServer
) -> None:
    topics = Topics(pubsub_server.address, "shop-prod")
    storage = QueuesOfATest(azurite, azurite)
    storage.queue.create_queue()
    with AzureDouble(tmp_path) as azure:
        azure.grid.longest_wait = 1.0
        namespace = unique("ns")
        grid = azure.grid.create(namespace, TOPIC, SUBSCRIPTION)
        place = f"{namespace}.{eventgrid.SUFFIX}/topics/{TOPIC}/subscriptions/{SUBSCRIPTION}"
        ways = {
            **azure.env(),
            **azure.client_env(),
            "HARK_AZURE_STORAGE_CONNECTION_STRING": connection_string(azurite),
            "PUBSUB_EMULATOR_HOST": pubsub_server.address,
        }
        listened = {
            "HARK_EVENTGRID_SUBSCRIPTIONS": f"https://{place}",
            "HARK_AZURE_STORAGE_QUEUES": storage.url,
            "HARK_PUBSUB_SUBSCRIPTIONS": topics.make("changes"),
        }
        listener = spine.listener(environment={**ways, **listened})
        # As pods know it; the SDK itself heeds the other name alone.
        of_pods = {**spine.environment, "AWS_DEFAULT_REGION": ""}
        sender = Sender(listener, {**of_pods, **ways})
        assert sender.send("--queue", spine.queue)["source"].startswith("sqs:")
        assert sender.send("--event-bus", "default")["source"].startswith("sqs:")
        assert sender.send("--eventgrid", f"https://{place}")["source"].startswith("eventgrid:")
        assert sender.send("--storage-queue", storage.url)["source"].startswith("storagequeue:")
        topic = topics.topic("changes")
        assert sender.send("--pubsub", topic)["source"].startswith("pubsub:")
        sender.await_counted(5)
        await_until(grid.undone, lambda count: count == 0, "the event is acknowledged")
        await_until(storage.left, lambda count: count == 0, "the storage queue is empty")
        await_until(lambda: left(spine), lambda count: count == 0, "the queue is empty")
    topics.close()
    storage.close()
    assert not grid.dead
    assert not storage.buried()


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        ((), 2, "one of the arguments"),
        (("--queue", "a", "--pubsub", "b"), 2, "not allowed with"),
        (("--queue", "hark"), 2, "is not the URL of an SQS queue"),
        (("--pubsub", "secrets"), 2, "is not the full name of a Pub/Sub topic"),
        (("--storage-queue", "hark"), 2, "is not the URL of a storage queue"),
        (("--eventgrid", "http://host.name/topics/a/subscriptions/b"), 2, "is not https"),
    ],
)
def test_what_is_no_queue_is_refused_in_a_sentence(
    arguments: tuple[str, ...], code: int, said: str
) -> None:
    done = hark(*arguments, environment={})
    assert (done.returncode, said in done.stderr) == (code, True), done.stderr


def test_what_could_not_be_sent_is_told(spine: Spine) -> None:
    done = hark("--queue", f"{spine.queue}-absent", environment=spine.environment)
    assert done.returncode == 1
    assert done.stderr.startswith("hark: Nothing was sent to the SQS queue ")
    assert "sqs:SendMessage" in done.stderr
    assert not done.stdout
    done = hark("--event-bus", "absent", environment={**spine.environment, "AWS_REGION": ""})
    assert done.returncode == 1
    assert done.stderr.startswith("hark: Nothing was sent to the event bus absent")
