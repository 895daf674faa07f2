"""Hark's two halves as they run in production: two processes, two ServiceAccounts, their rights and
no more.

Used by the demo, the tests and the bench. It is given the texts of the definition and the rights,
as this package imports nothing of the product, and starts the product by its command line.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, Protocol, Self

from testbed.processgroup import ProcessGroup, how_it_ended

Half = Literal["listener", "reconciler"]
COMMANDS: dict[Half, str] = {"listener": "listen", "reconciler": "reconcile"}
_RBAC = "rbac.authorization.k8s.io"
_READY_SECONDS = 90.0
_END_SECONDS = 60.0


class Host(Protocol):
    """What a cluster must do for an installation; testbed.cluster.Cluster does."""

    def create_if_absent(self, collection: str, manifest: Mapping[str, Any]) -> None:
        """Create an object, unless it is there."""

    def service_account_kubeconfig(
        self, namespace: str, name: str, *, server: str | None = None
    ) -> Path:
        """Return a kubeconfig of a ServiceAccount; `server` may name a proxy."""


class NotReadyError(Exception):
    """A half did not become ready; the text holds the end of its log."""


def grant(
    cluster: Host,
    half: Half,
    rights: Sequence[Mapping[str, Any]],
    account_namespace: str,
    served_namespace: str | None = None,
) -> None:
    """Give a half's ServiceAccount its rights: in the whole cluster, or in one namespace only.

    `rights` are a ClusterRole and perhaps a Role for the account's own namespace.
    """
    for document in rights:
        in_cluster = document["kind"] == "ClusterRole"
        bound = served_namespace if in_cluster else account_namespace
        if in_cluster:
            cluster.create_if_absent(f"/apis/{_RBAC}/v1/clusterroles", document)
        else:
            cluster.create_if_absent(
                f"/apis/{_RBAC}/v1/namespaces/{account_namespace}/roles", document
            )
        name = f"{document['metadata']['name']}-{account_namespace}"
        binding = {
            "metadata": {"name": name},
            "roleRef": {
                "apiGroup": _RBAC,
                "kind": document["kind"],
                "name": document["metadata"]["name"],
            },
            "subjects": [
                {
                    "kind": "ServiceAccount",
                    "namespace": account_namespace,
                    "name": f"hark-{half}",
                }
            ],
        }
        place = "clusterrolebindings" if bound is None else f"namespaces/{bound}/rolebindings"
        cluster.create_if_absent(f"/apis/{_RBAC}/v1/{place}", binding)


class HarkProcess:
    """One running half. `log` holds all that it printed."""

    def __init__(self, child: subprocess.Popen[bytes], log: Path, group: ProcessGroup) -> None:
        self._child = child
        self._group = group
        self.log = log

    @property
    def pid(self) -> int:
        return self._child.pid

    def kill(self) -> None:
        """SIGKILL: no clean-up, no goodbye."""
        self._group.kill(self._child)

    def terminate(self, seconds: float = _END_SECONDS) -> int:
        """SIGTERM; the exit code. Raises subprocess.TimeoutExpired when it takes longer."""
        self._child.terminate()
        return self._child.wait(seconds)

    def wait(self, seconds: float) -> int:
        """Wait for its own end; the exit code."""
        return self._child.wait(seconds)

    def text(self) -> str:
        """All that it printed so far."""
        return self.log.read_text(errors="replace")

    def events(self) -> list[dict[str, Any]]:
        """Its log lines, parsed."""
        return [json.loads(line) for line in self.text().splitlines() if line.startswith("{")]

    def port(self) -> int:
        """Where it serves probes and metrics; waits until it said so."""
        deadline = time.monotonic() + _READY_SECONDS
        while time.monotonic() < deadline:
            for event in self.events():
                if event.get("event") == "half.starting":
                    return int(event["port"])
            if self._child.poll() is not None:
                break
            time.sleep(0.02)
        raise NotReadyError(f"It did not start:\n{self.text()[-3000:]}")

    def get(self, path: str) -> tuple[int, str]:
        """(status, body) of a probe or of the metrics."""
        try:
            with urllib.request.urlopen(
                f"http://127.0.0.1:{self.port()}{path}", timeout=30
            ) as reply:
                return reply.status, reply.read().decode()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read().decode()

    def metric(self, name: str) -> float:
        """The sum of all samples of a metric; 0 when there is none."""
        _, text = self.get("/metrics")
        total = 0.0
        for line in text.splitlines():
            if line.startswith((f"{name} ", f"{name}{{")):
                total += float(line.rpartition(" ")[2])
        return total

    def await_ready(self, seconds: float = _READY_SECONDS) -> None:
        """Wait until /readyz is content."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            if self._child.poll() is not None:
                ended = how_it_ended(self._child)
                raise NotReadyError(f"It {ended}:\n{self.text()[-3000:]}")
            if self._is_ready():
                return
            time.sleep(0.02)
        raise NotReadyError(f"It is not ready after {seconds} s:\n{self.text()[-3000:]}")

    def _is_ready(self) -> bool:
        try:
            return self.get("/readyz")[0] == 200  # noqa: PLR2004 - HTTP's own number
        except OSError:
            # It may have ended just now: its log tells why, a refused connection does not.
            return False


class Installation:
    """Starts halves against one cluster, each as its ServiceAccount in `namespace`."""

    def __init__(
        self,
        cluster: Host,
        namespace: str,
        environment: Mapping[str, str],
        *,
        launcher: Sequence[str] = ("-m", "hark"),
    ) -> None:
        """`environment` is all that the halves get beside PATH, HOME and what we add here.

        `launcher` are the arguments of Python that stand for the command `hark`.
        """
        self._cluster = cluster
        self._namespace = namespace
        self._environment = dict(environment)
        self._launcher = tuple(launcher)
        self._group = ProcessGroup("hark-")
        self._started = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Kill what still runs and delete the logs."""
        self._group.close()

    def start(
        self,
        half: Half,
        *,
        server: str | None = None,
        environment: Mapping[str, str] | None = None,
        launcher: Sequence[str] | None = None,
        account: str | None = None,
    ) -> HarkProcess:
        """Start a half. `server` stands for the API server's own address (a proxy), `account` for
        the ServiceAccount hark-HALF.
        """
        kubeconfig = self._cluster.service_account_kubeconfig(
            self._namespace, account or f"hark-{half}", server=server
        )
        self._started += 1
        name = f"{half}-{self._started}"
        full = {
            "PATH": os.environ["PATH"],
            "HOME": str(self._group.folder),
            "PYTHONPATH": str(Path(__file__).resolve().parent.parent),
            "LOG_FORMAT": "json",
            "METRICS_PORT": "0",
            "POD_NAMESPACE": self._namespace,
            # As the container of a pod, which keeps its name when it is restarted.
            "POD_NAME": f"hark-{half}",
            "KUBECONFIG": str(kubeconfig),
            **self._environment,
            **(environment or {}),
        }
        command = [sys.executable, *(launcher or self._launcher), COMMANDS[half]]
        child = self._group.start(name, command, full)
        return HarkProcess(child, self._group.folder / f"{name}.log", self._group)
