"""The reconciler's story, stepped: what an annotation asks for, and what spec.suspend stops."""

import base64
import random
from typing import Any, NoReturn

import pytest

from externalsecret.errors import Retry
from externalsecret.kubeapi import GROUP_PATH, MERGE_PATCH
from externalsecret.resource import REFRESH_ANNOTATION
from fakes.guards import open_guard
from fakes.kubeapi import FakeKubeApi
from reconciler.backends.memory import MemoryBackend
from simulation.cloud import Accounts, Secrets
from simulation.halves import Clock, ReconcilerHalf

PATH = f"{GROUP_PATH}/namespaces/team/externalsecrets/shop"
SECRET = "/api/v1/namespaces/team/secrets/shop"
ITEMS = [{"key": "one", "name": "a"}, {"key": "two", "name": "b"}]


class Shop:
    """One object that reads two secrets, and its reconciler."""

    def __init__(self) -> None:
        self.fake = FakeKubeApi()
        self.clock = Clock()
        self.secrets = Secrets()
        self._rng = random.Random(0)  # noqa: S311 - no secrecy
        self._accounts = Accounts(self.secrets, self._rng, 0.0)
        for name in ("one", "two"):
            self.secrets.put(name, None, ["AWSCURRENT"])
        spec = {"backendType": "secretsManager", "data": ITEMS}
        body = {"metadata": {"name": "shop"}, "spec": spec}
        self.fake.request("POST", PATH.rpartition("/")[0], body=body)
        self.restart()
        self.settle()

    def restart(self) -> None:
        self.half = ReconcilerHalf(
            self.fake, self.fake, self._accounts.of, open_guard("team"), self.clock, self._rng
        )

    def settle(self) -> None:
        """Let all come to rest, for as long as any backoff takes."""
        for _ in range(3):
            while any(step() for step in self.half.steps()):
                self.clock.seconds += 0.001
            self.clock.seconds += 1000.0

    def edit(self, patch: dict[str, Any]) -> None:
        self.fake.request("PATCH", PATH, body=patch, content_type=MERGE_PATCH)

    def refresh(self, value: str) -> None:
        self.edit({"metadata": {"annotations": {REFRESH_ANNOTATION: value}}})

    def suspend(self, *, wanted: bool) -> None:
        self.edit({"spec": {"suspend": wanted}})
        self.settle()

    def status(self) -> Any:
        return (self.fake.find(PATH) or {})["status"]

    def ready(self) -> tuple[str, str]:
        (ready,) = (one for one in self.status()["conditions"] if one["type"] == "Ready")
        return (ready["status"], ready["reason"])

    def vias(self) -> list[str]:
        return [leaf["synced"]["via"] for leaf in self.status()["keys"].values()]

    def data(self) -> dict[str, str]:
        held = self.fake.find(SECRET) or {}
        return {name: base64.b64decode(text).decode() for name, text in held["data"].items()}

    def reads(self) -> int:
        return sum(account.reads.total() for account in self._accounts.open.values())

    def looks(self) -> int:
        return self.secrets.memory.looks.total()


@pytest.fixture
def shop() -> Shop:
    return Shop()


def test_a_new_value_of_the_annotation_reads_every_key_once(shop: Shop) -> None:
    before, lasted = shop.reads(), shop.status()["lastSync"]
    shop.refresh("1")
    shop.settle()
    assert shop.reads() == before + 2
    assert shop.vias() == ["refresh", "refresh"]
    assert shop.status()["refreshed"] == "1"
    assert shop.status()["lastSync"] > lasted
    shop.edit({"metadata": {"annotations": {"other": "x"}}})
    shop.settle()
    assert shop.reads() == before + 2


def test_a_refresh_is_not_served_from_what_is_older_than_its_arrival(shop: Shop) -> None:
    shop.refresh("1")
    shop.settle()
    before = shop.reads()
    shop.refresh("2")
    # As if no time had passed, so that the answers of the first are as fresh as can be.
    shop.clock.seconds -= 2999.0
    shop.settle()
    assert shop.reads() == before + 2


def test_a_refresh_finds_what_nobody_announced(shop: Shop) -> None:
    version = shop.secrets.put("one", None, ["AWSCURRENT"])
    shop.refresh("1")
    shop.settle()
    assert shop.data() == {"a": version, "b": "two-v2"}


def test_a_restart_does_not_repeat_a_refresh(shop: Shop) -> None:
    shop.refresh("1")
    shop.settle()
    before = shop.reads()
    shop.restart()
    shop.settle()
    assert shop.reads() == before


def test_a_refresh_that_was_asked_for_while_nobody_ran_is_served_at_the_start(shop: Shop) -> None:
    shop.refresh("1")
    before = shop.reads()
    shop.restart()
    shop.settle()
    assert shop.reads() == before + 2
    assert shop.status()["refreshed"] == "1"


def test_a_refresh_during_another_pass_is_not_lost(shop: Shop) -> None:
    shop.refresh("1")
    half = shop.half
    assert half.objects.step()
    assert half.work()
    assert half.flights.depart()
    shop.refresh("2")
    shop.settle()
    assert shop.status()["refreshed"] == "2"


