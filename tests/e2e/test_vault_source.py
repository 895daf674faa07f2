"""A Vault that is listened to, from the change to the Secret: a real OpenBao, a real API server,
both halves; the events of Vault Enterprise by a double of the wire.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest

from testbed.actions import before, hang_up
from testbed.openbao import Bao
from testbed.proxy import WireProxy
from testbed.request import Head
from testbed.vaultevents import VaultEvents
from worlds.spine import Spine, await_until, unique
from worlds.vaultevents import event
from worlds.vaultwatch import NOTES, READS, VaultWatch, asks_for_values

VERSION = "version"


def is_note(head: Head) -> bool:
    return head.method == "PATCH" and "/externalsecrets/" in head.path


@pytest.fixture
def watch(spine: Spine, bao: Bao, tmp_path: Path) -> Iterator[VaultWatch]:
    world = VaultWatch(spine, bao, tmp_path)
    yield world
    world.close()


def _rounds(watch: VaultWatch, count: int) -> None:
    """Wait for so many more looks, where one path is watched."""
    seen = watch.looks()
    await_until(watch.looks, lambda looks: looks >= seen + count, f"{count} more looks")


def test_a_write_reaches_its_secret_with_one_value_read_and_touches_no_other_mount(
    watch: VaultWatch,
) -> None:
    spine = watch.spine
    watch.write("app", "one")
    watch.write("app", "elsewhere", mount=watch.other)
    reconciler = watch.reconciler()
    watch.apply("app", "app")
    watch.apply("twin", "app")
    watch.apply("other", "app", mount=watch.other)
    for name, value in {"app": b"one", "twin": b"one", "other": b"elsewhere"}.items():
        spine.await_data(name, app=value)
    listener = watch.listener()
    _rounds(watch, 6)
    assert listener.metric(NOTES) == 0
    others = spine.get("other")["metadata"]["resourceVersion"]
    reads = reconciler.metric(READS)
    version = watch.write("app", "two")
    for name in ("app", "twin"):
        spine.await_data(name, app=b"two")
    leaf = await_until(
        lambda: watch.synced("app"),
        lambda leaf: (
            leaf["synced"][VERSION] == version and leaf["synced"]["note"] == leaf["heard"]["id"]
        ),
        "it is synced, and the note covered",
    )
    assert (leaf["heard"]["via"], leaf["heard"][VERSION]) == ("vault", version)
    assert reconciler.metric(READS) == reads + 1
    _rounds(watch, 6)
    assert listener.metric(NOTES) == 2
    assert spine.get("other")["metadata"]["resourceVersion"] == others
    assert listener.metric("hark_listener_vault_paths") == 2
    # A restart with everything synced writes nothing, and finds what was written meanwhile.
    listener.kill()
    before = [spine.get(name)["metadata"]["resourceVersion"] for name in ("app", "twin", "other")]
    listener = watch.listener()
    _rounds(watch, 6)
    assert listener.metric(NOTES) == 0
    after = [spine.get(name)["metadata"]["resourceVersion"] for name in ("app", "twin", "other")]
    assert after == before
    listener.kill()
    watch.write("app", "three")
    watch.listener()
    for name in ("app", "twin"):
        spine.await_data(name, app=b"three")
    assert watch.wire.count(asks_for_values) == 0


def test_a_deletion_is_said_and_the_secret_stays_until_it_is_undone(watch: VaultWatch) -> None:
    spine = watch.spine
    watch.write("app", "one")
    reconciler = watch.reconciler()
    watch.apply("app", "app")
    spine.await_data("app", app=b"one")
    listener = watch.listener()
    reads = reconciler.metric(READS)
    watch.ask("DELETE", "data", "app")
    spine.await_reason("app", "MarkedForDeletion")
    await_until(
        lambda: [reason for reason, _ in spine.events("app")],
        lambda reasons: "MarkedForDeletion" in reasons,
        "an Event says so",
    )
    assert spine.data("app") == {"app": b"one"}
    _rounds(watch, 3)
    assert listener.metric(NOTES) == 1
    # A new one does not tell it again, and knows the return for one.
    listener.kill()
    listener = watch.listener()
    _rounds(watch, 3)
    assert listener.metric(NOTES) == 0
    watch.ask("POST", "undelete", "app", versions=[1])
    await_until(lambda: spine.ready("app"), lambda it: it["status"] == "True", "it is well again")
    assert spine.data("app") == {"app": b"one"}
    assert reconciler.metric(READS) == reads
    await_until(lambda: listener.metric(NOTES), lambda notes: notes == 1, "the return is noted")
    _rounds(watch, 3)
    assert listener.metric(NOTES) == 1
    # All of the path goes, and what is written there anew counts from 1 again.
    watch.ask("DELETE", "metadata", "app")
    spine.await_reason("app", "NotFound")
    assert spine.data("app") == {"app": b"one"}
    watch.write("app", "made anew")
    spine.await_data("app", app=b"made anew")


def test_a_denied_path_is_counted_and_said_once(watch: VaultWatch) -> None:
    spine = watch.spine
    watch.watch_alone(watch.mount)
    watch.write("app", "one")
    watch.write("app", "one", mount=watch.other)
    watch.reconciler()
    watch.apply("good", "app")
    watch.apply("bad", "app", mount=watch.other)
    for name in ("good", "bad"):
        spine.await_data(name, app=b"one")
    listener = watch.listener()
    looks = 'hark_listener_vault_looks_total{outcome="denied"}'
    await_until(lambda: _sample(listener.get("/metrics")[1], looks), lambda n: n >= 3, "3 denials")
    said = [message for reason, message in spine.events("bad") if reason == "VaultPathNotWatched"]
    assert len(said) == 1
    assert f"{watch.other}/data/app" in said[0]
    assert not [reason for reason, _ in spine.events("good") if reason == "VaultPathNotWatched"]
    state = 'hark_listener_vault_paths{state="denied"}'
    assert _sample(listener.get("/metrics")[1], state) == 1
    # The neighbour is watched all the same, and the path itself once it may be.
    watch.write("app", "two")
    spine.await_data("good", app=b"two")
    watch.watch_alone(watch.mount, watch.other)
    watch.write("app", "two", mount=watch.other)
    spine.await_data("bad", app=b"two")


def _sample(text: str, name: str) -> float:
    lines = [line for line in text.splitlines() if line.startswith(f"{name} ")]
    return float(lines[0].rpartition(" ")[2]) if lines else 0.0


def test_a_token_that_ends_is_replaced(watch: VaultWatch) -> None:
    short = watch.login("short", token_policies=[watch.policy], token_ttl="2s", token_max_ttl="3s")
    watch.write("app", "one")
    watch.reconciler()
    watch.apply("app", "app")
    watch.spine.await_data("app", app=b"one")
    listener = watch.listener(**short)

    def logins() -> int:
        return watch.wire.count(lambda head: head.path.endswith("/login"))

    await_until(logins, lambda count: count >= 3, "it logged in again, twice")
    watch.write("app", "two")
    watch.spine.await_data("app", app=b"two")
    assert listener.metric("hark_listener_source_failures_total") == 0


def test_of_two_listeners_one_asks_and_when_it_is_killed_the_other_takes_over(
    watch: VaultWatch, bao: Bao
) -> None:
    name = unique("listener")
    watch.write("app", "one")
    watch.reconciler()
    watch.apply("app", "app")
    watch.spine.await_data("app", app=b"one")
    with WireProxy(bao.url) as idle:
        leader = watch.listener(POD_NAME=f"{name}-a")
        _rounds(watch, 1)
        follower = watch.listener(VAULT_ADDR=idle.url, POD_NAME=f"{name}-b")
        _rounds(watch, 3)
        assert not idle.log
        assert leader.metric("hark_listener_vault_leader") == 1
        assert follower.metric("hark_listener_vault_leader") == 0
        leader.kill()
        watch.write("app", "two")
        # A lease that nobody renews is free after 15 s.
        await_until(
            lambda: watch.spine.data("app"),
            lambda data: data == {"app": b"two"},
            "the other replica has heard it",
            patience=90.0,
        )
        assert follower.metric("hark_listener_vault_leader") == 1


def test_a_listener_that_is_killed_between_look_and_note_loses_nothing(
    watch: VaultWatch, cluster_proxy: WireProxy
) -> None:
    watch.write("app", "one")
    reconciler = watch.reconciler()
    watch.apply("app", "app")
    watch.spine.await_data("app", app=b"one")
    reads = reconciler.metric(READS)
    listener = watch.listener(server=cluster_proxy.url)
    _rounds(watch, 1)
    cluster_proxy.when(is_note, before(listener.kill, then=hang_up))
    watch.write("app", "two")
    listener.wait(60.0)
    assert "heard" not in watch.synced("app")
    watch.listener()
    watch.spine.await_data("app", app=b"two")
    assert reconciler.metric(READS) == reads + 1


def test_an_event_of_vault_enterprise_reaches_the_secret_and_a_lost_one_is_found_by_comparison(
    watch: VaultWatch, bao: Bao
) -> None:
    spine = watch.spine
    watch.write("app", "one")
    reconciler = watch.reconciler()
    watch.apply("app", "app")
    spine.await_data("app", app=b"one")
    with VaultEvents(bao.url) as events:
        made = bao.request("POST", "auth/token/create", {"policies": [watch.policy], "ttl": "1h"})
        env = {
            "VAULT_ADDR": events.url,
            "VAULT_TOKEN": made["auth"]["client_token"],
            "HARK_VAULT_SOURCE": "events",
            "HARK_VAULT_POLL_INTERVAL": "1d",
        }
        listener = watch.listener(**env, HARK_VAULT_COMPARE_INTERVAL="1d")
        events.await_open(1)
        # That which follows the opening of the socket was the last look for a day.
        looks = "hark_listener_vault_looks_total"
        await_until(lambda: listener.metric(looks), lambda count: count >= 1, "it has looked")
        reads = reconciler.metric(READS)
        version = watch.write("app", "two")
        path = f"{watch.mount}/data/app"
        said = event("kv-v2/data-write", f"{watch.mount}/", path=path, current_version="2")
        assert events.tell(said) == 1
        spine.await_data("app", app=b"two")
        await_until(
            lambda: watch.synced("app"),
            lambda leaf: (
                leaf["synced"][VERSION] == version and leaf["synced"]["note"] == leaf["heard"]["id"]
            ),
            "it is synced, and the note covered",
        )
        assert reconciler.metric(READS) == reads + 1
        # Another one compares each second while its socket is open, and stays open.
        listener.kill()
        subscriptions = len(events.tokens)
        env["HARK_VAULT_POLL_INTERVAL"] = "1s"
        listener = watch.listener(**env, HARK_VAULT_COMPARE_INTERVAL="1s")
        events.await_subscriptions(subscriptions + 1)
        events.await_open(1)
        # Those at its start and after the opening are over, so a later one finds it.
        await_until(lambda: listener.metric(looks), lambda count: count >= 3, "it has looked")
        assert listener.metric("hark_listener_vault_event_sockets") == 1
        events.loses = True
        watch.write("app", "three")
        assert events.tell(said) == 0
        spine.await_data("app", app=b"three")
        assert reconciler.metric(READS) == reads + 2
        assert len(events.tokens) == subscriptions + 1
