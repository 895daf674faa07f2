"""Azure Key Vault through the whole product: a real API server, the reconciler's own process, and a
double of Azure that it reaches by the real names, through a proxy and with a CA of its own.
"""

import base64
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from testbed.azure import AzureDouble
from testbed.azurecall import Answer, Call, refusal
from testbed.installation import HarkProcess
from worlds.spine import Spine, await_until, unique

FOUND = "hark_reconciler_changes_found_by_sweep_total"


class Cloud:
    """A vault, and the reconciler that reads it."""

    def __init__(self, spine: Spine, azure: AzureDouble, reconciler: HarkProcess) -> None:
        self.spine = spine
        self.azure = azure
        self.reconciler = reconciler
        self.vault = unique("kv")
        azure.vaults.create(self.vault)

    def put(self, name: str, value: str) -> str:
        return self.azure.vaults.put(self.vault, name, value)

    def apply(self, name: str, *data: dict[str, Any], **spec: Any) -> None:
        # Whoever wrote the manifest may have spelt the vault as the portal does.
        vault = {"backendType": "azureKeyVault", "keyVaultName": self.vault.upper()}
        self.spine.apply(name, {**vault, "data": list(data), **spec})


@pytest.fixture
def cloud(spine: Spine, tmp_path: Path) -> Iterator[Cloud]:
    with AzureDouble(tmp_path) as azure:
        environment = {
            **azure.env(),
            **azure.client_env(),
            "HARK_SWEEP_INTERVAL": "1s",
            "LOG_LEVEL": "trace",
        }
        yield Cloud(spine, azure, spine.reconciler(environment=environment))


def test_a_manifest_of_kes_makes_its_secret(cloud: Cloud) -> None:
    cloud.put("plain", "p\u00e4ss")
    cloud.put("document", json.dumps({"user": "u", "password": "p"}))
    cloud.put("binary", base64.b64encode(bytes(range(256))).decode())
    first = cloud.put("pinned", "first")
    cloud.put("pinned", "second")
    cloud.apply(
        "shop",
        {"key": "plain", "name": "plain"},
        {"key": "DOCUMENT", "name": "password", "property": "password"},
        {"key": "binary", "name": "binary", "isBinary": True},
        {"key": "pinned", "name": "pinned", "version": first},
        {"key": "pinned", "name": "newest", "version": "1"},
        dataFrom=["document"],
    )
    cloud.spine.await_data(
        "shop",
        plain="p\u00e4ss".encode(),
        user=b"u",
        password=b"p",
        binary=bytes(range(256)),
        pinned=b"first",
        newest=b"second",
    )
    cloud.spine.await_reason("shop", "Synced")


def test_a_change_that_nobody_announced_is_found_and_nothing_else_is_read(cloud: Cloud) -> None:
    names = [f"k{number}" for number in range(12)]
    for name in names:
        cloud.put(name, "first")
    cloud.apply("shop", *({"key": name, "name": name} for name in names))
    cloud.spine.await_data("shop", **dict.fromkeys(names, b"first"))
    assert cloud.azure.counts(cloud.vault)["get"] == 12
    assert cloud.azure.counts()["token"] == 1

    version = cloud.put("k3", "second")

    cloud.spine.await_data("shop", **{**dict.fromkeys(names, b"first"), "k3": b"second"})
    keys = await_until(
        lambda: cloud.spine.status("shop")["keys"],
        lambda keys: keys[f"keyvault/{cloud.vault}/k3#latest"]["synced"]["version"] == version,
        "the ledger names the new version",
    )
    assert keys[f"keyvault/{cloud.vault}/k3#latest"]["synced"]["via"] == "sweep"
    assert cloud.azure.counts(cloud.vault)["get"] == 13
    assert cloud.reconciler.metric(FOUND) == 1


def test_an_expired_disabled_or_deleted_secret_is_said_and_the_secret_stays(cloud: Cloud) -> None:
    cloud.put("db", "value")
    cloud.apply("shop", {"key": "db", "name": "entry"})
    cloud.spine.await_data("shop", entry=b"value")
    # A date that passes is said, and costs no value.
    cloud.azure.vaults.change(cloud.vault, "db", expires=1_000_000_000)
    ready = cloud.spine.await_reason("shop", "SecretExpired")
    assert ready["status"] == "True"
    await_until(
        lambda: [reason for reason, _ in cloud.spine.events("shop")],
        lambda reasons: "SecretExpired" in reasons,
        "an Event says so",
    )
    cloud.azure.vaults.change(cloud.vault, "db", expires=None)
    cloud.spine.await_reason("shop", "Synced")
    assert cloud.azure.counts(cloud.vault)["get"] == 1
    cloud.azure.vaults.change(cloud.vault, "db", enabled=False)
    cloud.spine.await_reason("shop", "Disabled")
    cloud.azure.vaults.change(cloud.vault, "db", enabled=True)
    cloud.spine.await_reason("shop", "Synced")
    cloud.azure.vaults.delete(cloud.vault, "db")
    ready = cloud.spine.await_reason("shop", "NotFound")
    assert "secret" in ready["message"]
    assert cloud.spine.data("shop") == {"entry": b"value"}
    cloud.azure.vaults.recover(cloud.vault, "db")
    cloud.spine.await_reason("shop", "Synced")


def test_no_value_is_told_and_an_expired_secret_is(cloud: Cloud) -> None:
    canaries = [unique("canary") for _ in range(3)]
    cloud.put("expired", canaries[0])
    cloud.azure.vaults.change(cloud.vault, "expired", expires=1_000_000_000)
    cloud.put("broken", '{"password": "' + canaries[1])
    cloud.put("denied", canaries[2])

    def deny(call: Call) -> Answer | None:
        if call.path.startswith("/secrets/denied"):
            return refusal(403, "Forbidden", "Caller is not authorized.", "ForbiddenByRbac")
        return None

    cloud.azure.when(deny)
    cloud.apply("expired", {"key": "expired", "name": "entry"})
    cloud.apply("broken", {"key": "broken", "name": "entry", "property": "password"})
    cloud.apply("denied", {"key": "denied", "name": "entry"})
    cloud.spine.await_data("expired", entry=canaries[0].encode())
    cloud.spine.await_reason("broken", "BadValue")
    cloud.spine.await_reason("denied", "Denied")
    await_until(
        lambda: [reason for reason, _ in cloud.spine.events("expired")],
        lambda reasons: "SecretExpired" in reasons,
        "the expiry is said",
    )
    names = ("expired", "broken", "denied")
    said = [json.dumps(cloud.spine.get(name)) for name in names]
    said += [json.dumps(cloud.spine.events(name)) for name in names]
    said.append(cloud.reconciler.get("/metrics")[1])
    assert cloud.reconciler.terminate() == 0
    said.append(cloud.reconciler.text())
    everything = " ".join(said)
    encoded = [base64.b64encode(one.encode()).decode().rstrip("=") for one in canaries]
    for canary in [*canaries, *encoded, cloud.azure.entra.client_secret]:
        assert canary not in everything