def test_a_refresh_that_fails_in_part_is_served_in_the_end_and_reads_the_rest_no_more(
    shop: Shop,
) -> None:
    shop.secrets.memory.mark_deleted("one")
    before = shop.reads()
    shop.refresh("1")
    shop.settle()
    assert "refreshed" not in shop.status()
    assert shop.ready()[0] == "False"
    failed = shop.reads() - before
    shop.secrets.put("one", None, ["AWSCURRENT"])
    shop.settle()
    assert shop.status()["refreshed"] == "1"
    assert shop.reads() == before + failed + 1


def test_a_very_long_value_is_remembered_by_its_digest(shop: Shop) -> None:
    shop.refresh("x" * 5000)
    shop.settle()
    assert shop.status()["refreshed"].startswith("sha256:")
    before = shop.reads()
    shop.restart()
    shop.settle()
    assert shop.reads() == before


def test_a_new_object_with_the_annotation_is_read_once() -> None:
    shop = Shop()
    shop.fake.request("DELETE", PATH)
    shop.settle()
    before = shop.reads()
    body = {
        "metadata": {"name": "shop", "annotations": {REFRESH_ANNOTATION: "1"}},
        "spec": {"backendType": "secretsManager", "data": ITEMS},
    }
    shop.fake.request("POST", PATH.rpartition("/")[0], body=body)
    shop.settle()
    assert shop.status()["refreshed"] == "1"
    assert shop.reads() == before + 2


def test_for_a_suspended_object_nothing_is_read_and_nothing_written(shop: Shop) -> None:
    shop.suspend(wanted=True)
    before = (shop.reads(), shop.looks())
    assert shop.ready() == ("Unknown", "Suspended")
    assert shop.status()["status"] == "SUCCESS"
    shop.fake.request("DELETE", SECRET)
    shop.secrets.put("one", None, ["AWSCURRENT"])
    shop.refresh("1")
    shop.half.sweeper.sweep()
    shop.settle()
    shop.restart()
    shop.settle()
    assert (shop.reads(), shop.looks()) == before
    assert shop.fake.find(SECRET) is None
    assert "refreshed" not in shop.status()
    status = shop.status()
    shop.suspend(wanted=False)
    assert shop.ready() == ("True", "Synced")
    assert shop.data() == {"a": "one-v3", "b": "two-v2"}
    assert shop.status()["refreshed"] == "1"
    assert status["lastSync"] < shop.status()["lastSync"]


def test_what_changed_unannounced_while_suspended_is_found_at_once_and_read_alone(
    shop: Shop,
) -> None:
    shop.suspend(wanted=True)
    shop.secrets.put("one", None, ["AWSCURRENT"])
    before = (shop.reads(), shop.looks())
    shop.suspend(wanted=False)
    assert shop.data()["a"] == "one-v3"
    assert (shop.reads(), shop.looks()) == (before[0] + 1, before[1] + 2)


def test_where_nothing_changed_resuming_costs_a_look_for_each_key_and_no_value(shop: Shop) -> None:
    shop.suspend(wanted=True)
    before = (shop.reads(), shop.looks())
    shop.suspend(wanted=False)
    assert (shop.reads(), shop.looks()) == (before[0], before[1] + 2)
    assert shop.ready() == ("True", "Synced")


def test_what_changed_while_suspended_is_found_although_the_first_looks_fail(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(_memory: MemoryBackend, _references: object) -> NoReturn:
        raise Retry("slow down", reason="Throttled")

    shop.suspend(wanted=True)
    shop.secrets.put("one", None, ["AWSCURRENT"])
    with monkeypatch.context() as patched:
        patched.setattr(MemoryBackend, "look", away)
        shop.suspend(wanted=False)
        for _ in range(3):
            shop.settle()
        assert shop.ready() == ("False", "Throttled")
        shop.restart()
    for _ in range(3):
        shop.settle()
    assert shop.data()["a"] == "one-v3"
    assert shop.ready() == ("True", "Synced")
    assert [one["type"] for one in shop.status()["conditions"]] == ["Ready"]


def test_an_object_that_is_new_and_suspended_gets_no_secret() -> None:
    shop = Shop()
    for path in (PATH, SECRET):
        shop.fake.request("DELETE", path)
    shop.settle()
    spec = {"backendType": "secretsManager", "data": ITEMS, "suspend": True}
    body = {"metadata": {"name": "shop"}, "spec": spec}
    shop.fake.request("POST", PATH.rpartition("/")[0], body=body)
    shop.settle()
    assert shop.ready() == ("Unknown", "Suspended")
    assert shop.fake.find(SECRET) is None
    assert "status" not in shop.status()


def test_a_pace_that_makes_no_sense_is_said_and_stops_the_object_alone(shop: Shop) -> None:
    shop.edit({"spec": {"sweepInterval": "1s"}})
    shop.settle()
    assert shop.ready() == ("False", "InvalidSpec")
    assert shop.status()["status"].startswith("ERROR, spec.sweepInterval is not between 10s")
    shop.edit({"spec": {"sweepInterval": "10s"}})
    shop.settle()
    assert shop.ready() == ("True", "Synced")
