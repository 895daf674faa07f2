"""A real Kubernetes control plane on this machine.

etcd, kube-apiserver, and of the controllers those that clean up. Fed with programs by binaries.py.
`python -m testbed.controlplane` runs one until Ctrl-C. There are no nodes and no scheduler: Pods
stay Pending, but watches, RBAC, ServiceAccount tokens, CRDs, server-side validation, garbage
collection and namespace deletion are the real ones. Nothing is kept: the folder with all data goes
when the process ends, however it ends. Any number may run at the same time. Weak spot: the garbage
collector looks for new kinds only every 30 s (a constant in Kubernetes), so what an object of a
CRD made just now owns may be deleted that much later.
"""

from __future__ import annotations

import argparse
import http.client
import secrets
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from types import TracebackType
from typing import Self

from testbed import binaries, cache
from testbed.cluster import ApiError, Cluster, write_kubeconfig
from testbed.processgroup import ProcessGroup, how_it_ended

_POLL_SECONDS = 0.05
_READY_SECONDS = 90.0
_ATTEMPTS_AT_A_PORT = 5
_ETCD_SOCKET = "client:0"
# The last one fills the roles view, edit and admin, which are empty without it.
_CONTROLLERS = (
    "garbage-collector-controller",
    "namespace-controller",
    "clusterrole-aggregation-controller",
)
# Below the range that Linux gives to outgoing connections, so that nobody gets our port by chance
# while the API server is away for a moment.
_PORTS = range(20000, 32000)


class ControlPlaneError(Exception):
    """The control plane did not come up; the message holds the end of the log that tells why."""


