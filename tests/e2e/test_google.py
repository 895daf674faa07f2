"""Secrets of Google's Secret Manager end to end. Nothing announces their changes here, so the sweep
finds them, or a note that a test writes in the listener's place.
"""

import base64
import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from testbed.cluster import MERGE_PATCH, Cluster
from testbed.googlekey import write_key
from testbed.installation import HarkProcess
from testbed.moto import Moto
from testbed.secretmanager import SecretManager, SecretManagerServer
from worlds.google import NUMBER, PROJECT, secret_name
from worlds.spine import GROUP, await_until, unique
from worlds.whole import Whole, whole_product

FOUND = "hark_reconciler_changes_found_by_sweep_total"
LAST = "hark_reconciler_last_sweep_timestamp_seconds"
ACCESS = "AccessSecretVersion"


class GoogleProduct:
    """A product whose Google is a double, and its reconciler at work."""

    def __init__(self, whole: Whole, server: SecretManagerServer, reconciler: HarkProcess) -> None:
        self.whole = whole
        self.server = server
        self.manager = server.manager
        self.reconciler = reconciler

    def add(self, name: str, value: str | bytes) -> str:
        return self.manager.add(
            secret_name(name), value.encode() if isinstance(value, str) else value
        )

    def apply(self, name: str, *data: dict[str, Any], **spec: Any) -> None:
        whole_spec = {"backendType": "gcpSecretsManager", "data": list(data), **spec}
        self.whole.apply(name, whole_spec)

    def leaf(self, name: str) -> dict[str, Any]:
        (leaf,) = self.whole.await_synced(name)["keys"].values()
        return dict(leaf)

    def note(self, name: str, entry: str, version: str, identity: str) -> None:
        """As the listener will."""
        heard = {"id": identity, "version": version, "at": None, "via": "test"}
        path = f"{GROUP}/namespaces/{self.whole.namespace}/externalsecrets/{name}/status"
        patch = {"status": {"keys": {entry: {"heard": heard}}}}
        self.whole.cluster.request("PATCH", path, patch, content_type=MERGE_PATCH)

    def await_sweeps(self, count: int = 2) -> None:
        for _ in range(count):
            last = self.reconciler.metric(LAST)
            await_until(lambda: self.reconciler.metric(LAST), lambda now: now != last, "a sweep")  # noqa: B023 - awaited here


@contextmanager
def _product(
    cluster: Cluster, moto: Moto, folder: Path, **environment: str
) -> Iterator[GoogleProduct]:
    write_key(folder / "key.json", PROJECT)
    with (
        SecretManagerServer(SecretManager({PROJECT: NUMBER})) as server,
        whole_product(cluster, moto) as whole,
    ):
        settings = {
            "GOOGLE_APPLICATION_CREDENTIALS": str(folder / "key.json"),
            "HARK_GCP_SECRET_MANAGER_ENDPOINT": server.url,
            **environment,
        }
        yield GoogleProduct(whole, server, whole.reconciler(environment=settings))


@pytest.fixture
def swept(served_cluster: Cluster, moto: Moto, tmp_path: Path) -> Iterator[GoogleProduct]:
    """It sweeps each second, and says all that it has to say."""
    loud = {"HARK_SWEEP_INTERVAL": "1s", "LOG_LEVEL": "trace"}
    with _product(served_cluster, moto, tmp_path, **loud) as product:
        yield product


@pytest.fixture
def quiet(served_cluster: Cluster, moto: Moto, tmp_path: Path) -> Iterator[GoogleProduct]:
    """It never sweeps."""
    with _product(served_cluster, moto, tmp_path, DISABLE_POLLING="") as product:
        yield product


