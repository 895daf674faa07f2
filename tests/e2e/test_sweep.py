"""The sweep finds what no event announced, at the price of metadata."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from testbed.cluster import Cluster
from testbed.installation import HarkProcess
from testbed.moto import Moto
from worlds.spine import await_until, unique
from worlds.whole import DENIED, LOOK_CALLS, Running, Whole, whole_product

ROOT = Path(__file__).resolve().parents[2]
FOUND = "hark_reconciler_changes_found_by_sweep_total"
UNANNOUNCED = 'hark_reconciler_changes_unannounced_total{backend="secretsmanager"}'
LAST = "hark_reconciler_last_sweep_timestamp_seconds"


@pytest.fixture(scope="module")
def swept(served_cluster: Cluster, moto: Moto) -> Iterator[Running]:
    """A product that sweeps each second, for the tests of this file."""
    with whole_product(served_cluster, moto) as whole:
        # As an installation of kubernetes-external-secrets says it.
        reconciler = whole.reconciler(environment={"POLLER_INTERVAL_MILLISECONDS": "1000"})
        yield Running(whole, whole.listener(), reconciler)


def _synced(whole: Whole, name: str, *data: dict[str, Any], **spec: Any) -> None:
    whole.apply(name, {"roleArn": whole.own_role(), "data": list(data), **spec})
    whole.await_synced(name)


def _await_sweeps(reconciler: HarkProcess, count: int) -> None:
    """Wait until so many sweeps have begun and ended."""
    for _ in range(count + 1):
        _await_sweep_after(reconciler, reconciler.metric(LAST))


def _await_sweep_after(reconciler: HarkProcess, last: float) -> None:
    await_until(lambda: reconciler.metric(LAST), lambda now: now != last, "a sweep ended")


def test_a_change_that_nobody_announced_is_found_and_counted(swept: Running) -> None:
    whole, name = swept.whole, unique("silent")
    parameter = f"/{name}/one"
    whole.create(name, "first")
    whole.set_parameter(parameter, "first")
    _synced(whole, name, {"key": name, "name": "entry"})
    other = unique("parameter")
    _synced(whole, other, {"key": parameter, "name": "entry"}, backendType="systemManager")
    found = swept.reconciler.metric(FOUND)

    version = whole.change(name, "second")
    whole.set_parameter(parameter, "second")

    whole.await_data(name, entry=b"second")
    whole.await_data(other, entry=b"second")
    assert whole.await_version(name, version)["via"] == "sweep"
    assert swept.reconciler.metric(FOUND) == found + 2


def test_sweeps_read_no_value_and_write_nothing_while_nothing_changes(swept: Running) -> None:
    whole, name = swept.whole, unique("resting")
    names = [f"{name}-{number}" for number in range(12)]
    for each in names:
        whole.create(each, "value")
    _synced(whole, name, *({"key": each, "name": each} for each in names))
    before, values = whole.get(name), whole.value_calls(name)
    secret = whole.secret(name)

    _await_sweeps(swept.reconciler, 3)

    assert whole.value_calls(name) == values
    assert whole.get(name) == before
    assert whole.secret(name) == secret


def test_a_deletion_that_nobody_announced_is_said_and_the_secret_stays(swept: Running) -> None:
    whole, name = swept.whole, unique("deleted")
    whole.create(name, "value")
    _synced(whole, name, {"key": name, "name": "entry"})

    whole.aws("secretsmanager").delete_secret(SecretId=name, RecoveryWindowInDays=7)

    whole.await_complaint(name, "MarkedForDeletion")
    _await_sweeps(swept.reconciler, 1)
    assert whole.ready(name)["reason"] == "MarkedForDeletion"
    assert whole.data(name) == {"entry": b"value"}
    whole.aws("secretsmanager").restore_secret(SecretId=name)
    whole.change(name, "second")
    whole.await_data(name, entry=b"second")
    whole.await_synced(name)


@pytest.mark.parametrize("trouble", ["deleted", "denied"])
def test_trouble_that_passes_without_a_change_is_forgotten(swept: Running, trouble: str) -> None:
    whole, name = swept.whole, unique(trouble)
    whole.create(name, "value")
    _synced(whole, name, {"key": name, "name": "entry"})
    manager = whole.aws("secretsmanager")
    if trouble == "deleted":
        manager.delete_secret(SecretId=name, RecoveryWindowInDays=7)
        whole.await_complaint(name, "MarkedForDeletion")
        manager.restore_secret(SecretId=name)
    else:
        rule = whole.refuse(name, DENIED)
        whole.await_complaint(name, "Denied")
        rule.retire()

    # Mostly within a sweep or two; after half a minute it would be tried again anyway.
    whole.await_synced(name)
    assert whole.data(name) == {"entry": b"value"}


def test_where_nothing_may_be_looked_at_the_sweep_reads(swept: Running) -> None:
    whole, name = swept.whole, unique("blind")
    whole.create(name, "first")
    _synced(whole, name, {"key": name, "name": "entry", "versionStage": "AWSCURRENT"})
    rule = whole.refuse(name, DENIED, LOOK_CALLS)

    whole.change(name, "second")

    whole.await_data(name, entry=b"second")
    rule.retire()


def test_a_change_that_event_and_sweep_tell_of_costs_one_read(swept: Running) -> None:
    whole, name = swept.whole, unique("announced")
    whole.create(name, "first")
    _synced(whole, name, {"key": name, "name": "entry"})
    values = whole.value_calls(name)

    whole.change_and_announce(name, "second")
    whole.await_data(name, entry=b"second")
    _await_sweeps(swept.reconciler, 1)

    assert whole.value_calls(name) == values + 1


def test_a_sweep_may_be_asked_for_now_and_what_nobody_announced_is_said(running: Running) -> None:
    world, name = running.whole, unique("asked")
    unannounced = running.reconciler.metric(UNANNOUNCED)
    world.create(name, "first")
    _synced(world, name, {"key": name, "name": "entry"})
    version = world.change(name, "second")

    command = [sys.executable, "-m", "hark", "sweep", "--now", "--wait", "1m"]
    environment = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(ROOT),
        "KUBECONFIG": str(world.cluster.admin_kubeconfig),
        "POD_NAMESPACE": world.namespace,
    }
    done = subprocess.run(
        command, env=environment, cwd=ROOT, capture_output=True, text=True, check=False
    )

    assert done.returncode == 0, done.stderr
    assert "Asked hark-reconciler" in done.stdout
    assert "The sweep has ended" in done.stdout
    assert world.await_version(name, version)["via"] == "sweep"
    assert world.data(name) == {"entry": b"second"}
    assert world.value_calls(name) == 2
    assert name in world.await_event(name, "ChangeNotAnnounced")
    # Other tests may have left more that nobody announced.
    assert running.reconciler.metric(UNANNOUNCED) >= unannounced + 1


def test_polling_may_be_forbidden(whole: Whole) -> None:
    name = unique("unswept")
    whole.create(name, "first")
    reconciler = whole.reconciler(environment={"DISABLE_POLLING": "", "HARK_SWEEP_INTERVAL": "1s"})
    _synced(whole, name, {"key": name, "name": "entry"})

    assert reconciler.metric(LAST) == 0
    assert any("DISABLE_POLLING" in str(event.get("warning")) for event in reconciler.events())
    # What is announced is heard all the same; a sweep each second would have been faster.
    whole.change(name, "second")
    assert whole.looks(name) == 0
    listener = whole.listener()
    whole.announce(name, whole.change(name, "third"))
    whole.await_data(name, entry=b"third")
    assert reconciler.metric(LAST) == 0
    assert listener.get("/readyz")[0] == 200
