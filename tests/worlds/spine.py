"""The whole product on real parts, for one test: an API server, AWS with the events stack, both
halves.

Everything of a test stands in a namespace and an AWS account of its own, so tests run side by side.
"""

import base64
import json
import os
import secrets
import shlex
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import pytest

from externalsecret import definitions
from testbed import awsstack
from testbed.cluster import MERGE_PATCH, ApiError, Cluster
from testbed.installation import HarkProcess, Installation, grant
from testbed.moto import Moto

STACK = Path(__file__).resolve().parents[2] / "infra" / "aws" / "hark-events.yaml"
GROUP = "/apis/kubernetes-client.io/v1"
PATIENCE = 60.0
"""Seconds that a test waits for what must come, on a machine with too much to do."""
GARBAGE_PATIENCE = 120.0
"""The same for the garbage collector, which looks for new kinds of owners only every 30 s."""
LAUNCHER = tuple(shlex.split(os.environ.get("HARK_TEST_LAUNCHER", "-m hark")))
"""What starts a half, as arguments of Python: tests/faults puts a fault in place of `-m hark`."""

T = TypeVar("T")


class Spine:
    """A namespace, an AWS account with the events stack, and the halves that a test starts."""

    def __init__(
        self,
        cluster: Cluster,
        namespace: str,
        moto: Moto,
        account: str,
        *,
        endpoint: str = "",
        launcher: Sequence[str] = LAUNCHER,
    ) -> None:
        """`endpoint` may name a proxy on the wire to AWS, through which the halves go."""
        self.cluster = cluster
        self.namespace = namespace
        self.account = account
        self.role = f"arn:aws:iam::{account}:role/app"
        self._env = moto.env(account)
        halves_env = moto.env(account, endpoint=endpoint or None)
        self.region = self._env["AWS_REGION"]
        self._session = awsstack.session(self._env)
        self.stack = awsstack.deploy(self.aws("cloudformation"), STACK, "hark-events")
        path = self.stack["QueueUrl"].split("/", 3)[3]
        self.queue = f"{moto.url}/{path}"
        self.dead_letters = f"{moto.url}/{self.stack['DeadLetterQueueUrl'].split('/', 3)[3]}"
        grant(cluster, "listener", definitions.rights("listener"), namespace, namespace)
        grant(cluster, "reconciler", definitions.rights("reconciler"), namespace, namespace)
        self.environment = {
            **halves_env,
            "WATCHED_NAMESPACES": namespace,
            "HARK_SQS_QUEUE_URLS": f"{endpoint or moto.url}/{path}",
            "HARK_REREAD_DELAYS": "200ms,400ms,800ms,1s",
        }
        """Of the halves."""
        self.installation = Installation(cluster, namespace, self.environment, launcher=launcher)

    def close(self) -> None:
        self.installation.close()

    # The halves.

    def listener(self, **options: Any) -> HarkProcess:
        """Start a listener and wait until it is ready."""
        process = self.installation.start("listener", **options)
        process.await_ready()
        return process

    def reconciler(self, **options: Any) -> HarkProcess:
        """Start a reconciler and wait until it is ready."""
        process = self.installation.start("reconciler", **options)
        process.await_ready()
        return process

    # AWS.

    def aws(self, service: str) -> Any:
        """A client as the administrator of the account, past any proxy."""
        client: Callable[..., Any] = self._session.client
        return client(service, endpoint_url=self._env["AWS_ENDPOINT_URL"])

    def create(self, name: str, value: Any) -> str:
        """Make a secret; its ARN. A value that is no text or bytes becomes JSON."""
        made = self.aws("secretsmanager").create_secret(Name=name, **_valued(value))
        arn: str = made["ARN"]
        return arn

    def change(self, name: str, value: Any) -> str:
        """Put a new current version, announced to nobody; its id."""
        manager = self.aws("secretsmanager")
        put = manager.put_secret_value(SecretId=name, **_valued(value))
        version: str = put["VersionId"]
        return version

    def announce(self, name: str, version: str, label: str = "AWSCURRENT") -> str:
        """Send the native event of a label move through the stack's rules; the event's id."""
        arn = self.aws("secretsmanager").describe_secret(SecretId=name)["ARN"]
        return awsstack.announce_label_updated(
            self.aws("events"), arn=arn, name=name, version_id=version, label=label
        )

    def change_and_announce(self, name: str, value: Any) -> str:
        """A change as real AWS makes it; the new version's id."""
        version = self.change(name, value)
        self.announce(name, version)
        return version

    # Kubernetes.

    def apply(self, name: str, spec: Mapping[str, Any], **metadata: Any) -> None:
        """Create an ExternalSecret, or patch its spec."""
        body = {
            "apiVersion": "kubernetes-client.io/v1",
            "kind": "ExternalSecret",
            "metadata": {"name": name, **metadata},
            "spec": {"backendType": "secretsManager", **spec},
        }
        try:
            self.cluster.request("POST", self._path(), body)
        except ApiError as error:
            if error.code != 409:
                raise
            self.cluster.request("PATCH", f"{self._path()}/{name}", body, content_type=MERGE_PATCH)

    def delete(self, name: str) -> None:
        self.cluster.request("DELETE", f"{self._path()}/{name}")

    def get(self, name: str) -> dict[str, Any]:
        """An ExternalSecret as it stands."""
        return self.cluster.request("GET", f"{self._path()}/{name}")

    def status(self, name: str) -> dict[str, Any]:
        status: dict[str, Any] = self.get(name).get("status") or {}
        return status

    def ready(self, name: str) -> dict[str, Any]:
        """The Ready condition; empty when there is none."""
        conditions = self.status(name).get("conditions") or []
        return next((one for one in conditions if one["type"] == "Ready"), {})

    def secret(self, name: str) -> dict[str, Any] | None:
        """A Secret as it stands; None when it is absent."""
        try:
            return self.cluster.request(
                "GET", f"/api/v1/namespaces/{self.namespace}/secrets/{name}"
            )
        except ApiError as error:
            if error.code != 404:
                raise
            return None

    def data(self, name: str) -> dict[str, bytes]:
        """A Secret's entries, decoded; empty when it is absent."""
        secret = self.secret(name) or {}
        return {entry: base64.b64decode(text) for entry, text in (secret.get("data") or {}).items()}

    def events(self, name: str) -> list[tuple[str, str]]:
        """(reason, message) of the Kubernetes Events about an ExternalSecret."""
        found = self.cluster.request("GET", f"/api/v1/namespaces/{self.namespace}/events")
        return [
            (event["reason"], event["message"])
            for event in found["items"]
            if event["involvedObject"]["name"] == name
        ]

    def await_data(self, name: str, **wanted: bytes) -> dict[str, bytes]:
        """Wait until a Secret's entries are these."""
        return await_until(lambda: self.data(name), lambda data: data == wanted, f"{name} is so")

    def await_reason(self, name: str, reason: str) -> dict[str, Any]:
        """Wait until the Ready condition has this reason."""
        return await_until(
            lambda: self.ready(name),
            lambda ready: ready.get("reason") == reason,
            f"{name} {reason}",
        )

    def await_version(self, name: str, version: str) -> dict[str, Any]:
        """Wait until the ledger says that this version was synced; its leaf.

        That is later than the Secret holds it: the ledger is written last.
        """

        def leaf() -> dict[str, Any]:
            keys = self.status(name).get("keys") or {}
            synced = [leaves.get("synced") or {} for leaves in keys.values()]
            return next((one for one in synced if one.get("version") == version), {})

        return await_until(leaf, bool, f"the ledger of {name} tells of {version}")

    def await_collected(self, name: str) -> None:
        """Wait until the garbage collector has taken a Secret."""
        await_until(
            lambda: self.secret(name),
            lambda secret: secret is None,
            f"{name} is collected",
            GARBAGE_PATIENCE,
        )

    def _path(self) -> str:
        return f"{GROUP}/namespaces/{self.namespace}/externalsecrets"


def await_until(
    look: Callable[[], T], good: Callable[[T], bool], what: str, patience: float = PATIENCE
) -> T:
    """Look until it is good; fail with what was seen last. `patience` in seconds."""
    deadline = time.monotonic() + patience
    while True:
        seen = look()
        if good(seen):
            return seen
        if time.monotonic() > deadline:
            pytest.fail(f"waited {patience} s in vain until {what}; seen last: {seen!r}")
        time.sleep(0.02)


def unique(prefix: str) -> str:
    """A name that no other test uses."""
    return f"{prefix}-{secrets.token_hex(4)}"


def _valued(value: Any) -> dict[str, Any]:
    if isinstance(value, bytes):
        return {"SecretBinary": value}
    return {"SecretString": value if isinstance(value, str) else json.dumps(value)}
