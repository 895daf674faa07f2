"""The cloud of the demo, seen by its administrator: the two stacks, the secret, the announcer.

Fed by moto's server; feeds the acts and hark.demo.change. Guarantees: every value it plants begins
with CANARY, so that whoever searches an output for values finds them; none is ever returned but by
`planted`.
"""

import json
import secrets
from collections.abc import Callable
from pathlib import Path
from typing import Any

from testbed import awsstack
from testbed.moto import Moto

CANARY = "canary-"
SECRET = "DB-dev"  # noqa: S105 - its name
_EVENTS_STACK = "hark-events"
_EXAMPLE_STACK = "hark-example"


class Cloud:
    """One AWS account that is moto's."""

    def __init__(self, moto: Moto) -> None:
        self.url = moto.url
        self._env = moto.env()
        self._session = awsstack.session(self._env)
        self.planted: list[dict[str, str]] = []
        """What the secret held, the last value at the end."""

    def client(self, service: str) -> Any:
        """An SDK client of the administrator's, past every proxy."""
        make: Callable[..., Any] = self._session.client
        return make(service, endpoint_url=self._env["AWS_ENDPOINT_URL"])

    def deploy_events(self, template: Path) -> dict[str, str]:
        """Deploy the stack that carries changes to the queue; its outputs."""
        return awsstack.deploy(self.client("cloudformation"), template, _EVENTS_STACK)

    def deploy_secret(self, template: Path) -> bool:
        """Deploy the example's secret; whether it had to be made by API as the stack has not."""
        awsstack.deploy(self.client("cloudformation"), template, _EXAMPLE_STACK)
        manager = self.client("secretsmanager")
        try:
            manager.describe_secret(SecretId=SECRET)
        except manager.exceptions.ResourceNotFoundException:
            manager.create_secret(Name=SECRET, SecretString=self._plant())
            return True
        self.change()
        return False

    def rules_into(self, queue_arn: str) -> list[str]:
        """The names of the rules that send to a queue."""
        events = self.client("events")
        names = [rule["Name"] for rule in events.list_rules()["Rules"]]
        return [
            name
            for name in names
            for target in events.list_targets_by_rule(Rule=name)["Targets"]
            if target["Arn"] == queue_arn
        ]

    def redrive(self, queue_url: str) -> dict[str, Any]:
        """A queue's redrive policy; empty where it has none."""
        asked = self.client("sqs").get_queue_attributes(
            QueueUrl=queue_url, AttributeNames=["RedrivePolicy"]
        )
        policy: dict[str, Any] = json.loads(asked.get("Attributes", {}).get("RedrivePolicy", "{}"))
        return policy

    def version(self) -> str:
        """The id of the secret's current version."""
        told = self.client("secretsmanager").describe_secret(SecretId=SECRET)
        stages: dict[str, list[str]] = told["VersionIdsToStages"]
        return next(version for version, labels in stages.items() if "AWSCURRENT" in labels)

    def change(self) -> str:
        """Put a new current version, announced to nobody; its id."""
        manager = self.client("secretsmanager")
        version: str = manager.put_secret_value(SecretId=SECRET, SecretString=self._plant())[
            "VersionId"
        ]
        return version

    def announce(self, version: str) -> None:
        """Put the event that real AWS sends by itself on the bus."""
        arn = self.client("secretsmanager").describe_secret(SecretId=SECRET)["ARN"]
        awsstack.announce_label_updated(
            self.client("events"), arn=arn, name=SECRET, version_id=version
        )

    def _plant(self) -> str:
        value = {
            "user": CANARY + secrets.token_hex(4),
            "password": CANARY + secrets.token_hex(16),
        }
        self.planted.append(value)
        return json.dumps(value)
