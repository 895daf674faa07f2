"""A Spine whose two wires, to the API server and to AWS, run through proxies that may cut them.

Used by tests that crash a half at a chosen instant or count what it asks. Nothing sleeps until a
crash probably falls right: the proxy itself kills the process, by the request that it has seen.
"""

import json
import os
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from testbed.actions import after, before, hang_up
from testbed.installation import HarkProcess
from testbed.proxy import WireProxy
from testbed.request import Head, Request, aws, calls
from testbed.rule import Rule
from worlds.spine import PATIENCE, Spine, await_until

SINGLE_READ = aws("GetSecretValue")
LOOK = aws("DescribeSecret")
RECEIVE = aws("ReceiveMessage")
ACKNOWLEDGE = aws("DeleteMessageBatch")
OUTAGE = float(os.environ.get("HARK_TEST_OUTAGE_SECONDS", "0"))
"""Seconds by which the outages of tests are drawn out: by hand, for they last several timeouts."""
_BATCH = 10
"""Messages that SQS takes in one call."""
_CALL_TYPE = "AWS API Call via CloudTrail"


def status_patch_of(name: str) -> Callable[[Head], bool]:
    """The ledger of an ExternalSecret is written."""
    return calls("PATCH", f"/externalsecrets/{name}/status")


def secret_patch_of(name: str) -> Callable[[Head], bool]:
    """A Secret that exists is written."""
    return calls("PATCH", f"/secrets/{name}")


def secret_making(head: Head) -> bool:
    """A Secret is made."""
    return head.method == "POST" and head.path.endswith("/secrets")


