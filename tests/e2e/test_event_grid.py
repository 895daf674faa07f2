"""Event Grid's pull delivery through the whole product: both halves on a double of Azure, which
they reach by the real names.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest

from testbed import eventgrid
from testbed.azure import AzureDouble
from testbed.installation import HarkProcess
from worlds.eventgridqueue import SUBSCRIPTION, TOPIC, new_version
from worlds.spine import Spine, await_until, unique


class Cloud:
    """A vault whose events come by a namespace, and both halves."""

    def __init__(self, spine: Spine, azure: AzureDouble) -> None:
        self.spine = spine
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
        self.listener: HarkProcess = spine.listener(environment=self.environment)

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

    def await_worked_off(self) -> None:
        await_until(self.subscription.undone, lambda count: count == 0, "nothing is undone")


@pytest.fixture
def cloud(spine: Spine, tmp_path: Path) -> Iterator[Cloud]:
    with AzureDouble(tmp_path) as azure:
        yield Cloud(spine, azure)


def test_a_new_version_reaches_the_secret_whatever_comes_with_it(cloud: Cloud) -> None:
    cloud.synced("db", "first")
    poison = {**new_version(cloud.vault, "db", "v", "poison"), "data": "?", "subject": 7}
    other = new_version(cloud.vault, "unused", "v", "other")
    cloud.subscription.put(poison, other)
    cloud.change("db", "second")
    cloud.spine.await_data("db", entry=b"second")
    cloud.await_worked_off()
    assert cloud.subscription.dead == [poison]
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
