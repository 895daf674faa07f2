"""Event Grid's pull delivery through the whole product: both halves on a double of Azure, which
they reach by the real names.
"""

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from testbed import eventgrid
from testbed.azure import AzureDouble
from testbed.azurecall import Answer, Call, refusal
from testbed.installation import HarkProcess
from testbed.proxy import WireProxy
from worlds.eventgridqueue import SUBSCRIPTION, TOPIC, new_version
from worlds.spine import PATIENCE, Spine, await_until, unique
from worlds.wired import await_kill, kill_at, status_patch_of


class Cloud:
    """A vault whose events come by a namespace, and both halves."""

    def __init__(self, spine: Spine, azure: AzureDouble, kube: WireProxy) -> None:
        self.spine = spine
        self.kube = kube
        self.azure = azure
        self.vault = unique("kv")
        azure.vaults.create(self.vault)
        azure.grid.longest_wait = 1.0
        azure.grid.delay_unit = 0.01
        namespace = unique("ns")
        self.subscription = azure.grid.create(namespace, TOPIC, SUBSCRIPTION)
        place = f"{namespace}.{eventgrid.SUFFIX}/topics/{TOPIC}/subscriptions/{SUBSCRIPTION}"
        self.environment = {
            **azure.env(),
            **azure.client_env(),
            "DISABLE_POLLING": "",
            "HARK_SQS_QUEUE_URLS": "",
            "HARK_EVENTGRID_SUBSCRIPTIONS": f"https://{place}",
        }
        spine.reconciler(environment=self.environment)
        self.listener = self.listen()

    def listen(self) -> HarkProcess:
        """Start a listener, whose words to the API server pass the proxy."""
        return self.spine.listener(server=self.kube.url, environment=self.environment)

    def synced(self, name: str, value: str) -> None:
        """A secret of the vault that an ExternalSecret of the same name reads."""
        self.azure.vaults.put(self.vault, name, value)
        spec = {
            "backendType": "azureKeyVault",
            "keyVaultName": self.vault,
            "data": [{"key": name, "name": "entry"}],
        }
        self.spine.apply(name, spec)
        self.spine.await_data(name, entry=value.encode())

    def change(self, name: str, value: str) -> None:
        version = self.azure.vaults.put(self.vault, name, value)
        self.subscription.put(new_version(self.vault, name, version, unique("event")))

    def reads(self) -> int:
        return self.azure.counts(self.vault)["get"]

    def notes(self, name: str) -> int:
        """Notes about an object that reached the API server."""
        noted = status_patch_of(name)
        return sum(entry.forwarded and noted(entry.head) for entry in self.kube.log)

    def await_worked_off(self) -> None:
        await_until(self.subscription.undone, lambda count: count == 0, "nothing is undone")


@pytest.fixture
def cloud(spine: Spine, cluster_proxy: WireProxy, tmp_path: Path) -> Iterator[Cloud]:
    with AzureDouble(tmp_path) as azure:
        yield Cloud(spine, azure, cluster_proxy)


def test_a_new_version_reaches_the_secret_whatever_comes_with_it(cloud: Cloud) -> None:
    cloud.synced("db", "first")
    poison = {**new_version(cloud.vault, "db", "v", "poison"), "data": "?", "subject": 7}
    other = new_version(cloud.vault, "unused", "v", "other")
    cloud.subscription.put(poison, other)
    cloud.change("db", "second")
    cloud.spine.await_data("db", entry=b"second")
    cloud.await_worked_off()
    assert cloud.subscription.dead == [poison]
    assert cloud.listener.metric("hark_listener_messages_parked_total") == 1
    assert cloud.reads() == 2
    heard = cloud.spine.status("db")["keys"].popitem()[1]["heard"]
    assert heard["via"] == "eventgrid"


def test_an_event_whose_lock_was_lost_comes_again_and_costs_nothing(cloud: Cloud) -> None:
    cloud.synced("db", "first")
    cloud.subscription.failing.add("acknowledge")
    cloud.change("db", "second")
    cloud.spine.await_data("db", entry=b"second")
    failures = "hark_listener_ack_failures_total"
    await_until(lambda: cloud.listener.metric(failures), lambda count: count == 1, "a failed ack")
    cloud.subscription.failing.clear()
    cloud.subscription.expire_locks()
    cloud.await_worked_off()
    assert cloud.listener.metric("hark_listener_messages_received_total") == 2
    assert cloud.listener.metric("hark_listener_notes_written_total") == 1
    # What would be read would be read by now: another secret's change comes after it.
    cloud.synced("other", "one")
    assert cloud.reads() == 3
    assert not cloud.subscription.dead


def test_killed_between_receive_and_note_it_hears_the_change_again(cloud: Cloud) -> None:
    cloud.subscription.lock_seconds = 2.0
    cloud.synced("db", "first")
    killed = kill_at(cloud.listener, cloud.kube, status_patch_of("db"), done=False)
    cloud.change("db", "second")
    await_kill(cloud.listener, killed)
    assert not cloud.subscription.acknowledged, "an event was acknowledged before its note"
    assert cloud.notes("db") == 0
    assert cloud.spine.data("db") == {"entry": b"first"}
    _come_back(cloud)


@pytest.mark.parametrize("acknowledged", [False, True])
def test_killed_between_note_and_acknowledgement_it_notes_nothing_twice(
    cloud: Cloud, *, acknowledged: bool
) -> None:
    cloud.subscription.lock_seconds = 2.0
    cloud.synced("db", "first")
    killed = threading.Event()

    def kill(call: Call) -> Answer | None:
        if call.operation != "acknowledge" or killed.is_set():
            return None
        killed.set()
        cloud.listener.kill()
        return None if acknowledged else refusal(503, "ServiceUnavailable", "Not now.")

    cloud.azure.when(kill)
    cloud.change("db", "second")
    assert killed.wait(PATIENCE)
    assert cloud.listener.wait(PATIENCE) < 0
    assert cloud.notes("db") == 1
    cloud.spine.await_data("db", entry=b"second")
    _come_back(cloud)


def _come_back(cloud: Cloud) -> None:
    """Start the listener anew and see that the change is there, at the price of one read."""
    cloud.listen()
    cloud.await_worked_off()
    cloud.spine.await_data("db", entry=b"second")
    # What would be read would be read by now: another secret's change comes after it.
    cloud.synced("other", "one")
    assert cloud.reads() == 3
    assert cloud.notes("db") == 1
    assert len(cloud.subscription.acknowledged) == 1
    assert not cloud.subscription.dead
