"""The world of one scenario: an API server, the AWS double, both halves as their ServiceAccounts.

Fed by bench.__main__ with a cluster; feeds every scenario. Each has a namespace and a double of its
own, and the halves serve that namespace alone. It is left in the cluster, whose end is near: what
the garbage collector does would count among the writes of the next scenario.
"""

from __future__ import annotations

import secrets
import time
import urllib.parse
from collections.abc import Iterator, Mapping
from http import HTTPStatus
from typing import Any, Self

import psutil
import yaml

from bench.aws import ROLE, Aws
from bench.keptclient import KeptClient
from bench.witness import ENTRY, Witness
from externalsecret import definitions
from testbed.cluster import ApiError, Cluster
from testbed.installation import HarkProcess, Installation, grant

GROUP = "/apis/kubernetes-client.io/v1"
_CRDS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
_PATIENCE = 120.0
_FILLER = "x" * 80


def install_definition(cluster: Cluster) -> None:
    """Make the cluster know ExternalSecrets, and wait until it does."""
    cluster.create_if_absent(_CRDS, yaml.safe_load(definitions.crd()))
    deadline = time.monotonic() + _PATIENCE
    while True:
        try:
            cluster.request("GET", f"{GROUP}/externalsecrets?limit=1")
        except ApiError as error:
            if error.code != HTTPStatus.NOT_FOUND or time.monotonic() > deadline:
                raise
            time.sleep(0.1)
        else:
            return


def value(name: str, number: int) -> str:
    """The value of a secret after its nth change: about as long as a password with a user."""
    return f"{name} {number} {_FILLER}"


class World:
    """One scenario's surroundings."""

    def __init__(self, cluster: Cluster, *, tenants: int = 0) -> None:
        """`tenants` are namespaces that the halves serve besides."""
        self.cluster = cluster
        self.namespace = f"bench-{secrets.token_hex(4)}"
        self.tenants = [f"{self.namespace}-{number}" for number in range(tenants)]
        served = [self.namespace, *self.tenants]
        self.client = KeptClient(cluster)
        for name in served:
            self.client.request("POST", "/api/v1/namespaces", {"metadata": {"name": name}})
        self.aws = Aws()
        self.witness = Witness(cluster, self.namespace)
        for half in ("listener", "reconciler"):
            rights = definitions.rights(half)
            for name in served:
                grant(cluster, half, rights, self.namespace, name)
        self._installation = Installation(
            cluster,
            self.namespace,
            {
                **self.aws.env(),
                "WATCHED_NAMESPACES": ",".join(served),
                "HARK_SQS_QUEUE_URLS": self.aws.queue_url,
            },
        )

    def __enter__(self) -> Self:
        self.witness.__enter__()
        return self

    def __exit__(self, *_: object) -> None:
        self.witness.__exit__()
        self._installation.close()
        self.aws.close()
        self.client.close()

    def start(self) -> tuple[HarkProcess, HarkProcess]:
        """Start the listener and the reconciler, and wait until both are ready."""
        halves = (self._installation.start("listener"), self._installation.start("reconciler"))
        for half in halves:
            half.await_ready()
        return halves

    def path(self, name: str = "", tenant: str = "") -> str:
        """Of an ExternalSecret, or of all of them in a namespace."""
        namespace = tenant or self.namespace
        return f"{GROUP}/namespaces/{namespace}/externalsecrets/{name}".rstrip("/")

    def apply(
        self, name: str, keys: Mapping[str, str], *, role: str = ROLE, tenant: str = ""
    ) -> None:
        """Create an ExternalSecret; `keys` are secrets in AWS by the entries that they supply."""
        spec = reading(keys, role)
        self.client.request("POST", self.path(tenant=tenant), external_secret(name, spec))

    def apply_each(self, names: list[str]) -> None:
        """Make a secret in AWS and an ExternalSecret of the same name for each; all synced then."""
        self.aws.create({name: value(name, 0) for name in names})
        for name in names:
            self.apply(name, {ENTRY: name})
        self.witness.wait(((name, value(name, 0)) for name in names), _PATIENCE)
        self.await_synced(len(names))

    def await_synced(self, count: int) -> None:
        """Wait until so many ExternalSecrets are Ready."""
        deadline = time.monotonic() + _PATIENCE
        while True:
            ready = sum(map(is_ready, self._all()))
            if ready == count:
                return
            if time.monotonic() > deadline:
                raise TimeoutError(f"Only {ready} of {count} ExternalSecrets are Ready.")
            time.sleep(0.2)

    def _all(self) -> Iterator[dict[str, Any]]:
        """The ExternalSecrets of our own namespace, a chunk at a time."""
        token = ""
        while True:
            query = urllib.parse.urlencode({"limit": 500, "continue": token})
            found = self.client.request("GET", f"{self.path()}?{query}")
            yield from found["items"]
            token = found["metadata"].get("continue", "")
            if not token:
                return

    def await_acknowledged(self) -> None:
        """Wait until the queue is empty."""
        deadline = time.monotonic() + _PATIENCE
        while self.aws.counts().queued:
            if time.monotonic() > deadline:
                raise TimeoutError("Messages are left in the queue.")
            time.sleep(0.05)


def reading(keys: Mapping[str, str], role: str = ROLE) -> dict[str, Any]:
    """The spec that reads these secrets, by the entries that they supply."""
    data = [{"key": key, "name": entry} for entry, key in keys.items()]
    return {"backendType": "secretsManager", "roleArn": role, "data": data}


def external_secret(name: str, spec: Mapping[str, Any]) -> dict[str, Any]:
    """The object, ready to be sent."""
    return {
        "apiVersion": "kubernetes-client.io/v1",
        "kind": "ExternalSecret",
        "metadata": {"name": name},
        "spec": spec,
    }


def rss_mb(half: HarkProcess) -> float:
    """Resident memory of a half now, in MB of 10**6 bytes."""
    return psutil.Process(half.pid).memory_info().rss / 1e6


def cpu_seconds(half: HarkProcess) -> float:
    """What a half has used of the processors since its start."""
    times = psutil.Process(half.pid).cpu_times()
    return float(times.user + times.system)


def is_ready(item: Mapping[str, Any]) -> bool:
    """Whether an ExternalSecret is content."""
    conditions = (item.get("status") or {}).get("conditions") or []
    return any((one["type"], one["status"]) == ("Ready", "True") for one in conditions)
