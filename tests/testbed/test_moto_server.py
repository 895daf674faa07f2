import json
from typing import Any

import boto3
import pytest

from testbed import actions
from testbed.moto import Moto, MotoServer
from testbed.proxy import WireProxy
from testbed.request import aws


def client(service: Any, environment: dict[str, str]) -> Any:
    return boto3.client(
        service,
        endpoint_url=environment["AWS_ENDPOINT_URL"],
        region_name=environment["AWS_REGION"],
        aws_access_key_id=environment["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=environment["AWS_SECRET_ACCESS_KEY"],
        aws_session_token=environment["AWS_SESSION_TOKEN"],
    )


def test_the_keys_of_an_account_act_in_that_account(moto: Moto, aws_account: str) -> None:
    identity = client("sts", moto.env(aws_account)).get_caller_identity()
    assert identity["Account"] == aws_account


def test_two_accounts_do_not_see_each_other(moto: Moto, aws_account: str) -> None:
    secrets = client("secretsmanager", moto.env(aws_account))
    arn = secrets.create_secret(Name="db", SecretString="v1")["ARN"]
    assert f":{aws_account}:" in arn
    other = client("secretsmanager", moto.env("900000000001"))
    with pytest.raises(other.exceptions.ResourceNotFoundException):
        other.get_secret_value(SecretId="db", VersionStage="AWSCURRENT")


def test_an_event_on_the_bus_reaches_the_queue_of_its_rule(moto: Moto, aws_account: str) -> None:
    environment = moto.env(aws_account)
    queues = client("sqs", environment)
    bus = client("events", environment)
    url = queues.create_queue(QueueName="hark")["QueueUrl"]
    arn = queues.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])
    bus.put_rule(Name="changes", EventPattern=json.dumps({"source": ["aws.secretsmanager"]}))
    target = {"Id": "queue", "Arn": arn["Attributes"]["QueueArn"]}
    bus.put_targets(Rule="changes", Targets=[target])
    event = {"Source": "aws.secretsmanager", "DetailType": "change", "Detail": '{"a": 1}'}
    bus.put_events(Entries=[event])
    messages = queues.receive_message(QueueUrl=url, WaitTimeSeconds=20)["Messages"]
    assert [json.loads(message["Body"])["detail"] for message in messages] == [{"a": 1}]


def test_the_proxy_before_it_counts_reads_by_operation(
    moto: Moto, aws_account: str, moto_proxy: WireProxy
) -> None:
    secrets = client("secretsmanager", moto.env(aws_account, endpoint=moto_proxy.url))
    client("secretsmanager", moto.env(aws_account)).create_secret(Name="db", SecretString="v1")
    denied = actions.answer(
        400, b'{"__type": "AccessDeniedException", "message": "no"}', {"x-amzn-requestid": "1"}
    )
    moto_proxy.when(aws("GetSecretValue"), denied)
    with pytest.raises(secrets.exceptions.ClientError, match="AccessDenied"):
        secrets.get_secret_value(SecretId="db", VersionStage="AWSCURRENT")
    value = secrets.get_secret_value(SecretId="db", VersionStage="AWSCURRENT")
    assert value["SecretString"] == "v1"
    assert moto_proxy.count(aws("GetSecretValue")) == 2


def test_a_server_of_ones_own_forgets_everything_on_reset() -> None:
    with MotoServer() as server:
        secrets = client("secretsmanager", server.env())
        secrets.create_secret(Name="db", SecretString="v1")
        server.reset()
        assert client("secretsmanager", server.env()).list_secrets()["SecretList"] == []
