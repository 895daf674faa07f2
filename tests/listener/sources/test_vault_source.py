"""Vault as a source: composed as in production, on a real OpenBao, with ledgers in an index."""

import secrets
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from prometheus_client import CollectorRegistry
from structlog.testing import capture_logs

from externalsecret.dialect.contract import Defaults
from externalsecret.errors import HarkError
from externalsecret.ledger import Heard, Synced
from externalsecret.manifest import read_manifest
from externalsecret.redacted import Redacted
from fakes.kubeapi import FakeKubeApi
from hark.environment import Environment
from hark.sources.plan import Surroundings
from hark.sources.vault import VaultPlan, read_plans
from listener.index import Index
from listener.messages.meaning import Change, ChangeEvent
from listener.metrics import ListenerMetrics
from listener.recent import Recent
from listener.sources.contract import Delivery, Source
from listener.sources.vaultsocket import Ears, EventSocket
from testbed.openbao import TOKEN, Bao
from testbed.proxy import WireProxy
from testbed.vaultevents import VaultEvents
from worlds.vaultevents import event

PATIENCE = 30.0
NEVER = "1d"
LEASE = "/apis/coordination.k8s.io/v1/namespaces/hark/leases/hark-listener"


class Listening:
    """One opened source, and the objects that its index knows."""

    def __init__(self, bao: Bao, address: str, **env: str) -> None:
        self.bao = bao
        self.mount = f"heard-{secrets.token_hex(4)}"
        bao.mount(self.mount, 2)
        self.api = FakeKubeApi()
        self.index = Index(Defaults(), "", Recent(), lambda _key, _missed: None)
        self.registry = CollectorRegistry()
        self.stop = threading.Event()
        self.threads: list[threading.Thread] = []
        self.version = 0
        environ = {"VAULT_ADDR": address, "VAULT_TOKEN": TOKEN, "HARK_LEADER_ELECTION": "false"}
        self.environ = {**environ, **env}
        self.plan: VaultPlan
        (self.plan,) = read_plans(Environment(self.environ))
        self._source: Source | None = None

    @property
    def source(self) -> Source:
        """Opened when it is first asked for, as the objects are known by then."""
        if self._source is None:
            self._source = self.plan.open(
                Surroundings(
                    api=self.api,
                    index=self.index,
                    metrics=ListenerMetrics(self.registry),
                    environ=self.environ,
                    namespace="hark",
                    identity="a",
                    stop=self.stop,
                    spawn=self._spawn,
                )
            )
        return self._source

    def close(self) -> None:
        self.stop.set()
        if self._source is not None:
            self._source.close()
        for thread in self.threads:
            thread.join(PATIENCE)

    def write(self, name: str) -> str:
        """A new version, as the reconciler writes it."""
        made = self.bao.request("POST", f"{self.mount}/data/{name}", {"data": {"x": "y"}})["data"]
        return f"{made['version']}@{made['created_time']}"

    def knows(
        self, name: str, key: str, synced: str = "", heard: Heard | None = None, **item: Any
    ) -> None:
        """An ExternalSecret of that key, with its ledger."""
        self.version += 1
        spec = {
            "backendType": "vault",
            "data": [{"key": f"{self.mount}/data/{key}", "name": "x", **item}],
        }
        manifest = read_manifest(spec, Defaults())
        (entry,) = manifest.references
        leaves: dict[str, Any] = {}
        if synced:
            leaf = Synced("", synced, "", "", "", ("x",), manifest.fingerprint(entry))
            leaves["synced"] = leaf.leaf()
        if heard is not None:
            leaves["heard"] = heard.leaf()
        metadata = {
            "namespace": "shop",
            "name": name,
            "uid": f"uid-{name}",
            "resourceVersion": str(self.version),
        }
        status = {"uid": f"uid-{name}", "keys": {entry: leaves}}
        self.index.upsert({"metadata": metadata, "spec": spec, "status": status})

    def next(self) -> ChangeEvent:
        """The next change; it is acknowledged."""
        (delivery,) = self.deliveries(1)
        self.source.ack([delivery])
        return self.meant(delivery)

    def deliveries(self, count: int) -> list[Delivery]:
        found: list[Delivery] = []
        deadline = time.monotonic() + PATIENCE
        while len(found) < count:
            assert time.monotonic() < deadline, f"{len(found)} came, {count} were awaited"
            found.extend(self.source.receive())
        return found

    def meant(self, delivery: Delivery) -> ChangeEvent:
        meaning = self.plan.parse(delivery)
        assert isinstance(meaning, tuple)
        (found,) = meaning
        return found

    def rounds(self, count: int) -> list[Delivery]:
        """All that comes until every path was looked at so often again."""
        found: list[Delivery] = []
        wanted = self.looks() + count
        deadline = time.monotonic() + PATIENCE
        while self.looks() < wanted:
            assert time.monotonic() < deadline, f"{self.looks()} looks, {wanted} were awaited"
            found.extend(self.source.receive())
        return found

    def looks(self) -> float:
        names = ("seen", "gone", "denied", "failed")
        return sum(self.metric("vault_looks_total", outcome=name) for name in names)

    def metric(self, name: str, **labels: str) -> float:
        return self.registry.get_sample_value(f"hark_listener_{name}", labels) or 0.0

    def _spawn(self, name: str, target: Callable[[], None]) -> None:
        thread = threading.Thread(target=target, name=name, daemon=True)
        thread.start()
        self.threads.append(thread)


