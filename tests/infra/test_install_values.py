"""`hark install-values`: what it prints of a stack in moto, and what the chart makes of that."""

import json
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from testbed.awsstack import deploy, session
from testbed.awstemplate import read_template
from testbed.helm import Helm
from testbed.moto import REGION, Moto

ROOT = Path(__file__).resolve().parents[2]
TEMPLATE = ROOT / "infra" / "aws" / "hark-events.yaml"
ISSUER = "oidc.eks.eu-central-1.amazonaws.com/id/EXAMPLE"
HALVES = ("listener", "reconciler")


class Account:
    """One AWS account in moto, and the command as its user runs it."""

    def __init__(self, moto: Moto, account: str) -> None:
        self.environment = moto.env(account)
        aws = session(self.environment)
        url = self.environment["AWS_ENDPOINT_URL"]
        self.cloudformation = aws.client("cloudformation", endpoint_url=url)
        self.iam = aws.client("iam", endpoint_url=url)
        self.outputs: dict[str, str] = {}

    def deploy(self, **parameters: str) -> None:
        self.outputs = deploy(self.cloudformation, TEMPLATE, "hark-events", parameters)

    def hark(self, stack: str = "hark-events") -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "hark", "install-values", "--stack", stack, "--region", REGION],
            cwd=ROOT,
            env=dict(self.environment),
            capture_output=True,
            text=True,
            timeout=90,
            check=False,
        )

    def values(self) -> dict[str, Any]:
        done = self.hark()
        assert done.returncode == 0, done.stderr
        printed: dict[str, Any] = yaml.safe_load(done.stdout)
        return printed

    def trust(self, half: str) -> dict[str, Any]:
        """The one statement by which a half's role is had."""
        name = self.outputs[f"{half.capitalize()}RoleArn"].rpartition("/")[2]
        trust: Any = self.iam.get_role(RoleName=name)["Role"]["AssumeRolePolicyDocument"]
        document = json.loads(trust) if isinstance(trust, str) else trust
        [statement] = document["Statement"]
        found: dict[str, Any] = statement
        return found


@pytest.fixture
def account(moto: Moto, aws_account: str) -> Account:
    return Account(moto, aws_account)


@pytest.fixture
def rendered() -> Iterator[Callable[[Mapping[str, Any]], dict[tuple[str, str], Any]]]:
    helm = Helm(ROOT / "charts" / "hark")

    def render(values: Mapping[str, Any]) -> dict[tuple[str, str], Any]:
        found = yaml.safe_load_all(helm.template("hark", "hark-system", values))
        return {(one["kind"], one["metadata"]["name"]): one for one in found if one}

    yield render
    helm.close()


def environment(deployment: Mapping[str, Any]) -> dict[str, Any]:
    [container] = deployment["spec"]["template"]["spec"]["containers"]
    return {one["name"]: one.get("value") for one in container["env"]}


def test_the_values_of_a_stack_with_roles_make_a_release_that_uses_queue_and_roles(
    account: Account, rendered: Callable[[Mapping[str, Any]], dict[tuple[str, str], Any]]
) -> None:
    account.deploy(OidcProvider=ISSUER, ReconcilerServiceAccount="my-reconciler")
    made = rendered(account.values())
    listener = environment(made["Deployment", "hark-listener"])
    assert listener["HARK_SQS_QUEUE_URLS"] == account.outputs["QueueUrl"]
    assert listener["AWS_REGION"] == REGION
    for half, name in (("listener", "hark-listener"), ("reconciler", "my-reconciler")):
        annotations = made["ServiceAccount", name]["metadata"]["annotations"]
        role = account.outputs[f"{half.capitalize()}RoleArn"]
        assert annotations == {"eks.amazonaws.com/role-arn": role}
        pod = made["Deployment", f"hark-{half}"]["spec"]["template"]["spec"]
        assert pod["serviceAccountName"] == name


def test_each_role_is_for_its_serviceaccount_alone(account: Account) -> None:
    account.deploy(OidcProvider=ISSUER, Namespace="there")
    for half in HALVES:
        trust = account.trust(half)
        assert trust["Action"] == "sts:AssumeRoleWithWebIdentity"
        assert trust["Principal"]["Federated"].endswith(f":oidc-provider/{ISSUER}")
        assert trust["Condition"]["StringEquals"] == {
            f"{ISSUER}:aud": "sts.amazonaws.com",
            f"{ISSUER}:sub": f"system:serviceaccount:there:hark-{half}",
        }


@pytest.mark.parametrize("half", HALVES)
def test_a_role_has_every_policy_of_its_half_where_there_is_one(half: str) -> None:
    """By the template: moto attaches none of a role's policies."""
    resources = read_template(TEMPLATE)["Resources"]
    made = {
        name: one.get("Condition")
        for name, one in resources.items()
        if one["Type"] == "AWS::IAM::ManagedPolicy" and name.startswith(half.capitalize())
    }
    attached: dict[str, str | None] = {}
    for arn in resources[f"{half.capitalize()}Role"]["Properties"]["ManagedPolicyArns"]:
        condition, then, otherwise = arn.get("Fn::If") or (None, arn, {"Ref": "AWS::NoValue"})
        assert otherwise == {"Ref": "AWS::NoValue"}
        attached[then["Ref"]] = condition
    assert attached == made
    assert made


def test_with_pod_identity_the_accounts_need_no_annotation(account: Account) -> None:
    account.deploy(EksClusterName="shop")
    values = account.values()
    for half in HALVES:
        assert values[half] == {"serviceAccount": {"name": f"hark-{half}"}}
        trust = account.trust(half)
        assert trust["Principal"] == {"Service": "pods.eks.amazonaws.com"}
        assert trust["Condition"]["StringEquals"] == {
            "aws:RequestTag/eks-cluster-name": "shop",
            "aws:RequestTag/kubernetes-namespace": "hark-system",
            "aws:RequestTag/kubernetes-service-account": f"hark-{half}",
        }


def test_without_roles_the_values_name_queue_and_region_alone(account: Account) -> None:
    account.deploy()
    assert account.values() == {
        "sources": {"sqs": {"queueUrls": [account.outputs["QueueUrl"]]}},
        "credentials": {"aws": {"region": REGION}},
    }


def test_a_stack_that_is_not_there_or_not_harks_is_refused_in_a_sentence(account: Account) -> None:
    done = account.hark("elsewhere")
    assert done.returncode == 1
    assert "The stack elsewhere was not read" in done.stderr
    account.cloudformation.create_stack(
        StackName="other",
        TemplateBody=json.dumps({"Resources": {"Topic": {"Type": "AWS::SNS::Topic"}}}),
    )
    done = account.hark("other")
    assert done.returncode == 1
    assert "Name a stack that was made from infra/aws/hark-events.yaml" in done.stderr
