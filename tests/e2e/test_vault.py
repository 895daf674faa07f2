"""The whole product on Vault: OpenBao, which asks the real API server who logs in."""

import json
import secrets
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from testbed.actions import answer
from testbed.cluster import Cluster
from testbed.installation import HarkProcess
from testbed.openbao import TOKEN, Bao
from testbed.proxy import WireProxy
from testbed.request import Request
from worlds.spine import Spine, await_until

CANARY = "canary-7c1e55"
UNANNOUNCED = 'hark_reconciler_changes_unannounced_total{backend="vault"}'


@dataclass
class Vaulted:
    """A namespace whose reconciler logs in to Vault."""

    spine: Spine
    bao: Bao
    wire: WireProxy
    env: dict[str, str]
    mount: str
    jwt: str

    def reconciler(self, **env: str) -> HarkProcess:
        return self.spine.reconciler(environment={**self.env, **env})

    def write(self, name: str, **document: str) -> None:
        self.bao.request("POST", f"{self.mount}-v2/data/{name}", {"data": document})

    def apply(self, name: str, *items: dict[str, Any], **spec: Any) -> None:
        wanted = {"backendType": "vault", "vaultRole": "app", **spec, "data": list(items)}
        self.spine.apply(name, wanted)

    def item(self, name: str, entry: str = "password", **more: Any) -> dict[str, Any]:
        key = f"{self.mount}-v2/data/{name}"
        return {"key": key, "name": entry, "property": "password", **more}


@pytest.fixture
def vaulted(
    spine: Spine, bao: Bao, bao_proxy: WireProxy, cluster: Cluster, namespace: str, tmp_path: Path
) -> Vaulted:
    mount = f"e2e-{secrets.token_hex(4)}"
    bao.mount(f"{mount}-v1", 1)
    bao.mount(f"{mount}-v2", 2)
    bao.policy(mount, {f"{mount}-v1/*": ["read"], f"{mount}-v2/*": ["read"]})
    reviewer = cluster.service_account_token(namespace, "reviewer")
    cluster.create_if_absent(
        "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings",
        {
            "metadata": {"name": f"reviewer-{namespace}"},
            "roleRef": {
                "apiGroup": "rbac.authorization.k8s.io",
                "kind": "ClusterRole",
                "name": "system:auth-delegator",
            },
            "subjects": [{"kind": "ServiceAccount", "namespace": namespace, "name": "reviewer"}],
        },
    )
    bao.trust_cluster(mount, cluster.url, cluster.ca_file.read_text(), reviewer)
    role = {
        "bound_service_account_names": ["hark-reconciler"],
        "bound_service_account_namespaces": [namespace],
        "token_policies": [mount],
    }
    bao.request("POST", f"auth/{mount}/role/app", role)
    file = tmp_path / "token"
    file.write_text(cluster.service_account_token(namespace, "hark-reconciler"))
    env = {
        "VAULT_ADDR": bao_proxy.url,
        "DEFAULT_VAULT_MOUNT_POINT": mount,
        "HARK_VAULT_JWT_FILE": str(file),
    }
    return Vaulted(spine, bao, bao_proxy, env, mount, file.read_text())


def test_both_engines_make_secrets_and_the_sweep_finds_a_change_but_no_pin_moves(
    vaulted: Vaulted,
) -> None:
    spine = vaulted.spine
    vaulted.write("db", password=f"{CANARY}-1", user="u")
    vaulted.bao.request("POST", f"{vaulted.mount}-v1/db", {"password": f"{CANARY}-old"})
    vaulted.apply("two", vaulted.item("db"), vaulted.item("db", "first", version=1))
    one = {"key": f"{vaulted.mount}-v1/db", "name": "password", "property": "password"}
    vaulted.apply("one", one, kvVersion=1)
    process = vaulted.reconciler(HARK_SWEEP_INTERVAL="1s", HARK_UNANNOUNCED_AFTER="1s")
    first = f"{CANARY}-1".encode()
    spine.await_data("two", password=first, first=first)
    spine.await_data("one", password=f"{CANARY}-old".encode())
    reads = process.metric("hark_reconciler_value_reads_total")
    vaulted.write("db", password=f"{CANARY}-2")
    spine.await_data("two", password=f"{CANARY}-2".encode(), first=first)
    vaulted.bao.request("POST", f"{vaulted.mount}-v1/db", {"password": f"{CANARY}-new"})
    spine.await_data("one", password=f"{CANARY}-new".encode())
    assert process.metric("hark_reconciler_value_reads_total") > reads
    await_until(
        lambda: [reason for name in ("one", "two") for reason, _ in spine.events(name)],
        lambda reasons: reasons.count("ChangeNotAnnounced") == 2,
        "that nobody announced them is said",
    )
    assert process.metric(UNANNOUNCED) == 2
    _, metrics = process.get("/metrics")
    shown = [process.text(), metrics, *map(str, (spine.get("one"), spine.get("two")))]
    shown += [str(spine.events(name)) for name in ("one", "two")]
    for hidden in (CANARY, vaulted.jwt, TOKEN, "hvs.", "s.hv"):
        assert hidden not in " ".join(shown)