@pytest.fixture
def polling(bao: Bao) -> Iterator[Listening]:
    world = Listening(bao, bao.url, HARK_VAULT_POLL_INTERVAL="1s")
    yield world
    world.close()


@pytest.fixture
def events(bao: Bao) -> Iterator[VaultEvents]:
    with VaultEvents(bao.url) as double:
        yield double


@pytest.fixture
def hearing(bao: Bao, events: VaultEvents) -> Iterator[Listening]:
    world = Listening(
        bao,
        events.url,
        HARK_VAULT_SOURCE="events",
        HARK_VAULT_POLL_INTERVAL=NEVER,
        HARK_VAULT_COMPARE_INTERVAL=NEVER,
    )
    yield world
    world.close()


def await_that(true: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + PATIENCE
    while not true():
        assert time.monotonic() < deadline, f"in vain: {what}"
        time.sleep(0.02)


def test_only_a_difference_to_the_ledger_is_told(polling: Listening) -> None:
    old = polling.write("app")
    same = polling.write("same")
    new = polling.write("app")
    polling.knows("behind", "app", synced=old)
    polling.knows("in-step", "same", synced=same)
    told = polling.next()
    assert told.secret.name == f"{polling.mount}/data/app"
    assert (told.change, told.version) == (Change.VALUE, new)
    polling.knows("behind", "app", synced=old, heard=Heard(told.id, new, None, "vault"))
    assert polling.rounds(4) == []


def test_one_path_is_looked_at_once_a_round_whoever_reads_it(polling: Listening) -> None:
    version = polling.write("app")
    for number in range(5):
        polling.knows(f"reader-{number}", "app" if number else "/app", synced=version)
    assert polling.rounds(2) == []
    assert polling.metric("vault_paths", state="watched") == 1


def test_what_an_event_announced_by_its_number_is_not_told_again(polling: Listening) -> None:
    old = polling.write("app")
    polling.write("app")
    polling.knows("reader", "app", synced=old, heard=Heard("an-event", "2", None, "vault"))
    assert polling.rounds(3) == []


def test_a_reader_that_never_synced_is_told_of_in_the_second_round(polling: Listening) -> None:
    version = polling.write("app")
    polling.knows("new", "app")
    assert polling.rounds(1) == []
    assert polling.next().version == version


def test_a_pinned_version_is_told_of_when_it_goes_and_returns(polling: Listening) -> None:
    pinned = polling.write("app")
    polling.write("app")
    polling.knows("pinned", "app", synced=pinned, version=1)
    assert polling.rounds(2) == []
    polling.bao.request("POST", f"{polling.mount}/delete/app", {"versions": [1]})
    (held,) = polling.deliveries(1)
    # While it is in hand, no later round tells it again.
    assert polling.rounds(3) == []
    assert polling.source.ack([held]) == []
    gone = polling.meant(held)
    assert gone.change is Change.GONE
    heard = Heard(gone.id, None, gone.at, "vault")
    polling.knows("pinned", "app", synced=pinned, heard=heard, version=1)
    assert polling.rounds(2) == []
    polling.bao.request("POST", f"{polling.mount}/undelete/app", {"versions": [1]})
    assert polling.next().change is Change.BACK


def test_what_was_not_acknowledged_is_not_told_twice_at_once(polling: Listening) -> None:
    old = polling.write("app")
    polling.write("app")
    polling.knows("reader", "app", synced=old)
    held = polling.deliveries(1)
    assert polling.rounds(3) == []
    polling.source.extend(held)
    polling.source.retry(held, 0.0)
    (again,) = polling.deliveries(1)
    assert (again.attempts, polling.meant(again)) == (2, polling.meant(held[0]))


def test_a_vault_that_is_away_is_a_failure_of_the_source_and_is_asked_again(bao: Bao) -> None:
    with WireProxy(bao.url) as wire:
        world = Listening(bao, wire.url, HARK_VAULT_POLL_INTERVAL="1s")
        old = world.write("app")
        world.knows("reader", "app", synced=old)
        assert world.rounds(1) == []
        away = wire.when(lambda _: True, lambda exchange: exchange.hang_up(), times=None)
        with pytest.raises(HarkError) as failure:
            world.rounds(5)
        assert "VAULT_ADDR" in str(failure.value)
        away.retire()
        new = world.write("app")
        assert world.next().version == new
        world.close()


def test_who_does_not_hold_the_lease_asks_nothing_until_it_does(bao: Bao) -> None:
    with WireProxy(bao.url) as wire:
        world = Listening(bao, wire.url, HARK_VAULT_POLL_INTERVAL="1s", HARK_LEADER_ELECTION="true")
        old = world.write("app")
        world.knows("reader", "app", synced=old)
        world.api.seed(LEASE, {"spec": {"holderIdentity": "b", "leaseDurationSeconds": 3600}})
        for _ in range(3):
            assert not world.source.receive()
        assert not wire.log
        world.api.seed(LEASE, {"spec": {"holderIdentity": ""}})
        new = world.write("app")
        assert world.next().version == new
        assert world.metric("vault_leader") == 1
        world.close()


def test_no_login_is_said_in_a_sentence_that_names_the_setting(bao: Bao) -> None:
    world = Listening(bao, bao.url, HARK_VAULT_SOURCE="poll", VAULT_TOKEN="")
    with pytest.raises(HarkError, match="HARK_VAULT_LISTENER_ROLE"):
        _ = world.source


def test_an_event_arrives_by_the_socket_at_once(hearing: Listening, events: VaultEvents) -> None:
    version = hearing.write("app")
    hearing.knows("reader", "app", synced=version)
    assert hearing.source.name == hearing.plan.label
    events.await_open(1)
    await_that(lambda: hearing.metric("vault_event_sockets") == 1, "the socket counts")
    path = f"{hearing.mount}/data/app"
    # No look could tell of this version, for there is none.
    said = event("kv-v2/data-write", f"{hearing.mount}/", path=path, current_version="7")
    assert events.tell(said) == 1
    told = hearing.next()
    assert (told.secret.name, told.version) == (path, "7")


def test_an_event_that_got_lost_is_found_when_the_socket_is_opened_again(
    hearing: Listening, events: VaultEvents
) -> None:
    version = hearing.write("app")
    hearing.knows("reader", "app", synced=version)
    assert hearing.rounds(1) == []
    events.await_open(1)
    new = hearing.write("app")
    subscriptions = len(events.tokens)
    events.cut()
    events.await_subscriptions(subscriptions + 1)
    assert hearing.next().version == new
    assert hearing.metric("vault_event_socket_failures_total", reason="EventsEnded") == 1


def test_a_server_without_events_is_told_to_be_none_of_enterprise_and_is_polled(bao: Bao) -> None:
    world = Listening(bao, bao.url, HARK_VAULT_SOURCE="events", HARK_VAULT_POLL_INTERVAL="1s")
    version = world.write("app")
    world.knows("reader", "app", synced=version)
    name = "vault_event_socket_failures_total"
    with capture_logs() as logs:
        world.rounds(1)
        await_that(lambda: world.metric(name, reason="EventsNotServed") == 1, "it is told")
        await_that(lambda: any("Enterprise" in str(line.get("error")) for line in logs), "a log")
    new = world.write("app")
    assert world.next().version == new
    assert TOKEN not in str(logs)
    world.close()


class Door:
    """A login whose token the test replaces."""

    def __init__(self, address: str) -> None:
        self.address = f"{address.replace('http', 'ws')}/v1"
        self.now = TOKEN

    def trust(self) -> None:
        """Nobody in particular."""

    def token(self) -> Redacted:
        return Redacted(self.now.encode())


def test_a_socket_is_opened_anew_with_another_token_and_hears_its_namespace(
    bao: Bao, events: VaultEvents
) -> None:
    heard: list[tuple[str, str]] = []
    opened: list[int] = []
    door = Door(events.url)
    stop = threading.Event()
    socket = EventSocket(
        door,
        "team-a",
        Ears(lambda body, space: heard.append((body, space)), lambda: opened.append(1)),
        metrics=ListenerMetrics(CollectorRegistry()),
        may_listen=lambda: True,
        stop=stop,
    )
    thread = threading.Thread(target=socket.run)
    thread.start()
    try:
        events.await_subscriptions(1)
        made = bao.request("POST", "auth/token/create", {"ttl": "1h"})["auth"]
        door.now = made["client_token"]
        events.await_subscriptions(2)
        assert events.tokens == [TOKEN, door.now]
        await_that(lambda: len(opened) == 2, "it was opened twice")
        events.await_open(1)
        assert events.tell({"of": "another"}, "team-b") == 0
        assert events.tell({"of": "ours"}, "team-a") == 1
        await_that(lambda: heard == [('{"of": "ours"}', "team-a")], "it is heard")
    finally:
        stop.set()
        thread.join(PATIENCE)
    assert not thread.is_alive()


def test_a_denied_subscription_is_said_and_shows_no_token(bao: Bao) -> None:
    with VaultEvents(bao.url) as events, capture_logs() as logs:
        door = Door(events.url)
        door.now = "no-such-token"
        metrics = ListenerMetrics(CollectorRegistry())
        stop = threading.Event()
        ears = Ears(lambda _body, _space: None, lambda: None)
        socket = EventSocket(door, "", ears, metrics=metrics, may_listen=lambda: True, stop=stop)
        thread = threading.Thread(target=socket.run)
        thread.start()
        events.await_subscriptions(1)
        await_that(lambda: bool(logs), "it is said")
        stop.set()
        thread.join(PATIENCE)
    assert "sys/events/subscribe" in str(logs)
    assert "no-such-token" not in str(logs)
