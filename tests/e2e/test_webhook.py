"""The webhook through the whole product: announcements become Secrets, and none is lost."""

import http.client
import json
from pathlib import Path
from typing import Any

import pytest

from externalsecret import definitions
from testbed.actions import hang_up
from testbed.cluster import Cluster
from testbed.installation import HarkProcess, grant
from testbed.proxy import WireProxy
from testbed.request import Request
from worlds.spine import Spine, await_until, unique
from worlds.webhook import announcement

AUDIENCE = "hark-webhook"


class Pipeline:
    """A product whose changes are announced by a pipeline, with its ServiceAccount's token."""

    def __init__(self, spine: Spine, folder: Path) -> None:
        self.spine = spine
        grant(spine.cluster, "listener", definitions.tokenreview_rights(), spine.namespace)
        callers = folder / "callers.yaml"
        callers.write_text(
            f"- serviceAccount: {spine.namespace}/pipeline\n"
            f"  announces: [{{backend: secretsManager, region: {spine.region}}}]\n"
        )
        self.token = spine.cluster.service_account_token(spine.namespace, "pipeline", AUDIENCE)
        self.environment = {
            "DISABLE_POLLING": "",
            "HARK_SQS_QUEUE_URLS": "",
            "HARK_WEBHOOK_PORT": "0",
            "HARK_WEBHOOK_AUTH": "token-review",
            "HARK_WEBHOOK_AUDIENCE": AUDIENCE,
            "HARK_WEBHOOK_CALLERS": str(callers),
        }
        spine.reconciler(environment=self.environment)

    def listener(self, **options: Any) -> HarkProcess:
        return self.spine.listener(environment=self.environment, **options)

    def synced(self, name: str) -> None:
        self.spine.create(name, "first")
        self.spine.apply(name, {"data": [{"key": name, "name": "entry"}]})
        self.spine.await_data(name, entry=b"first")

    def change(self, name: str, value: str) -> dict[str, Any]:
        """Write a version; its announcement, for nobody yet."""
        version = self.spine.change(name, value)
        return announcement(
            name, version=version, backend="secretsManager", region=self.spine.region
        )

    def post(self, listener: HarkProcess, event: dict[str, Any]) -> int:
        """The status of the answer; 0 where there is none."""
        connection = http.client.HTTPConnection("127.0.0.1", _port(listener), timeout=60)
        headers = {"Content-Type": "application/json", "Authorization": f"Bearer {self.token}"}
        try:
            connection.request("POST", "/v1/changes", json.dumps(event), headers)
            return connection.getresponse().status
        except (OSError, http.client.HTTPException):
            return 0
        finally:
            connection.close()

    def post_until_taken(self, listener: HarkProcess, event: dict[str, Any]) -> None:
        await_until(lambda: self.post(listener, event), lambda code: code == 200, "it is taken")


@pytest.fixture
def pipeline(spine: Spine, tmp_path: Path) -> Pipeline:
    return Pipeline(spine, tmp_path)


def test_an_announced_change_reaches_the_secret(pipeline: Pipeline) -> None:
    listener = pipeline.listener()
    name = unique("db")
    pipeline.synced(name)
    pipeline.post_until_taken(listener, pipeline.change(name, "second"))
    (entry,) = pipeline.spine.status(name)["keys"].values()
    assert entry["heard"]["via"] == "webhook", "the note is written before the answer"
    pipeline.spine.await_data(name, entry=b"second")
    pipeline.token = pipeline.spine.cluster.service_account_token(
        pipeline.spine.namespace, "pipeline"
    )
    assert pipeline.post(listener, pipeline.change(name, "third")) == 401
    assert listener.terminate() == 0


def test_what_was_not_answered_when_the_listener_was_killed_is_sent_again(
    pipeline: Pipeline, cluster: Cluster
) -> None:
    name = unique("db")
    with WireProxy(cluster.url, cluster.ca_file) as proxy:
        listener = pipeline.listener(server=proxy.url)
        pipeline.synced(name)

        def is_note(request: Request) -> bool:
            if request.method != "PATCH":
                return False
            listener.kill()
            return True

        proxy.when(is_note, hang_up, times=None)
        event = pipeline.change(name, "second")
        assert pipeline.post(listener, event) == 0
    pipeline.post_until_taken(pipeline.listener(), event)
    pipeline.spine.await_data(name, entry=b"second")


def _port(listener: HarkProcess) -> int:
    def opened() -> list[int]:
        return [one["port"] for one in listener.events() if one["event"] == "webhook.open"]

    return await_until(opened, bool, "the webhook is open")[0]