class ControlPlane(Cluster):
    """A control plane of one's own: a Cluster that can be started, taken away and stopped."""

    def __init__(
        self, progress: cache.Progress = cache.print_progress, programs: Path | None = None
    ) -> None:
        """Start it and wait until it is ready; raises ControlPlaneError or CannotProvideError."""
        self._programs = programs or binaries.provide(progress)
        self._processes = ProcessGroup("hark-control-plane-")
        folder = self._processes.folder
        try:
            self._admin_token = secrets.token_hex(16)
            self._start_etcd(folder)
            self._port, self._apiserver = self._start_on_a_free_port(folder)
            kubeconfig = folder / "admin.kubeconfig"
            certificate = folder / "apiserver" / "apiserver.crt"
            address = f"https://127.0.0.1:{self._port}"
            write_kubeconfig(kubeconfig, address, certificate, self._admin_token)
            super().__init__(kubeconfig, folder)
            self._start_controllers(kubeconfig)
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

    @property
    def kubectl(self) -> Path:
        """Return the path of a kubectl of the same version."""
        return self._programs / "kubectl"

    def stop(self) -> None:
        """Kill everything and delete the folder; may be called twice."""
        self._processes.close()

    def stop_apiserver(self) -> None:
        """Take the API away: connections break at once, new ones are refused."""
        self._processes.kill(self._apiserver)

    def start_apiserver(self) -> None:
        """Bring the API back at the same address with the same data, and wait until it is ready."""
        self._apiserver = self._launch_apiserver(self.folder, self._port)
        self._await_ready(self._apiserver, self._port)

    def freeze_apiserver(self) -> None:
        """Leave connections open but let nothing be answered, as a lost network does."""
        self._apiserver.send_signal(signal.SIGSTOP)

    def thaw_apiserver(self) -> None:
        """End `freeze_apiserver`."""
        self._apiserver.send_signal(signal.SIGCONT)

    def _start_etcd(self, folder: Path) -> None:
        # Unix sockets: nobody else can reach the data, and there is no port to collide on. etcd
        # takes a host and port for the file's name and makes it in its working folder.
        self._etcd = self._processes.start(
            "etcd",
            [
                str(self._programs / "etcd"),
                f"--data-dir={folder / 'etcd'}",
                f"--listen-client-urls=unix://{_ETCD_SOCKET}",
                f"--advertise-client-urls=unix://{_ETCD_SOCKET}",
                "--listen-peer-urls=unix://peer:1",
                "--initial-advertise-peer-urls=unix://peer:1",
                "--initial-cluster=default=unix://peer:1",
                "--unsafe-no-fsync",
                "--log-level=warn",
            ],
        )

    def _start_on_a_free_port(self, folder: Path) -> tuple[int, subprocess.Popen[bytes]]:
        tokens = folder / "tokens.csv"
        tokens.touch(mode=0o600)
        tokens.write_text(f'{self._admin_token},testbed-admin,testbed-admin,"system:masters"\n')
        for _attempt in range(_ATTEMPTS_AT_A_PORT):
            port = _unused_port()
            server = self._launch_apiserver(folder, port)
            try:
                self._await_ready(server, port)
            except ControlPlaneError:
                taken = "address already in use" in self._processes.log_tail("kube-apiserver")
                if not taken:
                    raise
            else:
                return port, server
        raise ControlPlaneError(
            f"kube-apiserver found its port taken {_ATTEMPTS_AT_A_PORT} times; try again."
        )

    def _launch_apiserver(self, folder: Path, port: int) -> subprocess.Popen[bytes]:
        certificates = folder / "apiserver"
        # It makes this key for its own certificate before it looks for the signing key, so one file
        # serves for both and no tool that makes keys is needed.
        key = certificates / "apiserver.key"
        return self._processes.start(
            "kube-apiserver",
            [
                str(self._programs / "kube-apiserver"),
                f"--etcd-servers=unix://{folder / _ETCD_SOCKET}",
                f"--cert-dir={certificates}",
                "--bind-address=127.0.0.1",
                "--advertise-address=127.0.0.1",
                "--endpoint-reconciler-type=none",
                f"--secure-port={port}",
                f"--token-auth-file={folder / 'tokens.csv'}",
                "--authorization-mode=RBAC",
                "--service-account-issuer=https://kubernetes.default.svc",
                f"--service-account-signing-key-file={key}",
                f"--service-account-key-file={key}",
                "--service-cluster-ip-range=10.0.0.0/24",
                "--disable-admission-plugins=ServiceAccount",
            ],
        )

    def _start_controllers(self, kubeconfig: Path) -> None:
        self._processes.start(
            "kube-controller-manager",
            [
                str(self._programs / "kube-controller-manager"),
                f"--kubeconfig={kubeconfig}",
                f"--controllers={','.join(_CONTROLLERS)}",
                "--leader-elect=false",
                "--secure-port=0",
                "--kube-api-qps=200",
                "--kube-api-burst=400",
            ],
        )

    def _await_ready(self, server: subprocess.Popen[bytes], port: int) -> None:
        deadline = time.monotonic() + _READY_SECONDS
        certificate = self._processes.folder / "apiserver" / "apiserver.crt"
        kubeconfig = self._processes.folder / "probe.kubeconfig"
        write_kubeconfig(kubeconfig, f"https://127.0.0.1:{port}", certificate, self._admin_token)
        probe = Cluster(kubeconfig, self._processes.folder)
        while not _is_ready(probe):
            name = "kube-apiserver"
            if server.poll() is not None:
                trouble = how_it_ended(server)
            elif self._etcd.poll() is not None:
                name, trouble = "etcd", how_it_ended(self._etcd)
            elif time.monotonic() > deadline:
                trouble = f"was not ready after {_READY_SECONDS:.0f} s"
            else:
                time.sleep(_POLL_SECONDS)
                continue
            log = self._processes.log_tail(name)
            raise ControlPlaneError(f"{name} {trouble}. The end of its log:\n{log}")


def _is_ready(probe: Cluster) -> bool:
    try:
        probe.request("GET", "/readyz")
    except (ApiError, OSError, http.client.HTTPException):
        return False
    return True


def _unused_port() -> int:
    while True:
        port = _PORTS.start + secrets.randbelow(len(_PORTS))
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port


def _main() -> None:
    argparse.ArgumentParser(
        prog="python -m testbed.controlplane",
        description="Run a Kubernetes control plane until Ctrl-C, and say how to use it.",
    ).parse_args()
    for ending in (signal.SIGINT, signal.SIGTERM):
        signal.signal(ending, signal.default_int_handler)
    with ControlPlane() as plane:
        sys.stdout.write(
            f"A Kubernetes control plane is ready at {plane.url}. In another terminal:\n\n"
            f"  export KUBECONFIG={plane.admin_kubeconfig}\n"
            f"  {plane.kubectl} get namespaces\n"
            "  make demo CLUSTER=$KUBECONFIG\n\n"
            "Ctrl-C stops it and deletes all its data.\n"
        )
        sys.stdout.flush()
        signal.pause()


if __name__ == "__main__":
    try:
        _main()
    except KeyboardInterrupt:
        sys.exit("Stopped.")
    except (cache.CannotProvideError, ControlPlaneError) as trouble:
        sys.exit(str(trouble))
