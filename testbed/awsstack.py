"""Stands a CloudFormation stack up in an AWS that may be moto, and announces what moto never does.

Used by the tests of the templates and by the demo. What a template says about queues, rules,
targets and managed policies becomes real in moto; queue policies, alarms and secrets are skipped
there although the stack claims to be complete, so whoever needs a secret creates it.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import boto3
import botocore.session

if TYPE_CHECKING:
    # The stubs are there only where types are checked.
    from mypy_boto3_cloudformation import CloudFormationClient
    from mypy_boto3_events import EventBridgeClient

_DEADLINE_SECONDS = 300.0
_POLL_SECONDS = 0.2


class StackError(Exception):
    """The stack did not come up, or the event was not taken."""


def session(environment: Mapping[str, str]) -> boto3.Session:
    """Return a session with the keys and the Region of `Moto.env`.

    A session knows no endpoint: its clients want `endpoint_url=environment["AWS_ENDPOINT_URL"]`.
    Profiles and files that the user has configured for AWS are shut out.
    """
    nothing = {
        "profile": (None, None, None, None),
        "config_file": (None, None, os.devnull, None),
        "credentials_file": (None, None, os.devnull, None),
    }
    return boto3.Session(
        botocore_session=botocore.session.Session(session_vars=nothing),
        aws_access_key_id=environment["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=environment["AWS_SECRET_ACCESS_KEY"],
        aws_session_token=environment["AWS_SESSION_TOKEN"],
        region_name=environment["AWS_REGION"],
    )


def deploy(
    cloudformation: CloudFormationClient,
    template: Path,
    stack: str,
    parameters: Mapping[str, str] | None = None,
    deadline_seconds: float = _DEADLINE_SECONDS,
) -> dict[str, str]:
    """Create the stack, wait until it is complete and return its outputs; raises StackError."""
    cloudformation.create_stack(
        StackName=stack,
        TemplateBody=template.read_text(),
        Parameters=[
            {"ParameterKey": name, "ParameterValue": value}
            for name, value in (parameters or {}).items()
        ],
        Capabilities=["CAPABILITY_IAM"],
    )
    deadline = time.monotonic() + deadline_seconds
    while True:
        described = cloudformation.describe_stacks(StackName=stack)["Stacks"][0]
        status = described["StackStatus"]
        if status == "CREATE_COMPLETE":
            outputs = described.get("Outputs", [])
            return {each["OutputKey"]: each["OutputValue"] for each in outputs}
        if status != "CREATE_IN_PROGRESS" or time.monotonic() > deadline:
            reason = described.get("StackStatusReason", "no reason given")
            raise StackError(f"The stack {stack} is {status}: {reason}.")
        time.sleep(_POLL_SECONDS)


def announce_label_updated(
    events: EventBridgeClient,
    *,
    arn: str,
    name: str,
    version_id: str,
    label: str = "AWSCURRENT",
    at: datetime | None = None,
) -> str:
    """Put the event with which Secrets Manager tells that `label` moved to `version_id`.

    Its form is that of the page event-detail-secret-label-updated of the Secrets Manager User
    Guide; account and Region are those of the client. Real AWS refuses this from a customer (a
    source `aws.*` is its own), so it is for emulators alone. Returns the id that the emulator gave
    the event; when this returns, moto has delivered it. Raises StackError.
    """
    answer = events.put_events(
        Entries=[
            {
                "Source": "aws.secretsmanager",
                "DetailType": "Secret Label Updated",
                "Time": at or datetime.now(UTC),
                "Resources": [arn],
                "Detail": json.dumps(
                    {"name": name, "labelUpdated": label, "versionId": version_id}
                ),
            }
        ]
    )
    entry = answer["Entries"][0]
    if "EventId" not in entry:
        raise StackError(f"The event was not taken: {entry.get('ErrorMessage')}.")
    return entry["EventId"]
