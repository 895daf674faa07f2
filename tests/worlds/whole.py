"""The whole product at work, for many tests: what AWS is asked is counted, what it says is forged.

Starting the halves is dear, so tests share one: each takes names and a role of its own, and so
never waits for the backoff of another's lane.
"""

import json
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from testbed.actions import answer
from testbed.awsstack import StackError
from testbed.cluster import MERGE_PATCH, Cluster
from testbed.installation import HarkProcess
from testbed.moto import Moto
from testbed.proxy import WireProxy
from testbed.request import Request
from testbed.rule import Rule
from worlds.spine import GROUP, PATIENCE, Spine, await_until, unique

VALUE_CALLS = {
    "BatchGetSecretValue",
    "GetSecretValue",
    "GetParameter",
    "GetParameters",
    "GetParametersByPath",
}
LOOK_CALLS = {"DescribeSecret", "ListSecrets", "DescribeParameters", "ListSecretVersionIds"}


@dataclass(frozen=True, slots=True)
class Fault:
    """What AWS says instead of an answer."""

    code: str
    status: int
    message: str


DENIED = Fault("AccessDeniedException", 400, "User is not authorized to perform this action")
THROTTLED = Fault("ThrottlingException", 400, "Rate exceeded")
BROKEN = Fault("InternalServiceError", 500, "An error occurred on the server side.")


