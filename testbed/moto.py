"""AWS on this machine: moto's server as a process of its own (SQS, EventBridge, Secrets Manager,
SSM, STS ...).

Used by the demo and the tests. Every AWS account id gets a world of its own: `credentials_of`
gives keys that moto takes for that account's, so that tests in parallel share one server and never
see each other. moto does not check signatures. It emits nothing by itself when a secret changes:
whoever changes one must also put the event on the bus.
"""

from __future__ import annotations

import http.client
import os
import re
import subprocess
import sys
import time
import urllib.parse
from types import TracebackType
from typing import Self

from testbed.processgroup import ProcessGroup, free_port, how_it_ended

REGION = "eu-central-1"
DEFAULT_ACCOUNT = "123456789012"

_READY_SECONDS = 60.0
_POLL_SECONDS = 0.05
_ATTEMPTS_AT_A_PORT = 5
_ELEMENTS = {
    "AWS_ACCESS_KEY_ID": "AccessKeyId",
    "AWS_SECRET_ACCESS_KEY": "SecretAccessKey",
    "AWS_SESSION_TOKEN": "SessionToken",
}


class MotoError(Exception):
    """moto's server did not come up."""


class Moto:
    """A server that is up already."""

    def __init__(self, url: str) -> None:
        self.url = url

    def env(self, account: str = DEFAULT_ACCOUNT, endpoint: str | None = None) -> dict[str, str]:
        """Return the environment with which any AWS SDK speaks to this server in an account.

        `endpoint` may name a proxy in front of the server. Whatever the user has configured for
        AWS on this machine is shut out.
        """
        return {
            "AWS_ENDPOINT_URL": endpoint or self.url,
            "AWS_REGION": REGION,
            "AWS_DEFAULT_REGION": REGION,
            "AWS_EC2_METADATA_DISABLED": "true",
            "AWS_CONFIG_FILE": os.devnull,
            "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
            **self._keys(account),
        }

    def reset(self) -> None:
        """Forget everything in every account: not for a server that tests share in parallel."""
        self._post("/moto-api/reset", {}, {})

    def _keys(self, account: str) -> dict[str, str]:
        # moto knows an account by keys that it gave out for a role in it; the role need not exist.
        role = f"arn:aws:iam::{account}:role/testbed"
        fields = {
            "Action": "AssumeRole",
            "Version": "2011-06-15",
            "RoleArn": role,
            "RoleSessionName": "testbed",
        }
        scope = f"20260101/{REGION}/sts/aws4_request"
        authorization = f"AWS4-HMAC-SHA256 Credential={'A' * 20}/{scope}, Signature=none"
        said = self._post("/", fields, {"Authorization": authorization})
        keys = {}
        for variable, element in _ELEMENTS.items():
            found = re.search(f"<{element}>([^<]+)</{element}>", said)
            if found is None:
                raise MotoError(f"moto gave no keys for account {account}: {said[:500]}")
            keys[variable] = found.group(1)
        return keys

    def _post(self, path: str, fields: dict[str, str], headers: dict[str, str]) -> str:
        address = urllib.parse.urlsplit(self.url)
        connection = http.client.HTTPConnection(address.hostname or "", address.port, timeout=30)
        try:
            form = {"Content-Type": "application/x-www-form-urlencoded"}
            connection.request("POST", path, urllib.parse.urlencode(fields), form | headers)
            return connection.getresponse().read().decode()
        finally:
            connection.close()


class MotoServer(Moto):
    """A server of one's own; what it holds is lost when it stops."""

    def __init__(self) -> None:
        """Start it and wait until it answers; raises MotoError."""
        self._processes = ProcessGroup("hark-moto-")
        try:
            super().__init__(self._start_on_a_free_port())
        except BaseException:
            self._processes.close()
            raise

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
        """Kill the server; may be called twice."""
        self._processes.close()

    def _start_on_a_free_port(self) -> str:
        for _attempt in range(_ATTEMPTS_AT_A_PORT):
            port = free_port()
            command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
            server = self._processes.start("moto", command, _surroundings())
            if self._is_ready(server, port):
                return f"http://127.0.0.1:{port}"
            if "in use" not in self._processes.log_tail("moto"):
                break
        raise MotoError(
            f"moto's server {how_it_ended(server)}. If moto is missing, install Hark with its "
            f"extra 'demo'. The end of its log:\n{self._processes.log_tail('moto')}"
        )

    def _is_ready(self, server: subprocess.Popen[bytes], port: int) -> bool:
        deadline = time.monotonic() + _READY_SECONDS
        while server.poll() is None and time.monotonic() < deadline:
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
            try:
                connection.request("GET", "/moto-api/data.json")
                if connection.getresponse().status == http.client.OK:
                    return True
            except (OSError, http.client.HTTPException):
                time.sleep(_POLL_SECONDS)
            finally:
                connection.close()
        return False


def _surroundings() -> dict[str, str]:
    """Without what the user has configured for AWS: moto calls the SDK, which fails by it."""
    return {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
