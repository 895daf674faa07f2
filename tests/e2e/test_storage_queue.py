"""Azure's changes through the whole product: Event Grid's events in a storage queue (Azurite), the
listener and the reconciler as processes of their own, key vaults by the double of Azure.
"""

import base64
import json
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from testbed.actions import hang_up
from testbed.azure import AzureDouble
from testbed.azurite import connection_string
from testbed.cluster import Cluster
from testbed.installation import HarkProcess
from testbed.moto import Moto
from testbed.proxy import WireProxy
from testbed.request import any_request, calls
from worlds.spine import Spine, await_until, unique
from worlds.storagequeue import QueuesOfATest
from worlds.whole import whole_product
from worlds.wired import await_kill, kill_at, status_patch_of

ACKNOWLEDGE = calls("DELETE", "/messages/")


class Cloud:
    """Vaults, a storage queue that their events go to, and the halves between them."""

    def __init__(self, spine: Spine, azure: AzureDouble, azurite: str) -> None:
        self.spine = spine
        self.azure = azure
        self.wire = WireProxy(azurite)
        self.queues = QueuesOfATest(azurite, self.wire.url)
        self.queues.queue.create_queue()
        self.listening = {
            "HARK_SQS_QUEUE_URLS": "",
            "HARK_AZURE_STORAGE_QUEUES": self.queues.url,
            "HARK_AZURE_STORAGE_CONNECTION_STRING": connection_string(self.wire.url),
            "HARK_AZURE_STORAGE_POLL_INTERVAL": "200ms",
            "HARK_AZURE_STORAGE_VISIBILITY_TIMEOUT": "2s",
            "HARK_AZURE_STORAGE_POISON_AFTER": "1",
        }
        # What a note without a version asks for is looked at three times.
        quick = {"HARK_REREAD_DELAYS": "100ms,200ms,3s,8s,20s,35s"}
        self.reading = {**azure.env(), **azure.client_env(), **quick}

        self.listener: HarkProcess
        """Where all tests of a process share one."""

    def close(self) -> None:
        self.queues.close()
        self.wire.stop()

    def start(self, server: str | None = None) -> HarkProcess:
        """Both halves; the listener, which reaches the API server by `server`."""
        self.spine.reconciler(environment=self.reading)
        return self.listen(server)

    def listen(self, server: str | None = None) -> HarkProcess:
        return self.spine.listener(server=server, environment=self.listening)

    def vault(self) -> str:
        """A new vault, so that what is asked of it can be counted."""
        name = unique("kv")
        self.azure.vaults.create(name)
        return name

    def serve(self, vault: str, *keys: str) -> str:
        """An ExternalSecret that holds the first value of each key; its name."""
        name = unique("app")
        for key in keys:
            self.azure.vaults.put(vault, key, "first")
        data = [{"key": key, "name": key} for key in keys]
        spec = {"backendType": "azureKeyVault", "keyVaultName": vault, "data": data}
        self.spine.apply(name, spec)
        self.spine.await_data(name, **dict.fromkeys(keys, b"first"))
        self.spine.await_reason(name, "Synced")
        return name

    def change(self, vault: str, key: str, value: str = "second") -> dict[str, Any]:
        """Put a new version; the event that Event Grid makes of it."""
        return event_of(vault, key, self.azure.vaults.put(vault, key, value))

    def reads(self, vault: str) -> int:
        return self.azure.counts(vault)["get"]

    def await_heard(self, name: str, event: dict[str, Any]) -> dict[str, Any]:
        """Wait until the ledger's only entry is synced by this event's note."""
        (entry,) = await_until(
            lambda: list(self.spine.status(name)["keys"].values()),
            lambda entries: all(is_done(entry, event) for entry in entries),
            "the note of the event is covered",
        )
        found: dict[str, Any] = entry
        return found

    def await_worked_off(self) -> None:
        await_until(self.queues.left, lambda count: count == 0, "the queue is empty")


