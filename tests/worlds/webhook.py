"""A webhook that listens on a port of this machine, and who posts to it."""

import http.client
import json
import ssl
import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from prometheus_client import CollectorRegistry

from externalsecret.dialect.contract import Defaults
from fakes.kubeapi import FakeKubeApi
from hark.sources.plan import Surroundings
from hark.sources.webhook import WebhookPlan
from listener.index import Index
from listener.messages.announced import TYPE
from listener.messages.meaning import Malformed
from listener.metrics import ListenerMetrics
from listener.recent import Recent
from listener.sources.webhook import WebhookSource

SECRET = "correct-horse-battery-staple"
BEARER = {"Authorization": f"Bearer {SECRET}"}
CLOUD_EVENTS = "application/cloudevents+json"
CALLERS = """
- secret: pipeline
  announces:
    - backend: vault
      prefix: secret/data/
    - backend: azureKeyVault
      keyVaultName: shop
"""
_SECONDS = 60.0


@dataclass(frozen=True)
class Answer:
    """What the webhook answered."""

    status: int
    body: Any
    headers: Mapping[str, str]

    @property
    def error(self) -> str:
        """The sentence of a refusal."""
        found = self.body["error"]
        assert isinstance(found, str)
        return found


def plan(folder: Path, callers: str = CALLERS) -> WebhookPlan:
    """A webhook on a free port whose one caller, `pipeline`, has a shared secret."""
    secrets = folder / "secrets"
    secrets.mkdir(exist_ok=True)
    (secrets / "pipeline").write_text(SECRET)
    (folder / "callers.yaml").write_text(callers)
    return WebhookPlan(
        port=0,
        auth="secret",
        callers=str(folder / "callers.yaml"),
        secrets=str(secrets),
        tenant="",
        audiences=(),
        role="",
        cert="",
        key="",
        longest_body=1024 * 1024,
        subscriptions=("Shop-Events",),
        origins=("eventgrid.azure.net",),
    )


class Hook:
    """An open webhook without a listener behind it, unless `listen` is called."""

    def __init__(
        self,
        plan: WebhookPlan,
        *,
        api: Any = None,
        tls: ssl.SSLContext | None = None,
        patience: float = 20.0,
    ) -> None:
        self.registry = CollectorRegistry()
        self.stop = threading.Event()
        self._plan = replace(plan, patience=patience)
        source = self._plan.open(_surroundings(api or FakeKubeApi(), self.registry, self.stop))
        assert isinstance(source, WebhookSource)
        self.source = source
        self.heard: list[str] = []
        """Names of the secrets of which a change was heard."""
        self._tls = tls
        self._threads: list[threading.Thread] = []

    def close(self) -> None:
        self.stop.set()
        self.source.close()
        for thread in self._threads:
            thread.join()

    def listen(self) -> None:
        """Acknowledge what can be read and reject the rest, as the listener does."""
        thread = threading.Thread(target=self._listen, daemon=True)
        thread.start()
        self._threads.append(thread)

    def request(
        self,
        method: str,
        path: str,
        body: bytes = b"",
        headers: Mapping[str, str] = BEARER,
    ) -> Answer:
        """One request over a connection of its own."""
        connection = self.connect()
        try:
            connection.request(method, path, body, dict(headers))
            reply = connection.getresponse()
            text = reply.read()
        finally:
            connection.close()
        assert reply.headers["Content-Type"] == "application/json"
        return Answer(reply.status, json.loads(text), dict(reply.headers))

    def connect(self) -> http.client.HTTPConnection:
        if self._tls is None:
            return http.client.HTTPConnection("127.0.0.1", self.source.port, timeout=_SECONDS)
        return http.client.HTTPSConnection(
            "localhost", self.source.port, timeout=_SECONDS, context=self._tls
        )

    def post(
        self,
        *events: Any,
        path: str = "/v1/changes",
        content_type: str = CLOUD_EVENTS,
        headers: Mapping[str, str] = BEARER,
    ) -> Answer:
        """Post one event as an object, several (or none) as an array."""
        body = json.dumps(events[0] if len(events) == 1 else list(events)).encode()
        return self.request("POST", path, body, {"Content-Type": content_type, **headers})

    def sample(self, name: str, **labels: str) -> float:
        """A metric's value; 0 if there is none."""
        return self.registry.get_sample_value(f"hark_listener_{name}", labels) or 0.0

    def _listen(self) -> None:
        while not self.stop.is_set():
            for delivery in self.source.receive():
                try:
                    meaning = self._plan.parse(delivery)
                except Malformed:
                    self.source.reject([delivery])
                    continue
                self.heard.extend(_names(meaning))
                self.source.ack([delivery])


def announcement(key: str, *, number: int = 1, **data: Any) -> dict[str, Any]:
    """A CloudEvent that announces a change of a path in Vault, or of what `data` says."""
    return {
        "specversion": "1.0",
        "id": f"change-{number}",
        "source": "/pipelines/7",
        "type": TYPE,
        "time": "2026-11-23T10:00:00Z",
        "data": {"backend": "vault", "key": key, **data},
    }


def grid_event(name: str, vault: str = "shop") -> dict[str, Any]:
    """A new version of a secret, as Event Grid's own schema tells it."""
    version = "0123456789abcdef0123456789abcdef"
    return {
        "id": f"grid-{name}",
        "topic": f"/subscriptions/s/resourceGroups/g/providers/Microsoft.KeyVault/vaults/{vault}",
        "subject": name,
        "eventType": "Microsoft.KeyVault.SecretNewVersionCreated",
        "eventTime": "2026-11-23T10:00:00Z",
        "dataVersion": "1",
        "metadataVersion": "1",
        "data": {
            "Id": f"https://{vault}.vault.azure.net/secrets/{name}/{version}",
            "VaultName": vault,
            "ObjectType": "Secret",
            "ObjectName": name,
            "Version": version,
        },
    }


def grid_cloud_event(name: str, vault: str = "shop") -> dict[str, Any]:
    """The same in the schema of CloudEvents."""
    event = grid_event(name, vault)
    return {
        "specversion": "1.0",
        "id": event["id"],
        "source": event["topic"],
        "subject": name,
        "type": event["eventType"],
        "time": event["eventTime"],
        "data": event["data"],
    }


def _names(meaning: Any) -> Iterable[str]:
    return [change.secret.name for change in meaning] if isinstance(meaning, tuple) else []


def _surroundings(api: Any, registry: CollectorRegistry, stop: threading.Event) -> Surroundings:
    return Surroundings(
        api=api,
        index=Index(Defaults(), "", Recent(), lambda _key, _notes: None),
        metrics=ListenerMetrics(registry),
        environ={},
        namespace="hark",
        identity="hark-0",
        stop=stop,
        spawn=_no_thread,
    )


def _no_thread(_name: str, _target: Any) -> None:
    raise AssertionError("the webhook needs no thread of the listener's")
