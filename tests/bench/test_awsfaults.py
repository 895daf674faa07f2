"""The bench's double of AWS misbehaves when it is asked to, and only then."""

import json
import time
from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from bench.aws import ROLE, Aws


@pytest.fixture
def aws() -> Iterator[Aws]:
    with Aws() as double:
        double.set_latency(0)
        double.create({"db": "old"})
        yield double


def _client(aws: Aws, service: str, key: str = "AKIABENCHBENCHBENCH0") -> Any:
    return boto3.Session(
        aws_access_key_id=key, aws_secret_access_key="none", region_name="eu-central-1"
    ).client(
        service,  # type: ignore[call-overload] # Several services by one function.
        endpoint_url=aws.url,
        config=Config(retries={"total_max_attempts": 1, "mode": "standard"}),
    )


def test_every_second_read_is_refused_for_a_while_and_counted(aws: Aws) -> None:
    manager = _client(aws, "secretsmanager")
    aws.throttle(60)
    for _ in range(2):
        with pytest.raises(ClientError, match="ThrottlingException"):
            manager.get_secret_value(SecretId="db")
        assert manager.get_secret_value(SecretId="db")["SecretString"] == "old"
    assert manager.describe_secret(SecretId="db")["Name"] == "db"
    assert (aws.counts().refused, aws.counts().values) == (2, 2)
    aws.throttle(0)
    manager.get_secret_value(SecretId="db")
    assert aws.counts().refused == 2


def test_one_role_hangs_and_no_other(aws: Aws) -> None:
    aws.hang(ROLE, 0.3)
    lent = _client(aws, "sts").assume_role(RoleArn=ROLE, RoleSessionName="test")["Credentials"]
    began = time.monotonic()
    _client(aws, "secretsmanager", lent["AccessKeyId"]).get_secret_value(SecretId="db")
    assert time.monotonic() - began >= 0.3
    other = _client(aws, "sts").assume_role(RoleArn=f"{ROLE}2", RoleSessionName="test")
    assert other["Credentials"]["AccessKeyId"] != lent["AccessKeyId"]


def test_an_event_may_come_three_times_and_in_any_order(aws: Aws) -> None:
    sent = aws.change({"db": "new", "mail": "new"}, copies=3, shuffle=True)
    assert set(sent) == {"db", "mail"}
    received = _client(aws, "sqs").receive_message(
        QueueUrl=aws.queue_url, MaxNumberOfMessages=10, MessageSystemAttributeNames=["All"]
    )["Messages"]
    told = [json.loads(message["Body"]) for message in received]
    names = [event["detail"]["name"] for event in told]
    assert sorted(names) == ["db"] * 3 + ["mail"] * 3
    assert names != ["db", "mail"] * 3
    assert len({event["id"] for event in told}) == 2
    assert {message["MessageId"] for message in received} > set(sent.values())
