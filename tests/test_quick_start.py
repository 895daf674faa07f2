"""Both quick starts, as somebody would type them, each on an API server of its own."""

import base64
import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from testbed import helm, pythontool
from testbed.awsstack import announce_label_updated, deploy, session
from testbed.controlplane import ControlPlane
from testbed.installation import Half, Installation
from testbed.moto import Moto
from worlds.pods import deployment, run_pod
from worlds.spine import await_until

ROOT = Path(__file__).resolve().parents[1]
ACCOUNT = "system:serviceaccount:hark-system:hark-"
HALVES: tuple[Half, Half] = ("listener", "reconciler")
AWAITS_A_SECRET = "kubectl wait"

Run = Callable[[str], str]


def _from_a_checkout() -> list[str]:
    text = (ROOT / "docs" / "from-a-checkout.md").read_text(encoding="utf-8")
    found = re.findall(r"^ {7}((?:kubectl|\.venv/bin/hark) .+)$", text, re.MULTILINE)
    return [command for command in found if not command.startswith(AWAITS_A_SECRET)]


def _of_the_readme() -> list[str]:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    section = text.partition("## Quick start on a cluster\n")[2].partition("\n## ")[0]
    return re.findall(r"^ {4}(\S.*)$", section, re.MULTILINE)


@pytest.fixture
def environment(control_plane: ControlPlane, tmp_path: Path) -> dict[str, str]:
    programs = tmp_path / "bin"
    programs.mkdir()
    (programs / "helm").symlink_to(helm.provide_at_once())
    aws = pythontool.provide_at_once("awscli")
    (programs / "aws").write_text(
        f'#!/bin/sh\nPYTHONPATH={aws.packages} exec {" ".join(aws.command("awscli"))} "$@"\n'
    )
    (programs / "aws").chmod(0o755)
    return {
        "HOME": str(tmp_path),
        "KUBECONFIG": str(control_plane.admin_kubeconfig),
        "PATH": f"{programs}:{control_plane.kubectl.parent}:{os.environ['PATH']}",
        "PYTHONPATH": str(ROOT),
    }


@pytest.fixture
def run(environment: dict[str, str], tmp_path: Path) -> Run:
    """Run a line in a folder that looks like a checkout; what it prints."""
    checkout = tmp_path / "checkout"
    checkout.mkdir()
    for name in ("charts", "examples", "externalsecret", "infra"):
        (checkout / name).symlink_to(ROOT / name)

    def typed(line: str) -> str:
        done = subprocess.run(
            [
                "/bin/bash",
                "-o",
                "pipefail",
                "-c",
                line.replace(".venv/bin/hark", f"{sys.executable} -m hark"),
            ],
            cwd=checkout,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        # kubectl auth can-i answers no by 1.
        assert done.returncode in {0, 1}, f"{line}\n{done.stderr}"
        assert done.returncode == 0 or " can-i " in line, f"{line}\n{done.stderr}"
        return done.stdout.strip()

    return typed


@pytest.fixture
def installation(control_plane: ControlPlane) -> Iterator[Installation]:
    made = Installation(control_plane, "hark-system", {})
    yield made
    made.close()


def test_five_commands_lead_from_nothing_to_a_secret_that_follows_its_event(
    run: Run,
    environment: dict[str, str],
    control_plane: ControlPlane,
    installation: Installation,
    moto: Moto,
    aws_account: str,
) -> None:
    """Everything is typed as it stands; only the pods are processes here, as there is no kubelet,
    and their credentials are those of the account instead of a token's. Of a stack that was
    deployed by a change set moto knows no outputs, so it is made a second time in one call.
    """
    account = moto.env(aws_account)
    environment |= account | {"AWS_DEFAULT_REGION": account["AWS_REGION"]}
    aws = session(account)
    manager = aws.client("secretsmanager", endpoint_url=account["AWS_ENDPOINT_URL"])
    value = {"user": "shop", "password": "first"}
    arn = manager.create_secret(Name="DB-dev", SecretString=json.dumps(value))["ARN"]

    stack, values, install, apply, wait = _of_the_readme()
    run(stack)
    assert "CREATE_COMPLETE" in run("aws cloudformation describe-stacks --stack-name hark-events")
    run("aws cloudformation delete-stack --stack-name hark-events")
    given = dict(one.split("=") for one in stack.partition("--parameter-overrides ")[2].split())
    cloudformation = aws.client("cloudformation", endpoint_url=account["AWS_ENDPOINT_URL"])
    deploy(cloudformation, ROOT / "infra" / "aws" / "hark-events.yaml", "hark-events", given)
    run(values)
    run(install)
    for half in HALVES:
        run_pod(installation, deployment(control_plane, "hark-system", "hark", half), half, account)
    run(apply)
    assert "condition met" in run(f"{wait} --timeout=60s")

    def password() -> str:
        secret = control_plane.request("GET", "/api/v1/namespaces/default/secrets/db")
        return base64.b64decode(secret["data"]["password"]).decode()

    assert password() == "first"
    value["password"] = "second"
    put = manager.put_secret_value(SecretId=arn, SecretString=json.dumps(value))
    events = aws.client("events", endpoint_url=account["AWS_ENDPOINT_URL"])
    announce_label_updated(events, arn=arn, name="DB-dev", version_id=put["VersionId"])
    await_until(password, lambda found: found == "second", "the Secret follows the event")


def test_the_commands_for_a_checkout_give_each_half_its_rights(run: Run) -> None:
    def may(half: str, what: str) -> str:
        return run(f"kubectl auth can-i {what} --as={ACCOUNT}{half}")

    commands = _from_a_checkout()
    assert len(commands) >= 8
    for command in commands:
        assert run(command), f"{command} did nothing"
    assert may("listener", "list externalsecrets.kubernetes-client.io") == "yes"
    assert may("listener", "list secrets") == "no"
    assert may("listener", "create leases.coordination.k8s.io -n hark-system") == "yes"
    assert may("reconciler", "patch secrets") == "yes"
    assert may("reconciler", "create leases.coordination.k8s.io -n hark-system") == "yes"
