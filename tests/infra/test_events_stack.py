"""The events stack, deployed to moto: which events its own rules bring to its own queue."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from testbed.awsstack import announce_label_updated, deploy, session
from testbed.moto import REGION, Moto

if TYPE_CHECKING:
    from mypy_boto3_sqs.type_defs import MessageTypeDef

TEMPLATE = Path(__file__).parents[2] / "infra" / "aws" / "hark-events.yaml"
QUEUE_KEY = f"arn:aws:kms:{REGION}:123456789012:key/0f1e2d3c-0000-1111-2222-333344445555"

CALLS_THAT_CHANGE = [
    "DeleteSecret",
    "PutSecretValue",
    "RestoreSecret",
    "UpdateSecret",
    "UpdateSecretVersionStage",
]
SERVICE_EVENTS_THAT_CHANGE = [
    "EndSecretVersionDelete",
    "ReplicationSucceeded",
    "RotationSucceeded",
    "SecretVersionDeletion",
]


def an_account() -> str:
    return str(800_000_000_000 + uuid.uuid4().int % 100_000_000_000)


class Stack:
    """A deployed stack with the bus before it and the queue behind it."""

    def __init__(self, moto: Moto, account: str, parameters: dict[str, str]) -> None:
        environment = moto.env(account)
        aws = session(environment)
        url = environment["AWS_ENDPOINT_URL"]
        self.account = account
        self.events = aws.client("events", endpoint_url=url)
        self.sqs = aws.client("sqs", endpoint_url=url)
        self.iam = aws.client("iam", endpoint_url=url)
        cloudformation = aws.client("cloudformation", endpoint_url=url)
        self.outputs = deploy(cloudformation, TEMPLATE, "hark", parameters)

    def arn(self, name: str) -> str:
        return f"arn:aws:secretsmanager:{REGION}:{self.account}:secret:{name}"

    def put(self, source: str, detail_type: str, detail: dict[str, Any]) -> str:
        answer = self.events.put_events(
            Entries=[{"Source": source, "DetailType": detail_type, "Detail": json.dumps(detail)}]
        )
        return answer["Entries"][0]["EventId"]

    def label_updated(self, name: str) -> str:
        arn = self.arn(f"{name}-AbC123")
        return announce_label_updated(self.events, arn=arn, name=name, version_id=str(uuid.uuid4()))

    def call(self, event_name: str, request: dict[str, Any], **more: str) -> str:
        detail = {
            "eventSource": "secretsmanager.amazonaws.com",
            "eventName": event_name,
            "eventType": "AwsApiCall",
            "requestParameters": request,
            "responseElements": {"arn": self.arn("prod/db-AbC123")},
        }
        return self.put("aws.secretsmanager", "AWS API Call via CloudTrail", detail | more)

    def service_event(self, event_name: str, **more: dict[str, str]) -> str:
        detail = {
            "eventSource": "secretsmanager.amazonaws.com",
            "eventName": event_name,
            "eventType": "AwsServiceEvent",
            "requestParameters": None,
            "responseElements": None,
        }
        return self.put("aws.secretsmanager", "AWS Service Event via CloudTrail", detail | more)

    def parameter_change(self, name: str, **more: str) -> str:
        detail = {"operation": "Update", "name": name, "type": "SecureString"}
        return self.put("aws.ssm", "Parameter Store Change", detail | more)

    def parameter_policy(self, name: str, policy_type: str) -> str:
        detail = {"parameter-name": name, "policy-type": policy_type, "action-status": "Success"}
        return self.put("aws.ssm", "Parameter Store Policy Action", detail)

    def receive(self, queue: str = "QueueUrl") -> list[MessageTypeDef]:
        answer = self.sqs.receive_message(
            QueueUrl=self.outputs[queue], MaxNumberOfMessages=10, WaitTimeSeconds=0
        )
        return answer.get("Messages", [])

    def take(self) -> list[dict[str, Any]]:
        messages = self.receive()
        for message in messages:
            self.sqs.delete_message(
                QueueUrl=self.outputs["QueueUrl"], ReceiptHandle=message["ReceiptHandle"]
            )
        return [json.loads(message["Body"]) for message in messages]

    def heard(self) -> list[str]:
        return [envelope["id"] for envelope in self.take()]

    def emptied(self) -> Stack:
        while self.take():
            pass
        return self

    def queue_attributes(self, queue: str = "QueueUrl") -> dict[str, str]:
        answer = self.sqs.get_queue_attributes(QueueUrl=self.outputs[queue], AttributeNames=["All"])
        return {str(name): value for name, value in answer["Attributes"].items()}

    def policy(self, output: str) -> list[dict[str, Any]]:
        version = self.iam.get_policy_version(PolicyArn=self.outputs[output], VersionId="v1")
        document: Any = version["PolicyVersion"]["Document"]
        statements: list[dict[str, Any]] = document["Statement"]
        return statements


@pytest.fixture
def deployed(moto: Moto, aws_account: str) -> Callable[..., Stack]:
    def deploy_with(**parameters: str) -> Stack:
        return Stack(moto, aws_account, parameters)

    return deploy_with


@pytest.fixture(scope="module")
def stacks_of_this_module(moto: Moto) -> dict[str, Stack]:
    """Two stacks that many tests use one after the other, since SDK clients start slowly."""
    prefixes = {"SecretNamePrefix": "prod/", "ParameterNamePrefix": "prod/"}
    return {
        "default": Stack(moto, an_account(), {}),
        "prefixed": Stack(moto, an_account(), prefixes),
    }


@pytest.fixture
def stack(stacks_of_this_module: dict[str, Stack]) -> Stack:
    return stacks_of_this_module["default"].emptied()


@pytest.fixture
def prefixed(stacks_of_this_module: dict[str, Stack]) -> Stack:
    return stacks_of_this_module["prefixed"].emptied()


def test_a_moved_label_arrives_as_aws_documents_it(stack: Stack) -> None:
    arn = stack.arn("prod/db-AbC123")
    event_id = announce_label_updated(
        stack.events,
        arn=arn,
        name="prod/db",
        version_id="v2",
        at=datetime(2026, 11, 2, 3, 4, 5, tzinfo=UTC),
    )
    [envelope] = stack.take()
    assert envelope == {
        "version": "0",
        "id": event_id,
        "source": "aws.secretsmanager",
        "detail-type": "Secret Label Updated",
        "region": REGION,
        "time": "2026-11-02T03:04:05Z",
        "resources": [arn],
        "detail": {"name": "prod/db", "labelUpdated": "AWSCURRENT", "versionId": "v2"},
    }


def test_a_moved_label_of_ones_own_arrives_too(stack: Stack) -> None:
    event_id = announce_label_updated(
        stack.events, arn=stack.arn("db-AbC123"), name="db", version_id="v1", label="blue"
    )
    assert stack.heard() == [event_id]


@pytest.mark.parametrize("call", CALLS_THAT_CHANGE)
def test_a_call_arrives_once_however_the_caller_named_the_secret(stack: Stack, call: str) -> None:
    typed = ["db", stack.arn("db-AbC123"), stack.arn("db")]
    event_ids = [stack.call(call, {"secretId": secret_id}) for secret_id in typed]
    assert sorted(stack.heard()) == sorted(event_ids)


def test_the_creation_of_a_secret_arrives(stack: Stack) -> None:
    event_id = stack.call("CreateSecret", {"name": "db"})
    assert stack.heard() == [event_id]


@pytest.mark.parametrize("event_name", SERVICE_EVENTS_THAT_CHANGE)
def test_what_the_service_did_by_itself_arrives(stack: Stack, event_name: str) -> None:
    event_id = stack.service_event(
        event_name, additionalEventData={"SecretId": stack.arn("db-AbC123")}
    )
    assert stack.heard() == [event_id]


@pytest.mark.parametrize("operation", ["Create", "Update", "Delete", "LabelParameterVersion"])
def test_a_changed_parameter_arrives(stack: Stack, operation: str) -> None:
    event_id = stack.parameter_change("/prod/db", operation=operation)
    assert stack.heard() == [event_id]


def test_an_expired_parameter_arrives(stack: Stack) -> None:
    event_id = stack.parameter_policy("/prod/db", "Expiration")
    assert stack.heard() == [event_id]


@pytest.mark.parametrize("call", ["GetSecretValue", "RotateSecret", "TagResource"])
def test_a_call_that_changes_no_value_stays_out(stack: Stack, call: str) -> None:
    stack.call(call, {"secretId": "db"})
    assert stack.heard() == []


def test_a_failed_call_stays_out(stack: Stack) -> None:
    stack.call("PutSecretValue", {"secretId": "db"}, errorCode="AccessDenied")
    stack.call("PutSecretValue", {"secretId": "db"}, errorMessage="Not allowed.")
    assert stack.heard() == []


@pytest.mark.parametrize("event_name", ["RotationStarted", "RotationFailed", "ReplicationStarted"])
def test_what_the_service_only_began_or_failed_at_stays_out(stack: Stack, event_name: str) -> None:
    stack.service_event(event_name, additionalEventData={"SecretId": stack.arn("db-AbC123")})
    assert stack.heard() == []


def test_a_parameter_that_failed_to_change_stays_out(stack: Stack) -> None:
    stack.parameter_change("/prod/ami", exception="The image does not exist.")
    assert stack.heard() == []


@pytest.mark.parametrize("policy_type", ["ExpirationNotification", "NoChangeNotification"])
def test_a_reminder_about_a_parameter_stays_out(stack: Stack, policy_type: str) -> None:
    stack.parameter_policy("/prod/db", policy_type)
    assert stack.heard() == []


def test_events_of_others_stay_out(stack: Stack) -> None:
    stack.put("com.example", "Secret Label Updated", {"name": "db"})
    stack.put("aws.ec2", "EC2 Instance State-change Notification", {"state": "running"})
    stack.put("aws.ssm", "EC2 Automation Execution Status-change Notification", {"Status": "x"})
    assert stack.heard() == []


def test_a_prefix_admits_its_secrets_by_name_and_by_arn(prefixed: Stack) -> None:
    event_ids = [
        prefixed.label_updated("prod/db"),
        prefixed.call("CreateSecret", {"name": "prod/db"}),
        prefixed.call("PutSecretValue", {"secretId": "prod/db"}),
        prefixed.call("PutSecretValue", {"secretId": prefixed.arn("prod/db-AbC123")}),
        prefixed.call("PutSecretValue", {"secretId": prefixed.arn("prod/db")}),
        prefixed.service_event(
            "RotationSucceeded", additionalEventData={"SecretId": prefixed.arn("prod/db-AbC123")}
        ),
        prefixed.service_event(
            "RotationSucceeded", serviceEventDetails={"secretId": prefixed.arn("prod/db-AbC123")}
        ),
    ]
    assert sorted(prefixed.heard()) == sorted(event_ids)


def test_a_prefix_keeps_other_secrets_out(prefixed: Stack) -> None:
    other = prefixed.arn("test/prod/db-AbC123")
    elsewhere = f"arn:aws:secretsmanager:{REGION}:000000000000:secret:prod/db-AbC123"
    prefixed.label_updated("test/prod/db")
    prefixed.call("CreateSecret", {"name": "test/prod/db"})
    prefixed.call("PutSecretValue", {"secretId": "test/prod/db"})
    prefixed.call("PutSecretValue", {"secretId": other})
    prefixed.call("PutSecretValue", {"secretId": elsewhere})
    prefixed.service_event("RotationSucceeded", additionalEventData={"SecretId": other})
    prefixed.service_event("RotationSucceeded", serviceEventDetails={"secretId": other})
    assert prefixed.heard() == []


def test_a_prefix_loses_no_service_event_that_names_its_secret_elsewhere(prefixed: Stack) -> None:
    event_id = prefixed.service_event("RotationSucceeded")
    assert prefixed.heard() == [event_id]


def test_a_prefix_admits_parameters_with_and_without_their_leading_slash(prefixed: Stack) -> None:
    event_ids = [
        prefixed.parameter_change("/prod/db"),
        prefixed.parameter_change("prod/db"),
        prefixed.parameter_policy("/prod/db", "Expiration"),
        prefixed.parameter_policy("prod/db", "Expiration"),
    ]
    assert sorted(prefixed.heard()) == sorted(event_ids)


def test_a_prefix_keeps_other_parameters_out(prefixed: Stack) -> None:
    prefixed.parameter_change("/test/prod/db")
    prefixed.parameter_change("/production")
    prefixed.parameter_policy("/test/prod/db", "Expiration")
    assert prefixed.heard() == []


def test_without_cloudtrail_only_native_events_arrive(deployed: Callable[..., Stack]) -> None:
    stack = deployed(CloudTrail="false")
    stack.call("PutSecretValue", {"secretId": "db"})
    stack.service_event("RotationSucceeded")
    event_ids = [stack.label_updated("db"), stack.parameter_change("/db")]
    assert sorted(stack.heard()) == sorted(event_ids)


def test_without_parameter_store_only_secrets_arrive(deployed: Callable[..., Stack]) -> None:
    stack = deployed(ParameterStore="false")
    stack.parameter_change("/db")
    stack.parameter_policy("/db", "Expiration")
    event_ids = [stack.label_updated("db"), stack.call("DeleteSecret", {"secretId": "db"})]
    assert sorted(stack.heard()) == sorted(event_ids)


def test_a_message_received_too_often_moves_to_the_dead_letters(
    deployed: Callable[..., Stack],
) -> None:
    stack = deployed(MaxReceiveCount="1")
    stack.label_updated("db")
    [message] = stack.receive()
    stack.sqs.change_message_visibility(
        QueueUrl=stack.outputs["QueueUrl"],
        ReceiptHandle=message["ReceiptHandle"],
        VisibilityTimeout=0,
    )
    assert stack.receive() == []
    [dead] = stack.receive("DeadLetterQueueUrl")
    assert dead["Body"] == message["Body"]


def test_the_queue_keeps_messages_for_days_and_polls_long(stack: Stack) -> None:
    attributes = stack.queue_attributes()
    assert attributes["MessageRetentionPeriod"] == "1209600"
    assert attributes["VisibilityTimeout"] == "60"
    assert attributes["ReceiveMessageWaitTimeSeconds"] == "20"
    assert json.loads(attributes["RedrivePolicy"])["maxReceiveCount"] == 5
    assert stack.queue_attributes("DeadLetterQueueUrl")["MessageRetentionPeriod"] == "1209600"


@pytest.mark.parametrize("queue", ["QueueUrl", "DeadLetterQueueUrl"])
def test_sqs_encrypts_the_messages_when_no_key_is_given(stack: Stack, queue: str) -> None:
    attributes = stack.queue_attributes(queue)
    assert attributes["SqsManagedSseEnabled"] == "true"
    assert "KmsMasterKeyId" not in attributes


@pytest.mark.parametrize("queue", ["QueueUrl", "DeadLetterQueueUrl"])
def test_a_given_key_encrypts_the_messages(deployed: Callable[..., Stack], queue: str) -> None:
    stack = deployed(QueueKmsKeyArn=QUEUE_KEY)
    assert stack.queue_attributes(queue)["KmsMasterKeyId"] == QUEUE_KEY
    [statement] = stack.policy("ListenerKeyPolicyArn")
    assert (statement["Action"], statement["Resource"]) == ("kms:Decrypt", QUEUE_KEY)


def test_the_listener_may_consume_its_queue_and_nothing_else(stack: Stack) -> None:
    [statement] = stack.policy("ListenerPolicyArn")
    assert statement["Resource"] == stack.outputs["QueueArn"]
    assert sorted(statement["Action"]) == [
        "sqs:ChangeMessageVisibility",
        "sqs:DeleteMessage",
        "sqs:GetQueueAttributes",
        "sqs:ReceiveMessage",
    ]


def test_the_reconciler_may_read_what_has_the_prefix(prefixed: Stack) -> None:
    [read, look] = prefixed.policy("ReconcilerPolicyArn")
    assert read["Action"] == [
        "secretsmanager:DescribeSecret",
        "secretsmanager:GetSecretValue",
        "secretsmanager:ListSecretVersionIds",
    ]
    assert read["Resource"] == prefixed.arn("prod/*")
    assert look["Action"] == ["secretsmanager:BatchGetSecretValue", "secretsmanager:ListSecrets"]
    assert look["Resource"] == "*"
    [read, look] = prefixed.policy("ReconcilerParameterPolicyArn")
    assert read["Action"] == ["ssm:GetParameter", "ssm:GetParameters", "ssm:GetParametersByPath"]
    assert read["Resource"] == f"arn:aws:ssm:{REGION}:{prefixed.account}:parameter/prod/*"
    assert (look["Action"], look["Resource"]) == ("ssm:DescribeParameters", "*")


def test_the_reconciler_may_assume_the_roles_below_a_path(deployed: Callable[..., Stack]) -> None:
    [statement] = deployed(AssumableRolePath="/hark/").policy("ReconcilerRolePolicyArn")
    assert statement["Action"] == "sts:AssumeRole"
    assert statement["Resource"] == "arn:aws:iam::*:role/hark/*"


def test_the_reconciler_may_use_the_keys_of_secrets_through_their_services_alone(
    deployed: Callable[..., Stack],
) -> None:
    keys = [QUEUE_KEY, f"arn:aws:kms:{REGION}:123456789012:key/second"]
    [statement] = deployed(SecretsKmsKeyArns=",".join(keys)).policy("ReconcilerKeyPolicyArn")
    assert (statement["Action"], statement["Resource"]) == ("kms:Decrypt", keys)
    assert statement["Condition"]["StringEquals"]["kms:ViaService"] == [
        f"secretsmanager.{REGION}.amazonaws.com",
        f"ssm.{REGION}.amazonaws.com",
    ]


def test_the_outputs_tell_what_a_cluster_needs(stack: Stack) -> None:
    assert sorted(stack.outputs) == [
        "DeadLetterQueueUrl",
        "ListenerPolicyArn",
        "QueueArn",
        "QueueUrl",
        "ReconcilerParameterPolicyArn",
        "ReconcilerPolicyArn",
        "Region",
    ]
    assert stack.outputs["Region"] == REGION
    assert stack.outputs["QueueArn"].startswith(f"arn:aws:sqs:{REGION}:{stack.account}:")


def test_there_is_no_policy_for_what_is_switched_off(deployed: Callable[..., Stack]) -> None:
    assert "ReconcilerParameterPolicyArn" not in deployed(ParameterStore="false").outputs
