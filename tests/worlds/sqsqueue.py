"""An SQS queue with a dead-letter queue, in moto."""

import json
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

import boto3
import pytest

from listener.sources.contract import Delivery, Origin
from listener.sources.sqs import SqsSource, open_sqs
from testbed.actions import Action, answer, hang_up
from testbed.moto import REGION, Moto
from testbed.proxy import WireProxy
from testbed.request import any_request
from testbed.rule import Rule
from worlds.sources import CANARY, EVERYTHING, Ability, Opening

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient

_RECEIVES_BEFORE_DEATH = 3
_DENIAL = json.dumps(
    {"__type": "com.amazonaws.sqs#AccessDeniedException", "message": f"not {CANARY}"}
).encode()


class SqsQueue:
    """Implements worlds.sources.SourceWorld."""

    # moto deletes by an old receipt too; of SQS itself AWS says that it might.
    abilities = EVERYTHING - {Ability.TELLS_LATE_ACKS}
    shortest_hold = 1.0
    shortest_delay = 1.0
    longest_wait = 1.0

    def __init__(
        self, admin: "SQSClient", proxy: WireProxy, account: str, credentials: list[str]
    ) -> None:
        self.credentials: Sequence[str] = credentials
        self._admin = admin
        self._proxy = proxy
        self._account = account
        self._url = ""
        self._dead = ""
        self._buried: list[str] = []
        self._opened: list[SqsSource] = []

    def prepare(self, hold: float) -> None:
        self._dead = self._admin.create_queue(QueueName="changes-dead")["QueueUrl"]
        told = self._admin.get_queue_attributes(QueueUrl=self._dead, AttributeNames=["QueueArn"])
        policy = {
            "deadLetterTargetArn": told["Attributes"]["QueueArn"],
            "maxReceiveCount": _RECEIVES_BEFORE_DEATH,
        }
        attributes = {"VisibilityTimeout": str(int(hold)), "RedrivePolicy": json.dumps(policy)}
        self._url = self._admin.create_queue(
            QueueName="changes",
            Attributes=attributes,  # type: ignore[arg-type]  # the stub wants literals
        )["QueueUrl"]

    def open(self) -> SqsSource:
        source = open_sqs(self._url, endpoint_url=self._proxy.url, wait_seconds=1, reject_seconds=0)
        self._opened.append(source)
        return source

    def put(self, *names: str) -> None:
        for name in names:
            self._admin.send_message(QueueUrl=self._url, MessageBody=_body(name))

    def name_of(self, delivery: Delivery) -> str:
        name: str = json.loads(delivery.body)["name"]
        return name

    def check(self, delivery: Delivery, name: str) -> None:
        assert delivery.body == _body(name)
        assert not delivery.attributes
        assert delivery.origin == Origin(REGION, self._account)
        assert abs(delivery.sent_at - time.time()) < 60

    def spoiled(self, delivery: Delivery) -> Delivery:
        return replace(delivery, receipt="no such receipt")

    def left(self) -> int:
        return self._count(self._url)

    def buried(self) -> list[str]:
        while self._count(self._dead) > len(self._buried):
            reply = self._admin.receive_message(QueueUrl=self._dead, VisibilityTimeout=600)
            bodies = [message["Body"] for message in reply.get("Messages", ())]
            self._buried.extend(json.loads(body)["name"] for body in bodies)
        return self._buried

    @contextmanager
    def away(self) -> Iterator[None]:
        with self._troubled(hang_up):
            self._proxy.cut_connections()
            yield

    @contextmanager
    def denied(self) -> Iterator[None]:
        with self._troubled(answer(403, _DENIAL)):
            yield

    def close(self) -> None:
        for source in self._opened:
            source.close()
        self._admin.close()

    def _count(self, url: str) -> int:
        told = self._admin.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])
        attributes = told["Attributes"]
        return int(attributes["ApproximateNumberOfMessages"]) + int(
            attributes["ApproximateNumberOfMessagesNotVisible"]
        )

    @contextmanager
    def _troubled(self, action: Action) -> Iterator[Rule]:
        rule = self._proxy.when(any_request, action, times=None)
        try:
            yield rule
        finally:
            rule.retire()


def sqs_queue(request: pytest.FixtureRequest) -> Opening:
    """The queue in an account of the test's own, to which the environment of this process leads."""
    moto: Moto = request.getfixturevalue("moto")
    proxy: WireProxy = request.getfixturevalue("moto_proxy")
    account: str = request.getfixturevalue("aws_account")
    monkeypatch: pytest.MonkeyPatch = request.getfixturevalue("monkeypatch")
    environment = moto.env(account)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    credentials = [environment["AWS_SECRET_ACCESS_KEY"], environment["AWS_SESSION_TOKEN"]]
    # boto3.client would keep the credentials of the first test.
    world = SqsQueue(boto3.Session().client("sqs"), proxy, account, credentials)
    yield world
    world.close()


def _body(name: str) -> str:
    return json.dumps({"name": name, "value": CANARY})
