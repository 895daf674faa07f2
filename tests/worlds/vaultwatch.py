"""The whole product on a Vault that is watched: a listener with a login that reads metadata alone,
a reconciler with one that reads values, and the wire of each.
"""

import re
import secrets
from pathlib import Path
from typing import Any

from testbed.installation import HarkProcess
from testbed.openbao import Bao
from testbed.proxy import WireProxy
from testbed.request import Head
from worlds.spine import Spine

PAGE = Path(__file__).resolve().parents[2] / "docs" / "sources" / "vault.md"
POLICY = re.compile(r"^```hcl\n(.*?)^```$", re.DOTALL | re.MULTILINE)
NOTES = "hark_listener_notes_written_total"
READS = "hark_reconciler_value_reads_total"


def is_metadata(head: Head) -> bool:
    return "/metadata/" in head.path


def asks_for_values(head: Head) -> bool:
    return "/data/" in head.path


class VaultWatch:
    """A namespace, two mounts, and the halves that a test starts."""

    def __init__(self, spine: Spine, bao: Bao, folder: Path) -> None:
        self.spine = spine
        self.bao = bao
        name = secrets.token_hex(4)
        self.mount = f"watched-{name}"
        self.other = f"other-{name}"
        bao.mount(self.mount, 2)
        bao.mount(self.other, 2)
        self.policy = f"watch-{name}"
        self.watch_alone(self.mount, self.other)
        bao.policy(f"read-{name}", {f"{mount}/*": ["read"] for mount in (self.mount, self.other)})
        self.auth = f"approle-{name}"
        self._folder = folder
        self.listener_env = {
            **self.login("watcher", token_policies=[self.policy]),
            "HARK_VAULT_LISTENER_MOUNT_POINT": self.auth,
            "HARK_VAULT_POLL_INTERVAL": "1s",
            "HARK_SQS_QUEUE_URLS": "",
        }
        self.reconciler_env = self.login("reader", token_policies=[f"read-{name}"])
        self.wire = WireProxy(bao.url)
        """Of the listener."""
        self.reads = WireProxy(bao.url)
        """Of the reconciler."""

    def close(self) -> None:
        self.wire.stop()
        self.reads.stop()

    def login(self, role: str, **settings: Any) -> dict[str, str]:
        """The environment of a half that logs in by this AppRole."""
        role_id, secret_id = self.bao.approle(self.auth, role, **settings)
        files = {"ROLE": role_id, "SECRET": secret_id}
        for kind, text in files.items():
            (self._folder / f"{role}-{kind}").write_text(text)
        named = {
            f"HARK_VAULT_{kind}_ID_FILE": str(self._folder / f"{role}-{kind}") for kind in files
        }
        return {"HARK_VAULT_AUTH": "approle", **named}

    def watch_alone(self, *mounts: str) -> None:
        """Give the listener the policy of the docs for these mounts, and no others."""
        (text,) = POLICY.findall(PAGE.read_text(encoding="utf-8"))
        policy = "".join(text.replace('"secret/', f'"{mount}/') for mount in mounts)
        self.bao.request("PUT", f"sys/policies/acl/{self.policy}", {"policy": policy})

    def listener(self, *, server: str | None = None, **env: str) -> HarkProcess:
        """`server` may name a proxy before the API server."""
        address = {"VAULT_ADDR": self.wire.url}
        return self.spine.listener(
            environment={**self.listener_env, **address, **env}, server=server
        )

    def reconciler(self, **env: str) -> HarkProcess:
        address = {"VAULT_ADDR": self.reads.url}
        return self.spine.reconciler(environment={**self.reconciler_env, **address, **env})

    def write(self, name: str, value: str, mount: str = "") -> str:
        """A new version; as Hark writes versions."""
        path = f"{mount or self.mount}/data/{name}"
        made = self.bao.request("POST", path, {"data": {"password": value}})["data"]
        return f"{made['version']}@{made['created_time']}"

    def ask(self, method: str, verb: str, name: str, **body: Any) -> None:
        """Delete, undelete or destroy."""
        self.bao.request(method, f"{self.mount}/{verb}/{name}", body or None)

    def apply(self, name: str, *keys: str, mount: str = "", **spec: Any) -> None:
        """An ExternalSecret whose entries are called as its keys are."""
        items = [
            {"key": f"{mount or self.mount}/data/{key}", "name": key, "property": "password"}
            for key in keys
        ]
        wanted = {"backendType": "vault", "vaultMountPoint": self.auth, **spec, "data": items}
        self.spine.apply(name, wanted)

    def synced(self, name: str) -> dict[str, Any]:
        """The only ledger entry of an ExternalSecret."""
        keys: dict[str, Any] = self.spine.status(name).get("keys") or {}
        (leaves,) = keys.values()
        found: dict[str, Any] = leaves
        return found

    def looks(self) -> int:
        """How often the listener looked at metadata."""
        return self.wire.count(is_metadata)
