"""Every operation of AWS that the product asked for in a run must be one that the stack allows.

A pytest plugin, fed by the proxies on the wire to AWS (testbed.fixtures); it fails the run. Of
several workers the one that started them judges. A run of some tests is judged by what these asked
for. That nothing is allowed in vain is held by tests/infra/test_grants.py.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from testbed.awstemplate import read_template
from testbed.fixtures import AWS_CALLS

TEMPLATE = Path(__file__).parents[2] / "infra" / "aws" / "hark-events.yaml"
BY_ITS_USER = {"SendMessage", "PutEvents", "DescribeStacks"}
"""`hark test-event` and `hark install-values` work with the credentials of whoever types them."""
BY_TRUST = {"AssumeRoleWithWebIdentity"}
"""What a role's trust allows, and no policy."""
_OUTPUT = "aws_calls"


def granted() -> set[str]:
    """The operations that some policy of the stack allows."""
    actions: set[str] = set()
    for resource in read_template(TEMPLATE)["Resources"].values():
        if resource["Type"] == "AWS::IAM::ManagedPolicy":
            for statement in resource["Properties"]["PolicyDocument"]["Statement"]:
                action = statement["Action"]
                actions |= {action} if isinstance(action, str) else set(action)
    return {action.partition(":")[2] for action in actions}


def beyond(called: Iterable[str], allowed: set[str]) -> set[str]:
    """What was asked for and is not allowed. SQS has one right for single messages and batches."""
    return {
        operation
        for operation in called
        if operation not in allowed | BY_ITS_USER | BY_TRUST
        and operation.removesuffix("Batch") not in allowed
    }


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """A worker has ended: take over what it saw."""
    seen = getattr(node, "workeroutput", {}).get(_OUTPUT, ())
    node.config.stash.setdefault(AWS_CALLS, set()).update(seen)


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Judge, or tell whoever judges."""
    called = session.config.stash.get(AWS_CALLS, set())
    output = getattr(session.config, "workeroutput", None)
    if output is not None:
        output[_OUTPUT] = sorted(called)
        return
    found = beyond(called, granted())
    if found:
        reporter = session.config.pluginmanager.get_plugin("terminalreporter")
        if reporter is not None:
            reporter.write_line(
                "Hark asked AWS for what infra/aws/hark-events.yaml does not allow: "
                f"{', '.join(sorted(found))}.",
                red=True,
            )
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