def event_of(vault: str, key: str, version: str, kind: str = "Secret") -> dict[str, Any]:
    """What Event Grid's own schema says of a new version."""
    folder = f"{kind.lower()}s"
    return {
        "id": secrets.token_hex(16),
        "topic": f"/subscriptions/1/resourceGroups/g/providers/Microsoft.KeyVault/vaults/{vault}",
        "subject": key,
        "eventType": f"Microsoft.KeyVault.{kind}NewVersionCreated",
        "eventTime": "2026-11-20T09:15:42.1036736Z",
        "data": {
            "Id": f"https://{vault}.vault.azure.net/{folder}/{key}/{version}",
            "VaultName": vault,
            "ObjectType": kind,
            "ObjectName": key,
            "Version": version,
            "NBF": None,
            "EXP": None,
        },
        "dataVersion": "1",
        "metadataVersion": "1",
    }


def as_cloud_event(event: dict[str, Any]) -> dict[str, Any]:
    """The same event in the schema of CloudEvents."""
    renamed = {"topic": "source", "eventType": "type", "eventTime": "time"}
    kept = {renamed.get(name, name): said for name, said in event.items() if "Version" not in name}
    return {**kept, "specversion": "1.0"}


def is_done(entry: dict[str, Any], event: dict[str, Any]) -> bool:
    """Whether the event was noted, and what was synced covers the note."""
    heard, synced = entry.get("heard") or {}, entry["synced"]
    covers = event["id"] == synced.get("note") or heard.get("version") == synced["version"]
    return bool(heard.get("id") == event["id"] and covers)


@pytest.fixture(scope="module")
def running(
    served_cluster: Cluster, moto: Moto, azurite: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Cloud]:
    """Both halves at work, for all tests of one process: each has vaults of its own."""
    folder: Path = tmp_path_factory.mktemp("azure")
    with AzureDouble(folder) as azure, whole_product(served_cluster, moto) as whole:
        cloud = Cloud(whole, azure, azurite)
        cloud.listener = cloud.start()
        yield cloud
        cloud.close()


@pytest.fixture
def own(spine: Spine, azurite: str, tmp_path: Path) -> Iterator[Cloud]:
    """A product for one test alone, which starts the halves itself."""
    with AzureDouble(tmp_path) as azure:
        cloud = Cloud(spine, azure, azurite)
        yield cloud
        cloud.close()


@pytest.mark.parametrize("is_encoded", [True, False], ids=["base64", "plain"])
@pytest.mark.parametrize("schema", ["event grid", "array", "cloudevents"])
def test_a_new_version_reaches_the_secret_by_one_read(
    running: Cloud, schema: str, *, is_encoded: bool
) -> None:
    vault = running.vault()
    name = running.serve(vault, "db", "other")
    assert running.reads(vault) == 2

    event = running.change(vault, "db")
    body = as_cloud_event(event) if schema == "cloudevents" else event
    sent = json.dumps([body] if schema == "array" else body)
    running.queues.send(sent, is_encoded=is_encoded)

    running.spine.await_data(name, db=b"second", other=b"first")
    keys = await_until(
        lambda: running.spine.status(name)["keys"],
        lambda keys: is_done(keys[f"keyvault/{vault}/db#latest"], event),
        "the note is covered",
    )
    heard = keys[f"keyvault/{vault}/db#latest"]["heard"]
    assert heard["via"] == "storagequeue"
    assert heard["version"] == event["data"]["Version"]
    assert heard["at"] == event["eventTime"]
    assert running.reads(vault) == 3
    assert running.azure.counts(vault)["list"] == 0


def test_the_secret_of_a_certificate_follows_its_certificate(running: Cloud) -> None:
    vault = running.vault()
    name = running.serve(vault, "tls")
    version = running.azure.vaults.put(vault, "tls", "second")
    running.queues.send(json.dumps(event_of(vault, "tls", version, "Certificate")))
    running.spine.await_data(name, tls=b"second")


def test_an_expiry_is_said_when_it_has_come_and_costs_no_value(running: Cloud) -> None:
    vault = running.vault()
    name = running.serve(vault, "db")
    ignored = running.listener.metric("hark_listener_messages_ignored_total")
    said = event_of(vault, "db", "")
    running.queues.send(json.dumps({**said, "eventType": "Microsoft.KeyVault.SecretNearExpiry"}))
    await_until(
        lambda: running.listener.metric("hark_listener_messages_ignored_total"),
        lambda count: count > ignored,
        "that it expires soon is ignored, and counted",
    )
    running.await_worked_off()
    (entry,) = running.spine.status(name)["keys"].values()
    assert not entry.get("heard")

    running.azure.vaults.change(vault, "db", expires=1_000_000_000)
    expired = {**said, "id": "e2", "eventType": "Microsoft.KeyVault.SecretExpired"}
    running.queues.send(json.dumps(expired))
    ready = running.spine.await_reason(name, "SecretExpired")
    assert ready["status"] == "True"
    await_until(
        lambda: [reason for reason, _ in running.spine.events(name)],
        lambda reasons: "SecretExpired" in reasons,
        "an Event says so",
    )
    assert running.reads(vault) == 1
    assert running.spine.data(name) == {"db": b"first"}


