"""`hark install-values`: the values with which the Helm chart fits a deployed stack.

Fed by the outputs of infra/aws/hark-events.yaml; prints YAML for `helm install -f`. It changes
nothing. What the outputs do not tell (the image, further queues) stays as the chart has it.
"""

import argparse
import importlib
import sys
from collections.abc import Mapping
from typing import Any

import yaml

from externalsecret.errors import GiveUp

MEANING = "print the Helm values that fit a deployed CloudFormation stack"
DETAILS = """\
The stack is read with your own AWS credentials, which must allow cloudformation:DescribeStacks.

  hark install-values --stack hark-events > values.yaml
  helm install hark charts/hark -n hark-system --create-namespace -f values.yaml"""
_HALVES = ("listener", "reconciler")
_ROLE = "eks.amazonaws.com/role-arn"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Which stack."""
    parser.add_argument("--stack", required=True, metavar="NAME", help="name or ARN of the stack")
    parser.add_argument("--region", metavar="REGION", help="its region (default: AWS_REGION)")


def run(arguments: argparse.Namespace, _environ: Mapping[str, str]) -> int:
    """Print; the exit code. Raises GiveUp."""
    # It loads the SDK, which help and the other commands do without.
    stack = importlib.import_module("listener.sources.stackoutputs")
    outputs = stack.read_outputs(arguments.stack, arguments.region)
    sys.stdout.write(yaml.safe_dump(chart_values(outputs), sort_keys=False))
    return 0


def chart_values(outputs: Mapping[str, str]) -> dict[str, Any]:
    """The values of charts/hark by the outputs of a stack; raises GiveUp where it is no stack of
    Hark's.
    """
    if not {"QueueUrl", "Region"} <= set(outputs):
        raise GiveUp(
            "The stack has no outputs QueueUrl and Region. Name a stack that was made from "
            "infra/aws/hark-events.yaml.",
            reason="NoSuchStack",
        )
    values: dict[str, Any] = {
        "sources": {"sqs": {"queueUrls": [outputs["QueueUrl"]]}},
        "credentials": {"aws": {"region": outputs["Region"]}},
    }
    if "RolesBy" in outputs:
        for half in _HALVES:
            account: dict[str, Any] = {"name": outputs[f"{half.capitalize()}ServiceAccount"]}
            if outputs["RolesBy"] == "irsa":
                account["annotations"] = {_ROLE: outputs[f"{half.capitalize()}RoleArn"]}
            values[half] = {"serviceAccount": account}
    return values
