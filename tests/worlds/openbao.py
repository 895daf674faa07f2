"""Vault for tests of its backend: OpenBao, a mount and a login of the test's own, and the wire."""

import json
import secrets
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from externalsecret import identity
from externalsecret.identity import Backend as Kind
from externalsecret.reference import Identity, Reference, Select, Selector
from reconciler.backends.awsclient import AwsAccess
from reconciler.backends.awssettings import AwsSettings
from reconciler.backends.contract import Backend, Read
from reconciler.backends.opening import Access, open_backend
from reconciler.backends.vaultaccess import VaultAccess
from reconciler.backends.vaultsettings import Method, VaultSettings
from testbed.actions import Action, answer
from testbed.openbao import Bao
from testbed.proxy import WireProxy
from testbed.request import Head, any_request
from testbed.rule import Rule
from worlds.backends import LATEST, RETRY_AFTER, RemoteWorld, Trouble, revealed

_ANSWERS = {
    Trouble.DENIED: (403, "permission denied"),
    Trouble.THROTTLED: (429, "request path rate limit quota exceeded"),
    Trouble.BROKEN: (503, "Vault is sealed"),
}


def refusal(status: int, said: str, headers: Mapping[str, str] | None = None) -> Action:
    """What Vault answers when it refuses."""
    body = json.dumps({"errors": [said]}).encode()
    return answer(status, body, {"Content-Type": "application/json", **(headers or {})})


def reference(path: str, scope: str = "v2", version: str = "", key: str = "") -> Reference:
    selector = Selector(Select.VERSION, version) if version else LATEST
    entry = f"vault/{scope}/{path}#{selector.select}:{selector.value}"
    return Reference(entry, identity.vault(path), key or path, selector, scope)


def is_read(head: Head) -> bool:
    return head.method == "GET" and "/data/" in head.path


def is_login(head: Head) -> bool:
    return head.path.endswith("/login")


def is_lookup(head: Head) -> bool:
    return head.path.endswith("/lookup-self")


class OpenBaoWorld(RemoteWorld):
    """A value lies in the member `value` of a key-value 2 secret."""

    keeps_bytes = False
    calls_for_fifty = 50
    calls_to_sweep_fifty = 50

    def __init__(self, bao: Bao, proxy: WireProxy, folder: Path, **role: Any) -> None:
        """`role` are settings of the AppRole, such as token_ttl."""
        self.bao = bao
        self.proxy = proxy
        name = secrets.token_hex(4)
        self.mount = f"team/kv-{name}"
        self.mount_v1 = f"kv1-{name}"
        self.auth = f"approle-{name}"
        bao.mount(self.mount, 2)
        bao.mount(self.mount_v1, 1)
        self.policy = f"read-{name}"
        bao.policy(self.policy, {f"{mount}/*": ["read"] for mount in (self.mount, self.mount_v1)})
        role_id, secret_id = bao.approle(self.auth, "hark", token_policies=[self.policy], **role)
        (folder / "role-id").write_text(role_id)
        (folder / "secret-id").write_text(secret_id)
        self.settings = VaultSettings(
            address=proxy.url,
            method=Method.APPROLE,
            role_id_file=folder / "role-id",
            secret_id_file=folder / "secret-id",
        )
        self.identity = Identity(vault_mount=self.auth)
        self.access = VaultAccess(self.settings)
        self.backend = self.opened("v2")
        self._rules: list[Rule] = []
        self.read(self.current("login"))

    def opened(self, scope: str, access: VaultAccess | None = None) -> Backend:
        """A backend for one form of answers."""
        everything = Access(AwsAccess(AwsSettings()), vault=access or self.access)
        return open_backend(Kind.VAULT, self.identity, scope, everything)

    def write(self, name: str, document: Mapping[str, Any]) -> str:
        """A new version of a key-value 2 secret; the version."""
        made = self.bao.request("POST", f"{self.mount}/data/{name}", {"data": document})["data"]
        return f"{made['version']}@{made['created_time']}"

    def write_v1(self, name: str, document: Mapping[str, Any]) -> None:
        self.bao.request("POST", f"{self.mount_v1}/{name}", document)

    def path(self, name: str) -> str:
        return f"{self.mount}/data/{name}"

    def put(self, name: str, value: bytes) -> str:
        return self.write(name, {"value": value.decode()})

    def delete(self, name: str) -> None:
        self.bao.request("DELETE", f"{self.mount}/metadata/{name}")

    def current(self, name: str) -> Reference:
        return reference(self.path(name), key=name)

    def pinned(self, name: str, version: str) -> Reference:
        return reference(self.path(name), version=version.partition("@")[0], key=name)

    def revealed(self, read: Read) -> bytes:
        value: str = json.loads(revealed(read))["value"]
        return value.encode()

    def befall(self, trouble: Trouble) -> None:
        status, said = _ANSWERS[trouble]
        headers = {"Retry-After": str(RETRY_AFTER)} if trouble is Trouble.THROTTLED else None
        self._rules.append(self.proxy.when(any_request, refusal(status, said, headers), times=None))

    def heal(self) -> None:
        for rule in self._rules:
            rule.retire()

    def calls(self) -> int:
        return len(self.proxy.log)

    def count(self, matcher: Callable[[Head], bool]) -> int:
        return self.proxy.count(matcher)

    def backend_at(self, address: str, timeout: float) -> Backend:
        settings = replace(
            self.settings,
            address=f"http://{address}",
            token="static",
            connect_timeout=timeout,
            read_timeout=timeout,
        )
        return self.opened("v2", VaultAccess(settings))

    def spec(self, *names: str) -> dict[str, Any]:
        items = [{"key": self.path(name), "name": name, "property": "value"} for name in names]
        return {"backendType": "vault", "vaultMountPoint": self.auth, "data": items}

    def values_asked(self) -> list[str]:
        reads = [entry.head for entry in self.proxy.log if is_read(entry.head)]
        return [head.path.rpartition("/data/")[2] for head in reads]

    def close(self) -> None:
        super().close()
        self.access.close()
