"""hark-forward.yaml: what changes in another account arrives in the queue of the central one."""

import json
import uuid
from pathlib import Path
from typing import Any

import pytest

from testbed.awsstack import announce_label_updated, deploy, session
from testbed.awstemplate import read_template
from testbed.moto import REGION, Moto
from worlds.spine import await_until

FOLDER = Path(__file__).resolve().parents[2] / "infra" / "aws"
FORWARD = read_template(FOLDER / "hark-forward.yaml")
CENTRAL = read_template(FOLDER / "hark-events.yaml")


def rules(template: Any) -> dict[str, dict[str, Any]]:
    return {
        name: one
        for name, one in template["Resources"].items()
        if one["Type"] == "AWS::Events::Rule"
    }


def test_the_rules_are_those_of_the_central_stack() -> None:
    central = rules(CENTRAL)
    del central["TestRule"]
    forwarding = rules(FORWARD)
    assert set(forwarding) == set(central)
    for name, rule in forwarding.items():
        assert rule["Properties"]["EventPattern"] == central[name]["Properties"]["EventPattern"]
        assert rule.get("Condition") == central[name].get("Condition")


def test_every_rule_forwards_as_the_one_role_which_may_do_nothing_else() -> None:
    for rule in rules(FORWARD).values():
        [target] = rule["Properties"]["Targets"]
        assert target["Arn"] == {"Ref": "CentralBusArn"}
        assert target["RoleArn"] == {"Fn::GetAtt": "ForwardRole.Arn"}
    [policy] = FORWARD["Resources"]["ForwardRole"]["Properties"]["Policies"]
    [statement] = policy["PolicyDocument"]["Statement"]
    assert statement["Action"] == "events:PutEvents"
    assert statement["Resource"] == {"Ref": "CentralBusArn"}


def test_the_central_bus_admits_the_named_accounts_for_these_two_services_alone() -> None:
    policy = CENTRAL["Resources"]["ForwardingPolicy"]
    statement = policy["Properties"]["Statement"]
    assert policy["Condition"] == "HasForwardingAccounts"
    assert statement["Principal"] == {"AWS": {"Ref": "ForwardingAccounts"}}
    condition = statement["Condition"]
    sources = condition["ForAllValues:StringEquals"]["events:source"]
    assert sources == ["aws.secretsmanager", "aws.ssm"]
    # Without it a call that names no source would pass ForAllValues.
    assert condition["Null"] == {"events:source": "false"}


@pytest.mark.parametrize("prefix", ["", "prod/"])
def test_a_change_in_another_account_arrives_in_the_central_queue(
    moto: Moto, aws_account: str, prefix: str
) -> None:
    other = str(700_000_000_000 + uuid.uuid4().int % 100_000_000_000)
    central, there = moto.env(aws_account), moto.env(other)
    url = central["AWS_ENDPOINT_URL"]

    def client(environment: dict[str, str], service: Any) -> Any:
        made: Any = session(environment).client(service, endpoint_url=url)
        return made

    outputs = deploy(
        client(central, "cloudformation"),
        FOLDER / "hark-events.yaml",
        "hark-events",
        {"ForwardingAccounts": other},
    )
    bus = f"arn:aws:events:{REGION}:{aws_account}:event-bus/default"
    deploy(
        client(there, "cloudformation"),
        FOLDER / "hark-forward.yaml",
        "hark-forward",
        {"CentralBusArn": bus, "SecretNamePrefix": prefix},
    )
    arn = f"arn:aws:secretsmanager:{REGION}:{other}:secret:prod/db-AbC123"
    announce_label_updated(client(there, "events"), arn=arn, name="prod/db", version_id="v2")
    queue = client(central, "sqs")

    def heard() -> list[Any]:
        got = queue.receive_message(QueueUrl=outputs["QueueUrl"], MaxNumberOfMessages=10)
        return [json.loads(one["Body"]) for one in got.get("Messages", [])]

    [event] = await_until(heard, bool, "the event is in the central queue", patience=20)
    # The only thing that moto changes on the way is what AWS leaves: account and resources.
    assert event["detail"] == {"name": "prod/db", "labelUpdated": "AWSCURRENT", "versionId": "v2"}