class Wired:
    """A Spine and its wires. `kube` carries the halves that are started here, `aws` all of them."""

    def __init__(self, spine: Spine, kube: WireProxy, wire: WireProxy) -> None:
        self.spine = spine
        self.kube = kube
        self.aws = wire
        self._batched: list[str] = []
        # A rule that takes nothing: it only sees what is asked for.
        wire.when(self._note_batch, hang_up, times=None)
        self._sqs = spine.aws("sqs")
        self.hide_for(2)

    # The halves.

    def listener(self, **options: Any) -> HarkProcess:
        """Start a listener whose words to the API server pass the proxy."""
        return self.spine.listener(server=self.kube.url, **options)

    def reconciler(self, **options: Any) -> HarkProcess:
        """Start a reconciler whose words to the API server pass the proxy."""
        return self.spine.reconciler(server=self.kube.url, **options)

    # The wires.

    def reads(self) -> int:
        """Values that AWS was asked for so far, each id of a batch by itself."""
        return self.forwarded(self.aws, SINGLE_READ) + len(self._batched)

    def forwarded(self, wire: WireProxy, matcher: Callable[[Head], bool]) -> int:
        """How many such requests reached the server."""
        return sum(1 for entry in wire.log if entry.forwarded and matcher(entry.head))

    def _note_batch(self, request: Request) -> bool:
        if request.aws_operation == "BatchGetSecretValue":
            self._batched += request.json["SecretIdList"]
        return False

    # The queue.

    def hide_for(self, seconds: int) -> None:
        """How long a message that was received stays hidden: the wait after a crash."""
        self._set(VisibilityTimeout=str(seconds))

    def redrive_after(self, receives: int) -> None:
        """How often a message is handed out before it goes to the dead-letter queue."""
        arn = self._attributes(self.spine.dead_letters)["QueueArn"]
        policy = {"deadLetterTargetArn": arn, "maxReceiveCount": receives}
        self._set(RedrivePolicy=json.dumps(policy))

    def another_queue(self, name: str) -> str:
        """Make a queue in the same account; its URL as the halves use it, past the proxy."""
        made = self._sqs.create_queue(QueueName=name)["QueueUrl"]
        return f"{self.spine.queue.rpartition('/')[0]}/{made.rpartition('/')[2]}"

    def deliver(self, *bodies: str, queue: str = "") -> None:
        """Put messages into the queue, as EventBridge's targets do; ten travel in one call."""
        for start in range(0, len(bodies), _BATCH):
            entries = [
                {"Id": str(place), "MessageBody": body}
                for place, body in enumerate(bodies[start : start + _BATCH])
            ]
            self._sqs.send_message_batch(QueueUrl=queue or self.spine.queue, Entries=entries)

    def undone(self) -> int:
        """Messages that are not acknowledged, hidden ones too."""
        return self._count(self.spine.queue)

    def dead(self) -> int:
        """Messages in the dead-letter queue."""
        return self._count(self.spine.dead_letters)

    def await_worked_off(self) -> None:
        """Wait until every message is acknowledged, and see that none was given up."""
        await_until(self.undone, lambda count: count == 0, "the queue is empty")
        assert self.dead() == 0

    def _set(self, **attributes: str) -> None:
        self._sqs.set_queue_attributes(QueueUrl=self.spine.queue, Attributes=attributes)

    def _attributes(self, queue: str) -> dict[str, str]:
        reply = self._sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["All"])
        attributes: dict[str, str] = reply["Attributes"]
        return attributes

    def _count(self, queue: str) -> int:
        attributes = self._attributes(queue)
        states = ("", "NotVisible", "Delayed")
        return sum(int(attributes[f"ApproximateNumberOfMessages{state}"]) for state in states)

    # Messages.

    def label_moved(
        self, name: str, version: str, event_id: str, *, account: str = "", region: str = ""
    ) -> str:
        """The body of a native event, in the words of EventBridge; from our own place, if none is
        named.
        """
        detail = {"name": name, "labelUpdated": "AWSCURRENT", "versionId": version}
        return self._event("Secret Label Updated", event_id, detail, account, region)

    def put_recorded(self, name: str, version: str, event_id: str) -> str:
        """The body of what CloudTrail recorded of PutSecretValue."""
        detail = {
            "eventSource": "secretsmanager.amazonaws.com",
            "eventName": "PutSecretValue",
            "eventType": "AwsApiCall",
            "requestParameters": {"secretId": name, "clientRequestToken": version},
            "responseElements": {"versionId": version, "versionStages": ["AWSCURRENT"]},
        }
        return self._event(_CALL_TYPE, event_id, detail)

    def _event(
        self,
        detail_type: str,
        event_id: str,
        detail: Mapping[str, Any],
        account: str = "",
        region: str = "",
    ) -> str:
        now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        return json.dumps(
            {
                "version": "0",
                "id": event_id,
                "detail-type": detail_type,
                "source": "aws.secretsmanager",
                "account": account or self.spine.account,
                "time": now,
                "region": region or self.spine.region,
                "resources": [],
                "detail": detail,
            }
        )

    # What stands in the cluster.

    def serve(self, name: str, *keys: str) -> None:
        """Apply an ExternalSecret whose entries are whole secrets, named as these."""
        data = [{"key": key, "name": key} for key in keys]
        self.spine.apply(name, {"roleArn": self.spine.role, "data": data})

    def leaves(self, name: str, key: str = "") -> dict[str, Any]:
        """The ledger's leaves for a key (the only one, if none is named); empty when absent."""
        keys: dict[str, dict[str, Any]] = self.spine.status(name).get("keys") or {}
        return next((leaves for entry, leaves in keys.items() if f"/{key}" in entry), {})

    def heard(self, name: str) -> dict[str, Any]:
        """What the ledger heard of the only key; empty for nothing."""
        return self.leaves(name).get("heard") or {}

    def await_synced(self, name: str, version: str, key: str = "") -> dict[str, Any]:
        """Wait until the ledger says that this version is in the Secret and no note is open."""
        return await_until(
            lambda: self.leaves(name, key),
            lambda leaves: _is_done(leaves) and leaves["synced"]["version"] == version,
            f"the ledger of {name} is settled at {version}",
        )

    def await_covered(self, name: str, event_id: str) -> dict[str, Any]:
        """Wait until this note was heard and nothing is open any more."""
        return await_until(
            lambda: self.leaves(name),
            lambda leaves: _is_done(leaves) and is_note(leaves.get("heard") or {}, event_id),
            f"the note {event_id} of {name} is covered",
        )


def is_note(heard: Mapping[str, Any], event_id: str) -> bool:
    """Whether a note is that of an event. One that stands over a note which no read has covered
    carries a digest of both behind a plus sign.
    """
    return str(heard.get("id")).partition("+")[0] == event_id


def kill_at(
    process: HarkProcess, wire: WireProxy, matcher: Callable[[Head], bool], *, done: bool
) -> Rule:
    """Kill a half by SIGKILL when its next such request passes; wait with `await_kill`.

    `done` tells whether the server does what the request asks, and only its answer is lost.
    """
    kill = after if done else before
    return wire.when(matcher, kill(process.kill, then=hang_up))


def await_kill(process: HarkProcess, rule: Rule) -> None:
    """Wait until a kill that was set up has happened."""
    rule.wait()
    assert process.wait(PATIENCE) < 0


def _is_done(leaves: Mapping[str, Any]) -> bool:
    heard, synced = leaves.get("heard"), leaves.get("synced")
    if not synced:
        return False
    if not heard or heard["id"] == synced.get("note"):
        return True
    return heard.get("version") is not None and heard["version"] == synced["version"]
