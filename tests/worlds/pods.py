"""The chart's pods as processes, since no kubelet is here that would run them."""

import secrets
from collections.abc import Mapping
from typing import Any

from testbed.cluster import Cluster
from testbed.installation import COMMANDS, Half, HarkProcess, Installation


def deployment(cluster: Cluster, namespace: str, release: str, half: Half) -> dict[str, Any]:
    """One of a release's two Deployments, as it stands."""
    path = f"/apis/apps/v1/namespaces/{namespace}/deployments/{release}-{half}"
    return cluster.request("GET", path)


def run_pod(
    installation: Installation,
    made: Mapping[str, Any],
    half: Half,
    injected: Mapping[str, str] | None = None,
) -> HarkProcess:
    """The container's command and environment, as its account; `injected` is what others add to
    pods, such as credentials of a cloud. Waits until it is ready.
    """
    pod = made["spec"]["template"]["spec"]
    [container] = pod["containers"]
    assert container["args"] == [COMMANDS[half]]
    fields = {
        "metadata.name": f"{made['metadata']['name']}-{secrets.token_hex(4)}",
        "metadata.namespace": made["metadata"]["namespace"],
        "metadata.uid": "11111111-2222-3333-4444-555555555555",
    }
    environment = {
        one["name"]: one.get("value") or fields[one["valueFrom"]["fieldRef"]["fieldPath"]]
        for one in container["env"]
    }
    # Pods have addresses of their own, processes have not.
    environment |= {"METRICS_PORT": "0", **(injected or {})}
    process = installation.start(half, environment=environment, account=pod["serviceAccountName"])
    process.await_ready()
    return process