def test_a_manifest_of_kes_makes_its_secret_and_a_note_costs_one_read(
    quiet: GoogleProduct,
) -> None:
    name = unique("google")
    every = bytes(range(256))
    quiet.add(name, json.dumps({"user": "web", "password": "one"}))
    quiet.add(f"{name}-binary", every)
    quiet.add(f"{name}-old", "first")
    second = quiet.add(f"{name}-old", "second")
    quiet.add(f"{name}-old", "third")
    quiet.manager.alias(secret_name(f"{name}-old"), "live", second)
    quiet.manager.add(secret_name(name, "europe-west3"), b"regional")

    quiet.apply(
        name,
        {"key": name, "name": "password", "property": "password"},
        {"key": f"{name}-binary", "name": "binary"},
        {"key": f"{name}-old", "name": "pinned", "version": 1},
        {"key": f"{name}-old", "name": "alias", "version": "live"},
        {"key": f"{name}-old", "name": "latest", "version": "latest"},
        dataFrom=[name],
        projectId=PROJECT,
    )
    quiet.apply(f"{name}-there", {"key": name, "name": "entry"}, location="europe-west3")

    wanted = {"binary": every, "pinned": b"first", "alias": b"second", "latest": b"third"}
    quiet.whole.await_data(name, user=b"web", password=b"one", **wanted)
    quiet.whole.await_data(f"{name}-there", entry=b"regional")
    assert quiet.server.calls == {ACCESS: 6}
    keys = quiet.whole.await_synced(name)["keys"]
    entry = f"gcpsecretmanager/{PROJECT}/{name}#latest"
    assert keys[entry]["synced"]["resource"] == f"projects/{NUMBER}/secrets/{name}"
    assert keys[entry]["synced"]["version"] == "1"

    version = quiet.add(name, json.dumps({"user": "web", "password": "two"}))
    quiet.note(name, entry, version, "event-1")

    quiet.whole.await_data(name, user=b"web", password=b"two", **wanted)
    assert quiet.server.calls == {ACCESS: 7}
    # The same once more is no reason to read; the next version is.
    quiet.note(name, entry, version, "event-2")
    version = quiet.add(name, json.dumps({"user": "web", "password": "three"}))
    quiet.note(name, entry, version, "event-3")
    quiet.whole.await_data(name, user=b"web", password=b"three", **wanted)
    assert quiet.server.calls == {ACCESS: 8}


def test_the_sweep_finds_what_nobody_announced_and_no_value_is_told(swept: GoogleProduct) -> None:
    name = unique("google")
    canaries = [f"canary{place}of{name}" for place in range(4)]
    swept.add(name, canaries[0])
    swept.apply(name, {"key": name, "name": "entry"})
    swept.whole.await_data(name, entry=canaries[0].encode())
    swept.whole.await_synced(name)

    swept.add(name, canaries[1])
    swept.whole.await_data(name, entry=canaries[1].encode())
    # The status is written after the Secret.
    await_until(lambda: swept.leaf(name)["synced"]["via"], lambda via: via == "sweep", "it says so")
    assert swept.server.calls[ACCESS] == 2

    # Deleted and made anew it counts from 1 again: up to the very number that was read.
    # At once, for a sweep that comes in between would find a change more.
    with swept.manager.at_once():
        swept.manager.delete(secret_name(name))
        swept.manager.make_as_of(datetime.now(UTC) + timedelta(minutes=2))
        swept.add(name, canaries[2])
        swept.add(name, canaries[3])
        swept.manager.make_as_of(None)
    swept.whole.await_data(name, entry=canaries[3].encode())
    assert swept.reconciler.metric(FOUND) == 2
    # Even where Google's clock is far ahead of ours, nothing is read again and again.
    swept.await_sweeps()
    reads = swept.server.calls[ACCESS]
    swept.await_sweeps(3)
    assert swept.server.calls[ACCESS] == reads

    swept.whole.annotate(name, {"probe": "1"})
    log = swept.reconciler.text()
    said = {
        "metrics": swept.reconciler.get("/metrics")[1],
        "objects": json.dumps(swept.whole.everything("externalsecrets")),
        "events": json.dumps(swept.whole.everything("events")),
        "log": log,
    }
    for canary in canaries:
        encoded = base64.b64encode(canary.encode()).decode()[:-4]
        for place, text in said.items():
            assert canary not in text, place
            assert encoded not in text, place


def test_an_unchanged_secret_is_swept_without_a_read(swept: GoogleProduct) -> None:
    name = unique("google")
    swept.add(name, "value")
    swept.apply(name, {"key": name, "name": "entry"})
    swept.whole.await_data(name, entry=b"value")
    swept.await_sweeps(3)
    assert swept.server.calls[ACCESS] == 1
    assert swept.server.calls["GetSecretVersion"] >= 2
    assert swept.reconciler.metric(FOUND) == 0


def test_a_disabled_version_leaves_the_secret_as_it_is_until_it_is_enabled(
    swept: GoogleProduct,
) -> None:
    name = unique("google")
    version = swept.add(name, "value")
    swept.apply(name, {"key": name, "name": "entry"})
    swept.whole.await_data(name, entry=b"value")

    swept.manager.disable(secret_name(name), version)
    sentence = swept.whole.await_complaint(name, "Disabled")
    assert f"Enable that version of the secret {name}" in sentence
    assert swept.whole.data(name) == {"entry": b"value"}

    swept.manager.enable(secret_name(name), version)
    swept.whole.await_synced(name)
    assert swept.whole.data(name) == {"entry": b"value"}


def test_a_name_that_google_has_not_is_refused_before_anybody_is_asked(
    quiet: GoogleProduct,
) -> None:
    name = unique("google")
    quiet.apply(name, {"key": "../db", "name": "entry"})
    assert "correct the key" in quiet.whole.await_complaint(name, "InvalidSpec")
    assert not quiet.server.calls
