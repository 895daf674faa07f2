"""Several namespaces that one installation serves, each annotated by the test as a platform team
would.

A tenant is a Whole that speaks to Kubernetes in a namespace of its own; the account in AWS, the
wire and the halves are those of all.
"""

import copy
import secrets
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from externalsecret import definitions
from testbed.cluster import MERGE_PATCH, Cluster
from testbed.installation import HarkProcess
from testbed.moto import Moto
from worlds.spine import await_until, unique
from worlds.whole import Whole, whole_product

RBAC = "/apis/rbac.authorization.k8s.io/v1"
NAMING = "externalsecrets.kubernetes-client.io/permitted-key-name"
ROLE = "iam.amazonaws.com/permitted"


class Tenant:
    """One namespace and what is asked in it."""

    def __init__(self, whole: Whole, namespace: str) -> None:
        self.whole = copy.copy(whole)
        self.whole.namespace = namespace
        self.namespace = namespace

    def annotate(self, **annotations: str | None) -> None:
        """Set or take (None) the namespace's annotations: `naming`, `role` or `other`."""
        names = {"naming": NAMING, "role": ROLE, "other": "example.com/other"}
        patch = {"metadata": {"annotations": {names[one]: annotations[one] for one in annotations}}}
        path = f"/api/v1/namespaces/{self.namespace}"
        self.whole.cluster.request("PATCH", path, patch, content_type=MERGE_PATCH)

    def serve(self, key: str, role: str = "", **spec: Any) -> str:
        """Apply an ExternalSecret with one entry; its name."""
        name = unique("app")
        asked = {"data": [{"key": key, "name": "entry"}], **spec}
        self.whole.apply(name, {"roleArn": role or self.whole.own_role(), **asked})
        return name

    def denial(self, name: str) -> str:
        """Wait until the object is not permitted; the status text."""
        self.whole.await_reason(name, "NotPermitted")
        text: str = self.whole.status(name)["status"]
        return text

    def await_value(self, name: str, value: str) -> None:
        """Wait until the Secret holds this, and the object is content."""
        self.whole.await_data(name, entry=value.encode())
        self.whole.await_reason(name, "Synced")

    def await_denial(self, name: str, text: str) -> None:
        """Wait until the status says this."""
        await_until(lambda: self.whole.status(name).get("status"), lambda said: said == text, text)


def canary() -> str:
    """A value that nobody could say by chance."""
    return f"canary{secrets.token_hex(12)}"


@contextmanager
def tenants(cluster: Cluster, moto: Moto, count: int) -> Iterator[list[Tenant]]:
    """So many tenants of an installation whose halves a test starts by `start`.

    The rights are Roles in each namespace; none is bound in the whole cluster.
    """
    with whole_product(cluster, moto) as whole:
        names = [unique("tenant") for _ in range(count)]
        try:
            for name in names:
                cluster.request("POST", "/api/v1/namespaces", {"metadata": {"name": name}})
                for half in ("listener", "reconciler"):
                    bind(whole, half, name, definitions.rights(half)[0]["rules"])
            yield [Tenant(whole, name) for name in names]
        finally:
            for name in names:
                cluster.request("DELETE", f"/api/v1/namespaces/{name}")


def bind(
    whole: Whole, half: definitions.Half, namespace: str, rules: Sequence[Mapping[str, Any]]
) -> None:
    """Give a half these rights in a namespace, by a Role in it."""
    place = f"{RBAC}/namespaces/{namespace}"
    name = f"hark-{half}"
    cluster = whole.cluster
    cluster.create_if_absent(f"{place}/roles", {"metadata": {"name": name}, "rules": rules})
    subject = {"kind": "ServiceAccount", "namespace": whole.namespace, "name": name}
    reference = {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": name}
    binding = {"metadata": {"name": name}, "roleRef": reference, "subjects": [subject]}
    cluster.create_if_absent(f"{place}/rolebindings", binding)


def start(found: Sequence[Tenant], half: definitions.Half, **environment: str) -> HarkProcess:
    """Start a half that serves these tenants, and wait until it is ready."""
    watched = ",".join(one.namespace for one in found)
    whole = found[0].whole
    process = whole.installation.start(
        half, environment={"WATCHED_NAMESPACES": watched, **environment}
    )
    process.await_ready()
    return process


@contextmanager
def everywhere(whole: Whole) -> Iterator[None]:
    """The rights of both halves in the whole cluster, as README.md binds them."""
    bound = []
    try:
        for half in ("listener", "reconciler"):
            name = f"hark-{half}-{whole.namespace}-everywhere"
            subject = {
                "kind": "ServiceAccount",
                "namespace": whole.namespace,
                "name": f"hark-{half}",
            }
            role = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole"}
            binding = {
                "metadata": {"name": name},
                "roleRef": {**role, "name": f"hark-{half}"},
                "subjects": [subject],
            }
            whole.cluster.create_if_absent(f"{RBAC}/clusterrolebindings", binding)
            bound.append(f"{RBAC}/clusterrolebindings/{name}")
        yield
    finally:
        for path in bound:
            whole.cluster.request("DELETE", path)
