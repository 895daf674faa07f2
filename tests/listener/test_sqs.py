"""SqsSource and a real SQS emulator; what the emulator cannot do, the proxy on the wire says."""

import json
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import boto3
import pytest

from listener.sources.contract import Delivery, Origin, Source
from listener.sources.sqs import SqsSource, open_sqs
from testbed.actions import answer, pass_on
from testbed.moto import REGION, Moto
from testbed.proxy import WireProxy
from testbed.request import aws

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient

LONG = {"VisibilityTimeout": "600"}
SHORT = {"VisibilityTimeout": "1"}


class Queues:
    """The queues of one account: makes them, fills them, opens them as Hark does."""

    def __init__(self, admin: "SQSClient", proxy: WireProxy) -> None:
        self.admin = admin
        self._proxy = proxy
        self._opened: list[SqsSource] = []

    def make(self, name: str, attributes: Mapping[str, str] = LONG) -> str:
        reply = self.admin.create_queue(
            QueueName=name,
            Attributes=dict(attributes),  # type: ignore[arg-type]  # the stub wants literals
        )
        return reply["QueueUrl"]

    def make_with_dead_letters(self, name: str, receives: int) -> tuple[str, str]:
        dead = self.make(f"{name}-dead")
        told = self.admin.get_queue_attributes(QueueUrl=dead, AttributeNames=["QueueArn"])
        policy = {
            "deadLetterTargetArn": told["Attributes"]["QueueArn"],
            "maxReceiveCount": receives,
        }
        return self.make(name, {**LONG, "RedrivePolicy": json.dumps(policy)}), dead

    def send(self, url: str, *bodies: str) -> None:
        for body in bodies:
            self.admin.send_message(QueueUrl=url, MessageBody=body)

    def open(self, url: str, wait_seconds: int = 20) -> SqsSource:
        source = open_sqs(
            url, endpoint_url=self._proxy.url, wait_seconds=wait_seconds, reject_seconds=1
        )
        self._opened.append(source)
        return source

    def close(self) -> None:
        for source in self._opened:
            source.close()
        self.admin.close()


@pytest.fixture
def queues(
    moto: Moto, aws_account: str, moto_proxy: WireProxy, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Queues]:
    for name, value in moto.env(aws_account).items():
        monkeypatch.setenv(name, value)
    # boto3.client would keep the credentials of the first test.
    opened = Queues(boto3.Session().client("sqs"), moto_proxy)
    yield opened
    opened.close()


def bodies(deliveries: Sequence[Delivery]) -> list[str]:
    return sorted(delivery.body for delivery in deliveries)


def drain(source: SqsSource, count: int) -> list[Delivery]:
    held: list[Delivery] = []
    while len(held) < count:
        held.extend(source.receive())
    return held


def known(source: SqsSource) -> tuple[bool | None, float]:
    return source.dead_letter_queue, source.extend_every


def test_it_is_a_source(queues: Queues) -> None:
    source: Source = queues.open(queues.make("changes"))
    assert (source.name, source.via) == ("sqs:changes", "sqs")


def test_messages_come_in_batches_with_their_origin(queues: Queues, aws_account: str) -> None:
    url = queues.make("changes")
    before = time.time()
    queues.send(url, "one", "two", "three")
    held = drain(queues.open(url), 3)
    assert bodies(held) == ["one", "three", "two"]
    assert {delivery.attempts for delivery in held} == {1}
    assert {delivery.origin for delivery in held} == {Origin(REGION, aws_account)}
    assert all(before - 2 < delivery.sent_at < time.time() + 2 for delivery in held)


def test_an_empty_queue_gives_nothing_after_the_wait(queues: Queues) -> None:
    assert not queues.open(queues.make("changes"), wait_seconds=1).receive()


def test_a_waiting_receive_wakes_when_a_message_arrives(
    queues: Queues, moto_proxy: WireProxy
) -> None:
    url = queues.make("changes")
    source = queues.open(url)
    with ThreadPoolExecutor() as threads:
        waiting = threads.submit(source.receive)
        moto_proxy.wait_for(aws("ReceiveMessage"))
        began = time.monotonic()
        queues.send(url, "news")
        assert bodies(waiting.result()) == ["news"]
    # Without news it would wait for twenty.
    assert time.monotonic() - began < 18


def test_an_acknowledged_message_is_gone(queues: Queues) -> None:
    url = queues.make("changes", SHORT)
    queues.send(url, "one")
    source = queues.open(url, wait_seconds=2)
    assert not source.ack(source.receive())
    assert not source.receive()


def test_more_than_ten_are_acknowledged_in_tens(queues: Queues, moto_proxy: WireProxy) -> None:
    url = queues.make("changes")
    queues.send(url, *(str(number) for number in range(23)))
    source = queues.open(url)
    rule = moto_proxy.when(aws("DeleteMessageBatch"), pass_on, times=None)
    assert not source.ack(drain(source, 23))
    assert [len(request.json["Entries"]) for request in rule.met] == [10, 10, 3]


def test_what_was_not_acknowledged_comes_again_after_its_visibility(queues: Queues) -> None:
    url = queues.make("changes", SHORT)
    queues.send(url, "one")
    source = queues.open(url)
    first = drain(source, 1)
    again = drain(source, 1)
    assert again[0].attempts == 2
    assert again[0].receipt != first[0].receipt


