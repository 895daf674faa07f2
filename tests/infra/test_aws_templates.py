"""What the templates say where moto acts nothing out: queue policies, alarms, the secret."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from testbed.awsstack import deploy, session
from testbed.awstemplate import read_template
from testbed.moto import Moto

FOLDER = Path(__file__).parents[2] / "infra" / "aws"
EVENTS = read_template(FOLDER / "hark-events.yaml")
SECRET = read_template(FOLDER / "example-db-secret.yaml")
TEMPLATES = sorted(FOLDER.glob("*.yaml"))
WITHOUT_DEFAULT = {"CentralBusArn"}
NOTHING = {"Ref": "AWS::NoValue"}
QUEUES_AND_POLICIES = [
    ("EventQueue", "EventQueuePolicy"),
    ("DeadLetterQueue", "DeadLetterQueuePolicy"),
]


def resources_of(kind: str) -> dict[str, dict[str, Any]]:
    return {name: each for name, each in EVENTS["Resources"].items() if each["Type"] == kind}


def properties(resource: str) -> dict[str, Any]:
    found: dict[str, Any] = EVENTS["Resources"][resource]["Properties"]
    return found


def parameters() -> list[Any]:
    return [
        pytest.param(each, id=f"{template.stem}-{name}")
        for template in TEMPLATES
        for name, each in read_template(template)["Parameters"].items()
        if name not in WITHOUT_DEFAULT
    ]


@pytest.mark.parametrize("template", TEMPLATES, ids=lambda path: path.stem)
def test_the_linter_finds_nothing_in_a_template(template: Path) -> None:
    linter = Path(sys.executable).with_name("cfn-lint")
    command = [str(linter), "--include-checks", "I", "--", str(template)]
    found = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (found.returncode, found.stdout) == (0, ""), found.stdout + found.stderr


@pytest.mark.parametrize(("queue", "policy"), QUEUES_AND_POLICIES)
def test_a_queue_admits_all_rules_of_the_stack_and_nobody_else(queue: str, policy: str) -> None:
    assert properties(policy)["Queues"] == [{"Ref": queue}]
    statements = properties(policy)["PolicyDocument"]["Statement"]
    [allowed] = [each for each in statements if each["Effect"] == "Allow"]
    assert allowed["Principal"] == {"Service": "events.amazonaws.com"}
    assert allowed["Action"] == "sqs:SendMessage"
    assert allowed["Resource"] == {"Fn::GetAtt": f"{queue}.Arn"}
    rules = []
    for name, rule in resources_of("AWS::Events::Rule").items():
        arn = {"Fn::GetAtt": f"{name}.Arn"}
        condition = rule.get("Condition")
        rules.append({"Fn::If": [condition, arn, NOTHING]} if condition else arn)
    assert allowed["Condition"] == {"ArnEquals": {"aws:SourceArn": rules}}


@pytest.mark.parametrize(("queue", "policy"), QUEUES_AND_POLICIES)
def test_a_queue_refuses_everybody_without_tls(queue: str, policy: str) -> None:
    statements = properties(policy)["PolicyDocument"]["Statement"]
    [denied] = [each for each in statements if each["Effect"] == "Deny"]
    assert denied["Principal"] == "*"
    assert denied["Action"] == "sqs:*"
    assert denied["Resource"] == {"Fn::GetAtt": f"{queue}.Arn"}
    assert denied["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}


@pytest.mark.parametrize("rule", resources_of("AWS::Events::Rule"))
def test_a_rule_sends_to_the_queue_and_keeps_what_it_could_not_deliver(rule: str) -> None:
    [target] = properties(rule)["Targets"]
    assert target["Arn"] == {"Fn::GetAtt": "EventQueue.Arn"}
    assert target["DeadLetterConfig"] == {"Arn": {"Fn::GetAtt": "DeadLetterQueue.Arn"}}


@pytest.mark.parametrize("rule", resources_of("AWS::Events::Rule"))
def test_a_rule_is_enabled_and_never_hears_of_our_own_reads(rule: str) -> None:
    # The state that matches read-only calls is another one than the default.
    assert "State" not in properties(rule)


@pytest.mark.parametrize(
    ("alarm", "metric", "queue", "threshold"),
    [
        (
            "QueueAgeAlarm",
            "ApproximateAgeOfOldestMessage",
            "EventQueue",
            {"Ref": "AlarmAgeSeconds"},
        ),
        ("DeadLetterAlarm", "ApproximateNumberOfMessagesVisible", "DeadLetterQueue", 0),
    ],
)
def test_an_alarm_watches_its_queue_and_tells_the_topic_if_there_is_one(
    alarm: str, metric: str, queue: str, threshold: Any
) -> None:
    said = properties(alarm)
    assert (said["Namespace"], said["MetricName"]) == ("AWS/SQS", metric)
    name = {"Fn::GetAtt": f"{queue}.QueueName"}
    assert said["Dimensions"] == [{"Name": "QueueName", "Value": name}]
    assert said["ComparisonOperator"] == "GreaterThanThreshold"
    assert said["Threshold"] == threshold
    topic = [{"Ref": "AlarmTopicArn"}]
    assert said["AlarmActions"] == {"Fn::If": ["HasAlarmTopic", topic, NOTHING]}


@pytest.mark.parametrize("policy", ["ListenerPolicy", "ListenerKeyPolicy"])
def test_the_listener_may_open_no_secret(policy: str) -> None:
    for statement in properties(policy)["PolicyDocument"]["Statement"]:
        assert statement["Resource"] != "*"
        actions = statement["Action"]
        for action in [actions] if isinstance(actions, str) else actions:
            assert action.split(":")[0] in {"sqs", "kms"}


@pytest.mark.parametrize("parameter", parameters())
def test_a_parameter_explains_itself_in_sentences(parameter: dict[str, Any]) -> None:
    assert parameter["Description"].endswith(".")
    is_bound = {"AllowedPattern", "AllowedValues", "MinValue"} & parameter.keys()
    assert not is_bound or parameter["ConstraintDescription"].endswith(".")


@pytest.mark.parametrize("parameter", parameters())
def test_a_parameter_has_a_default_that_it_accepts(parameter: dict[str, Any]) -> None:
    default = parameter["Default"]
    assert re.fullmatch(parameter.get("AllowedPattern", ".*"), str(default))
    assert default in parameter.get("AllowedValues", [default])


@pytest.mark.parametrize(
    ("name", "accepted", "refused"),
    [
        ("SecretNamePrefix", ["prod/", "rds!db-", "DB-"], ["*", "prod db", "${x}"]),
        ("ParameterNamePrefix", ["prod/", "db_1."], ["/prod", "*"]),
        ("AssumableRolePath", ["/hark/", "/a/b/"], ["hark", "/", "/hark", "/*/"]),
        (
            "QueueKmsKeyArn",
            [
                "arn:aws:kms:eu-west-1:123456789012:key/mrk-0a",
                "arn:aws-cn:kms:r:123456789012:key/a",
            ],
            ["alias/aws/sqs", "arn:aws:kms:eu-west-1:123456789012:alias/mine"],
        ),
        ("AlarmTopicArn", ["arn:aws:sns:eu-west-1:123456789012:pager"], ["pager"]),
    ],
)
def test_a_parameter_refuses_what_could_not_work(
    name: str, accepted: list[str], refused: list[str]
) -> None:
    pattern = EVENTS["Parameters"][name]["AllowedPattern"]
    assert [value for value in accepted if not re.fullmatch(pattern, value)] == []
    assert [value for value in refused if re.fullmatch(pattern, value)] == []


def test_the_example_is_one_secret_with_a_user_and_a_generated_password() -> None:
    [secret] = SECRET["Resources"].values()
    assert secret["Type"] == "AWS::SecretsManager::Secret"
    assert secret["Properties"]["Name"] == {"Fn::Sub": "DB-${EnvName}"}
    generated = secret["Properties"]["GenerateSecretString"]
    assert generated["SecretStringTemplate"] == {"Fn::Sub": '{"user": "${UserName}"}'}
    assert generated["GenerateStringKey"] == "password"


def test_the_example_tells_the_name_of_its_secret(moto: Moto, aws_account: str) -> None:
    environment = moto.env(aws_account)
    cloudformation = session(environment).client(
        "cloudformation", endpoint_url=environment["AWS_ENDPOINT_URL"]
    )
    template = FOLDER / "example-db-secret.yaml"
    assert deploy(cloudformation, template, "db")["SecretName"] == "DB-dev"
    outputs = deploy(cloudformation, template, "db-test", {"EnvName": "test"})
    assert outputs["SecretName"] == "DB-test"
