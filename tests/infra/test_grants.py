"""The policies grant what the code calls, and nothing that it does not call."""

from __future__ import annotations

import ast
import re
from pathlib import Path
from typing import Any

import botocore.session
import pytest
from botocore import xform_name

from testbed.awstemplate import read_template
from worlds.awscalls import beyond
from worlds.awscalls import granted as allowed

ROOT = Path(__file__).parents[2]
POLICIES = {
    name: resource["Properties"]["PolicyDocument"]["Statement"]
    for name, resource in read_template(ROOT / "infra" / "aws" / "hark-events.yaml")[
        "Resources"
    ].items()
    if resource["Type"] == "AWS::IAM::ManagedPolicy"
}
LISTENER = ("Listener", ROOT / "listener" / "sources")
RECONCILER = ("Reconciler", ROOT / "reconciler" / "backends")
NOT_CALLED = {
    "kms:Decrypt": "SQS, Secrets Manager and Parameter Store ask for it in the caller's name.",
}
# SQS has no action for a batch: the one for a single message allows it.
BATCH = re.compile(r"^(sqs:\w+)Batch$")


def granted(half: str) -> set[str]:
    found: set[str] = set()
    for name, statements in POLICIES.items():
        for statement in statements if name.startswith(half) else ():
            actions = statement["Action"]
            found |= {actions} if isinstance(actions, str) else set(actions)
    return found


def actions_of(service: str) -> dict[str, str]:
    """The actions of a service by the names of the SDK's methods."""
    model = botocore.session.get_session().get_service_model(service)
    return {
        xform_name(operation): BATCH.sub(r"\1", f"{service}:{operation}")
        for operation in model.operation_names
    }


def names_called(tree: ast.AST) -> set[str]:
    """Methods that are called, and texts given to calls: the SDK is asked for pages by name."""
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call)]
    methods = {call.func.attr for call in calls if isinstance(call.func, ast.Attribute)}
    texts: set[Any] = {
        given.value for call in calls for given in call.args if isinstance(given, ast.Constant)
    }
    return methods | {text for text in texts if isinstance(text, str)}


def called(folder: Path) -> set[str]:
    found: set[str] = set()
    for path in folder.glob("*.py"):
        text = path.read_text()
        names = names_called(ast.parse(text))
        for service in set(re.findall(r"\bmypy_boto3_([a-z]+)", text)):
            actions = actions_of(service)
            found |= {actions[name] for name in names if name in actions}
    return found


@pytest.mark.parametrize(("half", "folder"), [LISTENER, RECONCILER])
def test_every_operation_that_a_half_calls_is_granted(half: str, folder: Path) -> None:
    assert called(folder) - granted(half) == set()


@pytest.mark.parametrize(("half", "folder"), [LISTENER, RECONCILER])
def test_nothing_is_granted_that_a_half_does_not_call(half: str, folder: Path) -> None:
    assert granted(half) - called(folder) - set(NOT_CALLED) == set()


def test_the_calls_are_found_in_the_code() -> None:
    assert {"sqs:ReceiveMessage", "sqs:DeleteMessage"} <= called(LISTENER[1])
    assert {
        "secretsmanager:GetSecretValue",
        "ssm:DescribeParameters",
        "sts:AssumeRole",
    } <= called(RECONCILER[1])


def test_a_call_that_no_policy_allows_would_fail_the_run() -> None:
    assert beyond({"GetSecretValue", "DeleteMessageBatch", "SendMessage"}, allowed()) == set()
    assert beyond({"DeleteSecret", "PurgeQueue"}, allowed()) == {"DeleteSecret", "PurgeQueue"}