def test_what_is_extended_stays_ours(queues: Queues) -> None:
    # Long enough that a busy machine keeps the pace of a third of it.
    url = queues.make("changes", {"VisibilityTimeout": "4"})
    queues.send(url, "one")
    source = queues.open(url)
    other = queues.open(url, wait_seconds=6)
    held = drain(source, 1)
    stop = threading.Event()

    def keep() -> None:
        source.extend(held)
        while not stop.wait(source.extend_every):
            source.extend(held)

    with ThreadPoolExecutor() as threads:
        keeping = threads.submit(keep)
        received = other.receive()
        stop.set()
        keeping.result()
    assert not received
    assert not source.ack(held)


def test_what_is_handed_back_comes_again_when_asked(queues: Queues) -> None:
    url = queues.make("changes")
    queues.send(url, "one")
    source = queues.open(url)
    source.retry(drain(source, 1), after=0.2)
    assert drain(source, 1)[0].attempts == 2


@pytest.mark.parametrize(("asked", "said"), [(-1, 0), (0, 0), (0.2, 1), (60, 60), (1e9, 39600)])
def test_the_wait_before_a_retry_keeps_to_what_sqs_takes(
    queues: Queues, moto_proxy: WireProxy, asked: float, said: int
) -> None:
    url = queues.make("changes")
    queues.send(url, "one")
    source = queues.open(url)
    rule = moto_proxy.when(aws("ChangeMessageVisibilityBatch"), pass_on)
    source.retry(drain(source, 1), after=asked)
    assert rule.met[0].json["Entries"][0]["VisibilityTimeout"] == said


def test_a_rejected_message_ends_in_the_dead_letter_queue(queues: Queues) -> None:
    url, dead = queues.make_with_dead_letters("changes", receives=2)
    queues.send(url, "gibberish")
    source = queues.open(url, wait_seconds=3)
    for attempt in (1, 2):
        held = drain(source, 1)
        assert held[0].attempts == attempt
        assert source.reject(held) == (attempt == 2)
    assert not source.receive()
    assert bodies(drain(queues.open(dead), 1)) == ["gibberish"]


def test_without_a_dead_letter_queue_rejected_messages_come_ever_more_rarely(
    queues: Queues, moto_proxy: WireProxy
) -> None:
    url = queues.make("changes")
    source = queues.open(url)
    source.read_settings()
    rule = moto_proxy.when(aws("ChangeMessageVisibilityBatch"), pass_on)
    origin = Origin()
    source.reject([Delivery("", "receipt", count, 0, origin) for count in (1, 2, 3, 11, 5000)])
    waits = [entry["VisibilityTimeout"] for entry in rule.met[0].json["Entries"]]
    assert waits == [1, 2, 4, 900, 900]


def test_the_queue_says_its_visibility_up_to_two_minutes_and_whether_it_has_dead_letters(
    queues: Queues, moto_proxy: WireProxy
) -> None:
    with_dead, _ = queues.make_with_dead_letters("with", receives=3)
    without = queues.open(queues.make("without", SHORT))
    source = queues.open(with_dead)
    assert known(source) == (None, 10)
    for opened in (source, source, without):
        opened.read_settings()
    assert known(source) == (True, 40)
    assert known(without) == (False, 1 / 3)
    assert moto_proxy.count(aws("GetQueueAttributes")) == 2


def test_without_permission_to_look_messages_are_held_for_thirty_seconds(
    queues: Queues, moto_proxy: WireProxy
) -> None:
    url = queues.make("changes", SHORT)
    queues.send(url, "one")
    source = queues.open(url)
    denied = b'{"__type":"com.amazonaws.sqs#AccessDeniedException"}'
    moto_proxy.when(aws("GetQueueAttributes"), answer(403, denied))
    received = moto_proxy.when(aws("ReceiveMessage"), pass_on)
    assert bodies(drain(source, 1)) == ["one"]
    assert received.met[0].json["VisibilityTimeout"] == 30
    assert known(source) == (None, 10)


def test_those_that_sqs_did_not_delete_are_given_back(
    queues: Queues, moto_proxy: WireProxy
) -> None:
    url = queues.make("changes")
    queues.send(url, "one", "two", "three")
    source = queues.open(url)
    held = drain(source, 3)
    partly = {
        "Successful": [{"Id": "0"}, {"Id": "2"}],
        "Failed": [{"Id": "1", "Code": "InternalError", "SenderFault": False}],
    }
    moto_proxy.when(aws("DeleteMessageBatch"), answer(200, json.dumps(partly).encode()))
    assert source.ack(held) == [held[1]]


def test_a_receipt_that_sqs_does_not_know_is_given_back(queues: Queues) -> None:
    url = queues.make("changes")
    queues.send(url, "one")
    source = queues.open(url)
    held = drain(source, 1)
    unknown = Delivery("body", "no such receipt", 1, 0, Origin())
    assert source.ack([unknown, *held]) == [unknown]


def test_extending_what_is_gone_already_does_no_harm(queues: Queues) -> None:
    url = queues.make("changes")
    queues.send(url, "one")
    source = queues.open(url)
    held = drain(source, 1)
    source.ack(held)
    source.extend(held)
    source.extend([])


def test_a_delivery_shows_no_body(queues: Queues) -> None:
    url = queues.make("changes")
    queues.send(url, "hunter2")
    assert "hunter2" not in repr(drain(queues.open(url), 1))


@pytest.mark.parametrize("module", ["contract", "sqs"])
def test_no_aws_sdk_is_loaded_before_a_queue_is_opened(module: str) -> None:
    program = (
        f"import sys, listener.sources.{module}\n"
        "print([name for name in sys.modules if name.startswith('boto')])"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"
