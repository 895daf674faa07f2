"""What an idle SQS queue costs, and queues of other regions and accounts."""

import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import boto3
import pytest
from prometheus_client import CollectorRegistry

from externalsecret.dialect.contract import Defaults
from fakes.kubeapi import FakeKubeApi
from listener.ear import Ear
from listener.hold import Hold
from listener.index import Index
from listener.listen import Listener
from listener.messages import aws as messages
from listener.metrics import ListenerMetrics
from listener.notes import NoteWriter
from listener.recent import Recent
from listener.sources.contract import Origin
from listener.sources.sqs import SqsSource, open_sqs
from testbed.exchange import Exchange
from testbed.moto import Moto
from testbed.proxy import WireProxy
from testbed.request import aws

# google.auth comes with the Kubernetes client.
OTHER_SDKS = (
    *("google.cloud", "google.api_core", "grpc", "azure", "hvac"),
    *("flask", "cheroot", "websockets", "jwt"),
)


@pytest.fixture
def account(moto: Moto, aws_account: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """An account to which the environment of this process leads."""
    for name, value in moto.env(aws_account).items():
        monkeypatch.setenv(name, value)
    return aws_account


def _make(region: str) -> None:
    client = boto3.Session().client("sqs", region_name=region)
    client.create_queue(QueueName="changes")
    client.close()


def _listener(source: SqsSource, stop: threading.Event) -> Listener:
    """A listener that knows nobody; what it hears does not matter."""
    metrics = ListenerMetrics(CollectorRegistry())
    recent = Recent()
    index = Index(Defaults(), "", recent, lambda _key, _notes: None)
    notes = NoteWriter(
        FakeKubeApi(),
        metrics,
        stop=stop,
        on_reply=index.refresh,
        on_pruned=stop.set,
        on_refused=lambda _key, _why: None,
        may_note=lambda: True,
        standing=index.standing,
    )
    ear = Ear(index, recent, notes, metrics, lambda: True, stop)
    return Listener(
        source,
        lambda delivery: messages.parse(delivery.body, delivery.origin),
        Hold(source, metrics),
        ear,
    )


def test_an_idle_queue_is_asked_by_one_long_poll_at_a_time_and_nothing_else(
    account: str, moto_proxy: WireProxy
) -> None:
    _make("eu-central-1")
    url = f"https://sqs.eu-central-1.amazonaws.com/{account}/changes"
    source = open_sqs(url, endpoint_url=moto_proxy.url, wait_seconds=1)
    stop = threading.Event()
    under_way: list[int] = []
    most: list[int] = []

    def count(exchange: Exchange) -> None:
        under_way.append(1)
        most.append(len(under_way))
        exchange.forward()
        under_way.pop()
        exchange.deliver()

    rule = moto_proxy.when(aws("ReceiveMessage"), count, times=None)
    with ThreadPoolExecutor() as threads:
        running = threads.submit(_listener(source, stop).run)
        rule.wait(count=3)
        stop.set()
        running.result()
    source.close()
    receives = len(rule.met)
    assert max(most) == 1
    assert {request.json["WaitTimeSeconds"] for request in rule.met} == {1}
    assert {request.json["MaxNumberOfMessages"] for request in rule.met} == {10}
    # Besides, the queue's settings, once.
    assert len(moto_proxy.log) == receives + 1


def test_unless_told_otherwise_a_receive_waits_as_long_as_sqs_allows(
    account: str, moto_proxy: WireProxy
) -> None:
    """Twenty seconds: 129,600 receives a month and queue, for one replica."""
    _make("eu-central-1")
    url = f"https://sqs.eu-central-1.amazonaws.com/{account}/changes"
    source = open_sqs(url, endpoint_url=moto_proxy.url)
    nothing = b"{}"
    asked = moto_proxy.when(
        aws("ReceiveMessage"), lambda exchange: exchange.answer(200, nothing, _JSON)
    )
    assert not source.receive()
    source.close()
    assert asked.met[0].json["WaitTimeSeconds"] == 20


def test_the_url_decides_the_region_whatever_the_environment_says(
    account: str, moto_proxy: WireProxy
) -> None:
    regions = ("us-west-2", "ap-southeast-2")
    sources = {}
    for region in regions:
        _make(region)
        url = f"https://sqs.{region}.amazonaws.com/{account}/changes"
        client = boto3.Session().client("sqs", region_name=region)
        client.send_message(QueueUrl=url, MessageBody=f"of {region}")
        client.close()
        sources[region] = open_sqs(url, endpoint_url=moto_proxy.url, wait_seconds=1)
    for region, source in sources.items():
        (delivery,) = source.receive()
        assert delivery.body == f"of {region}"
        assert delivery.origin == Origin(region, account)
        assert not source.ack([delivery])
        source.close()


def test_a_queue_of_another_account_is_asked_for_by_its_whole_url(
    account: str, moto_proxy: WireProxy
) -> None:
    """Its policy lets us in; that the queue answers at all is AWS's part."""
    assert account != "111122223333"
    url = "https://sqs.eu-west-1.amazonaws.com/111122223333/changes"
    source = open_sqs(url, endpoint_url=moto_proxy.url, wait_seconds=1)
    empty = b'{"Attributes":{"VisibilityTimeout":"30"}}'
    message = (
        b'{"Messages":[{"Body":"{}","ReceiptHandle":"r","MessageId":"m",'
        b'"Attributes":{"ApproximateReceiveCount":"1","SentTimestamp":"1767225600000"}}]}'
    )
    moto_proxy.when(aws("GetQueueAttributes"), lambda exchange: exchange.answer(200, empty, _JSON))
    asked = moto_proxy.when(
        aws("ReceiveMessage"), lambda exchange: exchange.answer(200, message, _JSON)
    )
    (delivery,) = source.receive()
    source.close()
    assert delivery.origin == Origin("eu-west-1", "111122223333")
    assert asked.met[0].json["QueueUrl"] == url
    assert "/eu-west-1/sqs/" in asked.met[0].headers["authorization"]


def test_a_listener_with_sqs_alone_loads_no_other_sdk(account: str, moto: Moto) -> None:
    program = (
        "import os, sys\n"
        "import hark.listening\n"
        "from hark.settings import read_settings\n"
        "(plan,) = read_settings(os.environ).sources\n"
        "plan.open(None)\n"
        "print(' '.join(sys.modules))\n"
    )
    url = f"{moto.url}/{account}/changes"
    environ = {"PATH": "", "PYTHONPATH": ".", "HARK_SQS_QUEUE_URLS": url, **moto.env(account)}
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, env=environ
    )
    loaded = done.stdout.split()
    assert "boto3" in loaded
    assert [name for name in loaded if name.startswith(OTHER_SDKS)] == []


_JSON = {"Content-Type": "application/x-amz-json-1.0"}
