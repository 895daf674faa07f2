"""When an object is looked at, as its owner wants it: at an interval, now, or not at all."""

from collections.abc import Iterator
from typing import Any

import pytest

from externalsecret.resource import REFRESH_ANNOTATION
from testbed.cluster import Cluster
from testbed.moto import Moto
from worlds.spine import await_until, unique
from worlds.whole import Running, Whole, whole_product

INTERVAL = "hark_reconciler_sweep_interval_seconds"
SUSPENDED = "hark_reconciler_suspended"


@pytest.fixture(scope="module")
def unswept(served_cluster: Cluster, moto: Moto) -> Iterator[Running]:
    """A product whose own sweep is off, for the tests of this file."""
    with whole_product(served_cluster, moto) as whole:
        quiet = {"DISABLE_POLLING": ""}
        yield Running(whole, whole.listener(), whole.reconciler(environment=quiet))


def _synced(whole: Whole, name: str, **spec: Any) -> None:
    whole.create(name, "first")
    data = [{"key": name, "name": "entry"}]
    whole.apply(name, {"roleArn": whole.own_role(), "data": data, **spec})
    whole.await_synced(name)


def _await_refreshed(whole: Whole, name: str, value: str) -> dict[str, Any]:
    return await_until(
        lambda: whole.status(name),
        lambda status: status.get("refreshed") == value,
        f"{name} is refreshed",
    )


def test_who_asks_for_an_own_interval_is_swept_although_the_installation_is_not(
    unswept: Running,
) -> None:
    whole, name, other = unswept.whole, unique("own"), unique("general")
    _synced(whole, other)
    _synced(whole, name, sweepInterval="10s")
    assert unswept.reconciler.metric(INTERVAL) == 0
    assert "about 259,200 calls a month" in whole.await_event(name, "SweepIsDear")
    whole.change(other, "second")
    version = whole.change(name, "second")

    assert whole.await_version(name, version)["via"] == "sweep"
    assert whole.data(name) == {"entry": b"second"}
    assert whole.looks(other) == 0
    assert whole.data(other) == {"entry": b"first"}


def test_an_interval_that_is_too_short_is_refused_in_a_sentence(unswept: Running) -> None:
    whole, name = unswept.whole, unique("hasty")
    _synced(whole, name)

    whole.edit(name, {"spec": {"sweepInterval": "500ms"}})

    assert "not between 10s and 30d" in whole.await_complaint(name, "InvalidSpec")
    whole.edit(name, {"spec": {"sweepInterval": None}})
    whole.await_synced(name)


def test_a_refresh_reads_once_and_a_restart_does_not_repeat_it(whole: Whole) -> None:
    name = unique("refreshed")
    quiet = {"DISABLE_POLLING": ""}
    reconciler = whole.reconciler(environment=quiet)
    _synced(whole, name)
    values = whole.value_calls(name)
    whole.change(name, "second")

    whole.annotate(name, {REFRESH_ANNOTATION: "1"})
    (leaf,) = _await_refreshed(whole, name, "1")["keys"].values()

    whole.await_data(name, entry=b"second")
    assert leaf["synced"]["via"] == "refresh"
    assert whole.value_calls(name) == values + 1

    reconciler.terminate()
    whole.reconciler(environment=quiet)
    # What comes after it shows that the restarted one has looked at the object.
    whole.annotate(name, {REFRESH_ANNOTATION: "2"})
    _await_refreshed(whole, name, "2")
    assert whole.value_calls(name) == values + 2


def test_a_suspended_object_is_left_alone_and_made_up_for_when_it_is_resumed(
    unswept: Running,
) -> None:
    whole, name = unswept.whole, unique("suspended")
    _synced(whole, name)
    values = whole.value_calls(name)
    whole.edit(name, {"spec": {"suspend": True}})
    assert whole.await_reason(name, "Suspended")["status"] == "Unknown"
    assert whole.status(name)["status"] == "SUCCESS"
    whole.await_event(name, "Suspended")
    assert unswept.reconciler.metric(SUSPENDED) >= 1

    whole.change_and_announce(name, "second")
    (leaf,) = await_until(
        lambda: list(whole.status(name)["keys"].values()),
        lambda leaves: "heard" in leaves[0],
        "the listener notes it all the same",
    )
    assert leaf["heard"]["id"] != leaf["synced"].get("note")
    whole.edit_secret(name, {"data": {"entry": "c3BvaWx0"}})
    whole.pass_by()
    assert whole.data(name) == {"entry": b"spoilt"}
    assert whole.value_calls(name) == values

    whole.edit(name, {"spec": {"suspend": False}})
    whole.await_data(name, entry=b"second")
    assert whole.await_synced(name)["status"] == "SUCCESS"
    assert whole.value_calls(name) == values + 1