def test_a_restart_reads_nothing_of_the_second_engine(vaulted: Vaulted) -> None:
    vaulted.write("db", password="x")
    vaulted.apply("two", vaulted.item("db"))
    process = vaulted.reconciler()
    vaulted.spine.await_reason("two", "Synced")
    process.terminate()
    before = len(vaulted.wire.log)
    again = vaulted.reconciler()
    vaulted.write("other", password="y")
    vaulted.apply("three", vaulted.item("other"))
    vaulted.spine.await_reason("three", "Synced")
    assert again.metric("hark_reconciler_value_reads_total") == 1
    # One login, and the one read.
    assert len(vaulted.wire.log) - before == 2


class Database:
    """What Vault's database engine answers, on the wire to a real Vault."""

    def __init__(self, wire: WireProxy, seconds: int) -> None:
        self.made = 0
        self.renewed: list[str] = []
        self.is_generous = True
        self._seconds = seconds
        wire.when(self._mints, self._mint, times=None)
        wire.when(self._renews, self._renew, times=None)

    def _mints(self, request: Request) -> bool:
        return request.path == "/v1/database/creds/app"

    def _renews(self, request: Request) -> bool:
        if request.path != "/v1/sys/leases/renew":
            return False
        self.renewed.append(request.json["lease_id"])
        return True

    def _mint(self, exchange: Any) -> None:
        self.made += 1
        data = {"username": f"user-{self.made}", "password": f"{CANARY}-{self.made}"}
        self._say(exchange, f"database/creds/app/{self.made}", data)

    def _renew(self, exchange: Any) -> None:
        if self.is_generous:
            self._say(exchange, self.renewed[-1], None)
        else:
            answer(400, b'{"errors": ["lease not found"]}')(exchange)

    def _say(self, exchange: Any, lease_id: str, data: dict[str, str] | None) -> None:
        lease = {"lease_id": lease_id, "lease_duration": self._seconds, "renewable": True}
        answer(200, json.dumps({**lease, "data": data}).encode())(exchange)


def test_dynamic_credentials_are_shared_renewed_and_made_anew_only_when_they_end(
    vaulted: Vaulted,
) -> None:
    asked: list[str] = []

    def see(one: Request) -> bool:
        asked.append(one.path)
        return False

    vaulted.wire.when(see, answer(500), times=None)
    spine, database = vaulted.spine, Database(vaulted.wire, 6)
    items = [
        {"key": "database/creds/app", "name": name, "property": name}
        for name in ("username", "password")
    ]
    env = {"VAULT_TOKEN": TOKEN, "HARK_SWEEP_INTERVAL": "1s"}
    process = vaulted.reconciler(**env)
    vaulted.apply("app", *items, kvVersion=1)
    whole = {"username": b"user-1", "password": f"{CANARY}-1".encode()}
    spine.await_data("app", **whole)
    vaulted.apply("sibling", *items, kvVersion=1)
    spine.await_data("sibling", **whole)
    await_until(lambda: len(database.renewed), lambda count: count >= 2, "it is renewed twice")
    process.terminate()
    renewed = len(database.renewed)
    process = vaulted.reconciler(**env)
    await_until(lambda: len(database.renewed), lambda count: count > renewed, "it is found again")
    assert database.made == 1
    assert set(database.renewed) == {"database/creds/app/1"}
    database.is_generous = False
    await_until(lambda: spine.data("app"), lambda data: data != whole, "it is made anew")
    await_until(
        lambda: (spine.data("app"), spine.data("sibling")),
        lambda both: both[0] == both[1],
        "both have the same",
    )
    process.terminate()
    assert "/v1/sys/leases/renew" in asked
    assert not [path for path in asked if "revoke" in path]
    assert CANARY not in process.text() + str(spine.get("app"))