class Whole(Spine):
    """A Spine whose halves reach AWS through a proxy."""

    def __init__(self, cluster: Cluster, namespace: str, moto: Moto, account: str) -> None:
        self.wire = WireProxy(moto.url)
        self._asked: list[tuple[str, str]] = []
        # A rule that takes nothing: it only sees what is asked.
        self.wire.when(self._saw, answer(500), times=None)
        super().__init__(cluster, namespace, moto, account, endpoint=self.wire.url)

    def close(self) -> None:
        super().close()
        self.wire.stop()

    def own_role(self) -> str:
        """A role that no other test uses, and so a lane of one's own."""
        return f"arn:aws:iam::{self.account}:role/{unique('app')}"

    # What AWS was asked.

    def value_calls(self, name: str) -> int:
        """How often the value of a secret or parameter was asked for; `name` must be unique."""
        return self._count(VALUE_CALLS, name)

    def looks(self, name: str) -> int:
        """How often its versions were asked for."""
        return self._count(LOOK_CALLS, name)

    def _count(self, operations: set[str], name: str) -> int:
        return sum(operation in operations and name in body for operation, body in [*self._asked])

    def _saw(self, request: Request) -> bool:
        self._asked.append((request.aws_operation, request.body.decode("utf-8", "replace")))
        return False

    # What AWS says.

    def refuse(
        self, name: str, fault: Fault, operations: Collection[str] = VALUE_CALLS | LOOK_CALLS
    ) -> Rule:
        """Let every such question about a secret fail until the rule is retired."""
        body = json.dumps({"__type": fault.code, "Message": fault.message}).encode()
        headers = {"Content-Type": "application/x-amz-json-1.1"}

        def asks(request: Request) -> bool:
            return request.aws_operation in operations and name.encode() in request.body

        return self.wire.when(asks, answer(fault.status, body, headers), times=None)

    def announce_call(
        self, service: str, call: str, request: Mapping[str, Any], **response: Any
    ) -> None:
        """Send what CloudTrail records of a call, through the stack's rules."""
        detail = {
            "eventSource": f"{service}.amazonaws.com",
            "eventName": call,
            "requestParameters": request,
            "responseElements": response,
        }
        self._put(f"aws.{service}", "AWS API Call via CloudTrail", detail, [])

    def announce_parameter(self, name: str, operation: str = "Update") -> None:
        """Send the native event of a parameter through the stack's rules."""
        arn = f"arn:aws:ssm:{self.region}:{self.account}:parameter/{name.lstrip('/')}"
        detail = {"operation": operation, "name": name, "type": "String", "description": ""}
        self._put("aws.ssm", "Parameter Store Change", detail, [arn])

    def _put(self, source: str, kind: str, detail: Mapping[str, Any], resources: list[str]) -> None:
        entry = {
            "Source": source,
            "DetailType": kind,
            "Time": datetime.now(UTC),
            "Resources": resources,
            "Detail": json.dumps(detail),
        }
        failed = self.aws("events").put_events(Entries=[entry])["Entries"][0].get("ErrorMessage")
        if failed:
            raise StackError(f"The event was not taken: {failed}.")

    def set_parameter(self, name: str, value: str, kind: str = "String") -> int:
        """Write a parameter, announced to nobody; its version."""
        put = self.aws("ssm").put_parameter(Name=name, Value=value, Type=kind, Overwrite=True)
        version: int = put["Version"]
        return version

    def change_and_announce_parameter(self, name: str, value: str, kind: str = "String") -> int:
        """A change as real AWS makes it; the new version."""
        version = self.set_parameter(name, value, kind)
        self.announce_parameter(name)
        return version

    # Kubernetes, by hand.

    def make_secret(self, name: str, **rest: Any) -> dict[str, Any]:
        """A Secret of somebody else; `rest` beside its name."""
        metadata = {"name": name, **rest.pop("metadata", {})}
        body = {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, **rest}
        return self.cluster.request("POST", f"/api/v1/namespaces/{self.namespace}/secrets", body)

    def edit_secret(self, name: str, patch: Mapping[str, Any]) -> dict[str, Any]:
        """As `kubectl patch` by somebody else."""
        return self.cluster.request(
            "PATCH", self._secret_path(name), patch, content_type=MERGE_PATCH
        )

    def delete_secret(self, name: str) -> None:
        self.cluster.request("DELETE", self._secret_path(name))

    def annotate(self, name: str, annotations: Mapping[str, str | None]) -> None:
        """Annotate an ExternalSecret."""
        self.edit(name, {"metadata": {"annotations": annotations}})

    def everything(self, resource: str) -> dict[str, Any]:
        """All ExternalSecrets, secrets or events of the namespace."""
        group = GROUP if resource == "externalsecrets" else "/api/v1"
        path = f"{group}/namespaces/{self.namespace}/{resource}"
        return self.cluster.request("GET", path)

    def edit(self, name: str, patch: Mapping[str, Any]) -> None:
        """Patch an ExternalSecret; unlike `apply` it can take fields away, by null."""
        path = f"{self._path()}/{name}"
        self.cluster.request("PATCH", path, patch, content_type=MERGE_PATCH)

    def _secret_path(self, name: str) -> str:
        return f"/api/v1/namespaces/{self.namespace}/secrets/{name}"

    # What is awaited.

    def await_synced(self, name: str, patience: float = PATIENCE) -> dict[str, Any]:
        """Wait until the object is content with its present spec; its status."""

        def is_content(found: dict[str, Any]) -> bool:
            status = found.get("status") or {}
            observed = status.get("observedGeneration") == found["metadata"]["generation"]
            return observed and status.get("status") == "SUCCESS"

        found = await_until(lambda: self.get(name), is_content, f"{name} is synced", patience)
        status: dict[str, Any] = found["status"]
        return status

    def pass_by(self, **spec: Any) -> None:
        """Have another object synced, and then a change of it heard and followed.

        Both halves have seen by then whatever was done to any object before, and had their chance
        to do something about it.
        """
        beacon = unique("beacon")
        self.create(beacon, "first")
        data = [{"key": beacon, "name": "entry"}]
        self.apply(beacon, {"roleArn": self.own_role(), "data": data, **spec})
        self.await_synced(beacon)
        self.await_version(beacon, self.change_and_announce(beacon, "second"))

    def await_rest(self, name: str) -> None:
        """Wait until an object is not written any more, however often others are."""

        def is_left_alone() -> bool:
            before = self.get(name)
            self.pass_by()
            return self.get(name) == before

        await_until(is_left_alone, bool, f"{name} is left alone")

    def await_event(self, name: str, reason: str) -> str:
        """Wait for a Kubernetes Event about an ExternalSecret; its message."""
        events = await_until(
            lambda: dict(self.events(name)), lambda seen: reason in seen, f"an Event {reason}"
        )
        return events[reason]

    def await_complaint(self, name: str, reason: str) -> str:
        """Wait until status, condition and an Event say what is wrong; the sentence."""

        def ready(status: dict[str, Any]) -> dict[str, Any]:
            conditions = status.get("conditions") or []
            return next((one for one in conditions if one["type"] == "Ready"), {})

        status = await_until(
            lambda: self.status(name),
            lambda status: ready(status).get("reason") == reason,
            f"{name} {reason}",
        )
        assert ready(status)["status"] == "False"
        sentence: str = ready(status)["message"]
        assert status["status"] == f"ERROR, {sentence}"
        self.await_event(name, reason)
        return sentence


@dataclass(frozen=True, slots=True)
class Running:
    """A Whole with both halves at work."""

    whole: Whole
    listener: HarkProcess
    reconciler: HarkProcess


@contextmanager
def whole_product(cluster: Cluster, moto: Moto) -> Iterator[Whole]:
    """A Whole in a namespace and an account of its own; no half is started."""
    namespace = unique("e2e")
    cluster.request("POST", "/api/v1/namespaces", {"metadata": {"name": namespace}})
    # Twelve digits from the namespace's own: nobody else has the same.
    account = f"8{int(namespace[-8:], 16):011d}"
    whole = Whole(cluster, namespace, moto, account)
    try:
        yield whole
    finally:
        whole.close()
        cluster.request("DELETE", f"/api/v1/namespaces/{namespace}")
