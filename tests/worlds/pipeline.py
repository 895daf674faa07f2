"""The webhook of the whole product, as a pipeline posts to it with its ServiceAccount's token."""

import http.client
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from externalsecret import definitions
from testbed.installation import HarkProcess, grant
from worlds.spine import Spine, await_until
from worlds.webhook import announcement

AUDIENCE = "hark-webhook"
NOTHING: Mapping[str, str] = {}


class Pipeline:
    """A product whose changes are announced by a pipeline, with its ServiceAccount's token."""

    def __init__(
        self, spine: Spine, folder: Path, announces: str = "", reading: Mapping[str, str] = NOTHING
    ) -> None:
        """It `announces` changes within one scope, of AWS by default; `reading` is more of the
        reconciler's environment.
        """
        self.spine = spine
        grant(spine.cluster, "listener", definitions.tokenreview_rights(), spine.namespace)
        scope = announces or f"backend: secretsManager, region: {spine.region}"
        callers = folder / "callers.yaml"
        callers.write_text(
            f"- serviceAccount: {spine.namespace}/pipeline\n  announces: [{{{scope}}}]\n"
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
        spine.reconciler(environment={**self.environment, **reading})

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
        return self.answer(listener, event)[0]

    def answer(self, listener: HarkProcess, event: dict[str, Any]) -> tuple[int, str]:
        """The status of the answer and its Retry-After; 0 where there is none."""
        connection = http.client.HTTPConnection("127.0.0.1", port_of(listener), timeout=60)
        headers = {"Content-Type": "application/json", "Authorization": f"Bearer {self.token}"}
        try:
            connection.request("POST", "/v1/changes", json.dumps(event), headers)
            reply = connection.getresponse()
            return reply.status, reply.headers.get("Retry-After", "")
        except (OSError, http.client.HTTPException):
            return 0, ""
        finally:
            connection.close()

    def post_until_taken(self, listener: HarkProcess, event: dict[str, Any]) -> None:
        await_until(lambda: self.post(listener, event), lambda code: code == 200, "it is taken")


def port_of(listener: HarkProcess) -> int:
    """Where a listener's webhook is; waits until it is open."""

    def opened() -> list[int]:
        return [one["port"] for one in listener.events() if one["event"] == "webhook.open"]

    return await_until(opened, bool, "the webhook is open")[0]
