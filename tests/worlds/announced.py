"""Secret Manager and the whole product, which hears of its changes by Pub/Sub.

Both halves are processes; Pub/Sub is Google's own server for tests, with a proxy on the wire where
a test gives its address; Secret Manager is a double. Nothing is swept.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from testbed.cluster import Cluster
from testbed.googlekey import write_key
from testbed.installation import HarkProcess
from testbed.moto import Moto
from testbed.secretmanager import SecretManager, SecretManagerServer
from testbed.topics import Topics
from worlds.google import NUMBER, PROJECT, secret_name
from worlds.whole import Whole, whole_product

ACCESS = "AccessSecretVersion"
OTHER, OTHER_NUMBER = "shop-test", "4712"
TOPIC = "hark"
NUMBERS = {PROJECT: NUMBER, OTHER: OTHER_NUMBER}


class Announced:
    """A product that hears of changes by Pub/Sub."""

    def __init__(
        self,
        whole: Whole,
        server: SecretManagerServer,
        topics: Topics,
        environment: dict[str, str],
    ) -> None:
        self.whole = whole
        self._environment = environment
        self.server = server
        self.manager = server.manager
        self.topics = topics

    def listen(self, kube: str | None = None) -> HarkProcess:
        """Start a listener, which may reach the API server by a proxy."""
        return self.whole.listener(server=kube, environment=self._environment)

    def reconcile(self) -> HarkProcess:
        return self.whole.reconciler(environment=self._environment)

    def reads(self) -> int:
        """How often Google was asked for a value."""
        return self.server.calls[ACCESS]

    def apply(self, name: str, **spec: Any) -> None:
        data = [{"key": name, "name": "entry"}]
        spec = {"backendType": "gcpSecretsManager", "projectId": PROJECT, "data": data, **spec}
        self.whole.apply(spec.pop("named", name), spec)

    def synced(self, name: str, value: str, **spec: Any) -> None:
        """A secret with one version, and the Secret that has it."""
        self.manager.add(secret_name(name, spec.get("location", "")), value.encode())
        self.apply(name, **spec)
        self.whole.await_data(name, entry=value.encode())
        self.whole.await_synced(name)

    def announce(
        self, kind: str, name: str, version: str = "", *, location: str = "", number: str = NUMBER
    ) -> None:
        """As Secret Manager does, by the project's number."""
        body, attributes = notification(kind, name, version, location=location, number=number)
        self.topics.publish(TOPIC, body, **attributes)

    def change(self, name: str, value: str, location: str = "") -> None:
        version = self.manager.add(secret_name(name, location), value.encode())
        self.announce("SECRET_VERSION_ADD", name, version, location=location)


def notification(
    kind: str, name: str, version: str = "", *, location: str = "", number: str = NUMBER
) -> tuple[dict[str, str], dict[str, str]]:
    """Body and attributes of what Secret Manager publishes, by the project's number."""
    named = secret_name(name, location, number)
    told = {"eventType": kind, "dataFormat": "JSON_API_V1", "secretId": named}
    if version:
        told["versionId"] = f"{named}/versions/{version}"
    return {"name": named}, {**told, "timestamp": datetime.now(UTC).isoformat()}


@contextmanager
def announced_product(
    cluster: Cluster, moto: Moto, pubsub: str, folder: Path, *, wire: str = "", deadline: int = 10
) -> Iterator[Announced]:
    """A product with no half started yet; `wire` is the address at which it finds Pub/Sub,
    `deadline` in seconds how soon a message comes again that a dead listener had.
    """
    write_key(folder / "key.json", PROJECT)
    topics = Topics(pubsub, PROJECT)
    path = topics.make(TOPIC, dead_letters_after=5, deadline_seconds=deadline)
    with (
        SecretManagerServer(SecretManager(NUMBERS)) as server,
        whole_product(cluster, moto) as whole,
    ):
        settings = {
            "DISABLE_POLLING": "",
            "GOOGLE_APPLICATION_CREDENTIALS": str(folder / "key.json"),
            "HARK_GCP_SECRET_MANAGER_ENDPOINT": server.url,
            "HARK_PUBSUB_SUBSCRIPTIONS": path,
            "PUBSUB_EMULATOR_HOST": wire or pubsub,
        }
        yield Announced(whole, server, topics, settings)
    topics.close()