def test_the_same_name_in_another_vault_is_left_alone(running: Cloud) -> None:
    one, other = running.vault(), running.vault()
    name, neighbour = running.serve(one, "db"), running.serve(other, "db")
    running.change(other, "db", "unannounced")
    event = running.change(one, "db")
    # Whoever named the vault may have done so in capitals.
    event["data"]["VaultName"] = one.upper()
    running.queues.send(json.dumps(event))
    running.await_heard(name, event)
    running.spine.await_data(name, db=b"second")
    assert running.reads(other) == 1
    assert running.spine.data(neighbour) == {"db": b"first"}
    (entry,) = running.spine.status(neighbour)["keys"].values()
    assert not entry.get("heard")


def test_ten_deliveries_of_one_event_cost_one_read(running: Cloud) -> None:
    vault = running.vault()
    name = running.serve(vault, "db")
    event = running.change(vault, "db")
    running.queues.send(*[json.dumps(event)] * 10)
    running.await_heard(name, event)
    # What comes after them in the queue is heard after them.
    follower = running.serve(vault, "other")
    last = running.change(vault, "other")
    running.queues.send(json.dumps(last))
    running.await_heard(follower, last)
    running.await_worked_off()
    assert running.spine.data(name) == {"db": b"second"}
    # A first and a second value of each.
    assert running.reads(vault) == 4


def test_poison_ends_in_the_poison_queue_and_the_good_go_on(running: Cloud) -> None:
    vault = running.vault()
    name = running.serve(vault, "db")
    poison = [unique("no event"), base64.b64encode(b"\xff\xfe\x00").decode(), '{"type": 7}']
    event = running.change(vault, "db")
    parked = "hark_listener_messages_parked_total"
    before = running.listener.metric(parked)
    running.queues.send(*poison[:2], json.dumps(event), poison[2])
    running.await_heard(name, event)
    await_until(
        lambda: set(running.queues.buried()),
        lambda buried: buried >= set(poison),
        "the poison is put aside",
    )
    running.await_worked_off()
    await_until(
        lambda: running.listener.metric(parked) - before,
        lambda count: count == len(poison),
        "each is counted once, however often it came",
    )
    assert running.spine.data(name) == {"db": b"second"}


def test_killed_between_note_and_acknowledgement_it_costs_no_second_read(
    own: Cloud, cluster_proxy: WireProxy
) -> None:
    listener = own.start(cluster_proxy.url)
    vault = own.vault()
    name = own.serve(vault, "db")
    killed = kill_at(listener, own.wire, ACKNOWLEDGE, done=False)
    event = own.change(vault, "db")
    own.queues.send(json.dumps(event))
    await_kill(listener, killed)
    assert own.queues.left() == 1
    own.await_heard(name, event)
    assert own.spine.data(name) == {"db": b"second"}

    own.listen(cluster_proxy.url)
    own.await_worked_off()
    assert own.reads(vault) == 2
    assert cluster_proxy.count(status_patch_of(name)) == 1


def test_a_queue_that_was_away_is_worked_off_when_it_is_back(own: Cloud) -> None:
    listener = own.start()
    vault = own.vault()
    name = own.serve(vault, "db")
    away = own.wire.when(any_request, hang_up, times=None)
    own.wire.cut_connections()
    event = own.change(vault, "db")
    own.queues.send(json.dumps(event))
    await_until(
        lambda: listener.metric("hark_listener_source_failures_total"),
        lambda failures: failures >= 2,
        "the failures are counted",
    )
    assert listener.metric("hark_listener_source_up") == 0
    assert listener.get("/readyz")[0] == 200
    assert own.spine.data(name) == {"db": b"first"}

    away.retire()
    own.await_heard(name, event)
    own.spine.await_data(name, db=b"second")
    own.await_worked_off()
    assert own.reads(vault) == 2
    assert own.queues.buried() == []
