"""The bench's double of AWS speaks to the real SDK, and counts."""

import json
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError

from bench.aws import ROLE, Aws
from listener.messages import aws as messages
from listener.sources.contract import Origin


@pytest.fixture(scope="module")
def aws() -> Iterator[Aws]:
    with Aws() as double:
        double.set_latency(0)
        yield double


@pytest.fixture
def client(aws: Aws) -> Callable[[str], Any]:
    aws.reset()

    def make(service: str) -> Any:
        environment = aws.env()
        session = boto3.Session(
            aws_access_key_id=environment["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=environment["AWS_SECRET_ACCESS_KEY"],
            region_name=environment["AWS_REGION"],
        )
        open_client: Callable[..., Any] = session.client
        return open_client(service, endpoint_url=aws.url)

    return make


def _receive(sqs: Any, aws: Aws, wait: int = 0) -> list[dict[str, Any]]:
    reply = sqs.receive_message(
        QueueUrl=aws.queue_url,
        MaxNumberOfMessages=10,
        WaitTimeSeconds=wait,
        MessageSystemAttributeNames=["ApproximateReceiveCount", "SentTimestamp"],
    )
    found: list[dict[str, Any]] = reply.get("Messages", [])
    return found


def test_a_value_is_read_and_counted(aws: Aws, client: Callable[[str], Any]) -> None:
    aws.create({"one": "first"})
    found = client("secretsmanager").get_secret_value(SecretId="one", VersionStage="AWSCURRENT")
    assert found["SecretString"] == "first"
    assert found["VersionStages"] == ["AWSCURRENT"]
    assert aws.counts().calls == {"GetSecretValue": 1}
    assert aws.counts().values == 1


def test_a_batch_counts_each_value_and_names_what_is_missing(
    aws: Aws, client: Callable[[str], Any]
) -> None:
    aws.create({"b1": "x", "b2": "y"})
    found = client("secretsmanager").batch_get_secret_value(SecretIdList=["b1", "b2", "absent"])
    assert [row["SecretString"] for row in found["SecretValues"]] == ["x", "y"]
    assert [row["SecretId"] for row in found["Errors"]] == ["absent"]
    assert aws.counts().calls == {"BatchGetSecretValue": 1}
    assert aws.counts().values == 2


def test_an_unknown_secret_is_refused_as_aws_refuses_it(client: Callable[[str], Any]) -> None:
    with pytest.raises(ClientError) as refused:
        client("secretsmanager").get_secret_value(SecretId="absent")
    assert refused.value.response["Error"]["Code"] == "ResourceNotFoundException"


def test_metadata_tells_labels_and_costs_no_value(aws: Aws, client: Callable[[str], Any]) -> None:
    aws.create({"meta": "1"})
    aws.create({"meta": "2"})
    manager = client("secretsmanager")
    described = manager.describe_secret(SecretId="meta")["VersionIdsToStages"]
    assert sorted(described.values()) == [["AWSCURRENT"], ["AWSPREVIOUS"]]
    pages = manager.get_paginator("list_secrets").paginate(PaginationConfig={"PageSize": 1})
    listed = {row["Name"]: row for page in pages for row in page["SecretList"]}
    assert listed["meta"]["SecretVersionsToStages"] == described
    assert aws.counts().values == 0


def test_parameters_are_read_described_and_announced(
    aws: Aws, client: Callable[[str], Any]
) -> None:
    store, sqs = client("ssm"), client("sqs")
    aws.put_parameters({"/app/a": "1", "/app/b": "2"}, announced=False)
    sent = aws.put_parameters({"/app/a": "3"}, announced=True)
    found = store.get_parameters(Names=["/app/a", "absent"], WithDecryption=True)
    assert [(row["Value"], row["Version"]) for row in found["Parameters"]] == [("3", 2)]
    assert found["InvalidParameters"] == ["absent"]
    assert store.get_parameter(Name="/app/b")["Parameter"]["Value"] == "2"
    with pytest.raises(store.exceptions.ParameterNotFound):
        store.get_parameter(Name="absent")
    chosen = [{"Key": "Name", "Option": "Equals", "Values": ["/app/a", "/app/b"]}]
    pages = store.get_paginator("describe_parameters").paginate(
        ParameterFilters=chosen, PaginationConfig={"PageSize": 1}
    )
    assert [row["Version"] for page in pages for row in page["Parameters"]] == [2, 1]
    assert aws.counts().values == 2
    rows = _receive(sqs, aws)
    assert [row["MessageId"] for row in rows] == [sent["/app/a"]]
    meaning = messages.parse(rows[0]["Body"], Origin(region="eu-central-1", account="1" * 12))
    assert "app/a" in str(meaning)
    _delete(sqs, aws, rows)


def test_a_role_is_assumed(aws: Aws, client: Callable[[str], Any]) -> None:
    given = client("sts").assume_role(RoleArn=ROLE, RoleSessionName="test")
    assert given["Credentials"]["Expiration"].timestamp() > time.time()
    assert aws.counts().calls == {"AssumeRole": 1}


def test_a_change_wakes_a_long_poll_with_an_event_that_hark_understands(
    aws: Aws, client: Callable[[str], Any]
) -> None:
    sqs = client("sqs")
    found: list[dict[str, Any]] = []
    waiting = threading.Thread(target=lambda: found.extend(_receive(sqs, aws, wait=20)))
    waiting.start()
    while not aws.counts().calls.get("ReceiveMessage"):
        time.sleep(0.01)
    sent = aws.change({"told": "new"})
    waiting.join(60)
    arrived = time.monotonic()
    assert [row["MessageId"] for row in found] == [sent["told"]]
    assert 0 <= arrived - aws.counts().received_at[sent["told"]] < 15
    meaning = messages.parse(found[0]["Body"], Origin(region="eu-central-1", account="1" * 12))
    assert json.loads(found[0]["Body"])["detail"]["versionId"] in str(meaning)
    _delete(sqs, aws, found)


def test_a_message_stays_hidden_until_its_time_is_over_or_it_is_deleted(
    aws: Aws, client: Callable[[str], Any]
) -> None:
    sqs = client("sqs")
    aws.change({"hidden": "new"})
    found = _receive(sqs, aws)
    assert _receive(sqs, aws) == []
    entries = [{"Id": "0", "ReceiptHandle": found[0]["ReceiptHandle"], "VisibilityTimeout": 0}]
    changed = sqs.change_message_visibility_batch(QueueUrl=aws.queue_url, Entries=entries)
    assert [row["Id"] for row in changed["Successful"]] == ["0"]
    again = _receive(sqs, aws, wait=5)
    assert again[0]["Attributes"]["ApproximateReceiveCount"] == "2"
    assert _delete(sqs, aws, found)["Failed"][0]["Code"] == "ReceiptHandleIsInvalid"
    _delete(sqs, aws, again)
    assert aws.counts().queued == 0


def test_answers_take_as_long_as_was_set(aws: Aws, client: Callable[[str], Any]) -> None:
    aws.create({"slow": "x"})
    manager = client("secretsmanager")
    aws.set_latency(0.1)
    began = time.monotonic()
    manager.get_secret_value(SecretId="slow")
    aws.set_latency(0)
    assert time.monotonic() - began >= 0.1
    assert aws.counts().service_times[0] >= 0.1


def _delete(sqs: Any, aws: Aws, rows: list[dict[str, Any]]) -> dict[str, Any]:
    entries = [
        {"Id": str(place), "ReceiptHandle": row["ReceiptHandle"]} for place, row in enumerate(rows)
    ]
    reply: dict[str, Any] = sqs.delete_message_batch(QueueUrl=aws.queue_url, Entries=entries)
    return reply
