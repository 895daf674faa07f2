"""The chart on a real API server, as its user installs it; its pods run as processes here."""

import subprocess
from collections.abc import Callable, Iterator
from http import HTTPStatus
from pathlib import Path
from typing import Any

import pytest

from externalsecret import definitions
from externalsecret.kubeapi import ApiRefusal, connect
from testbed.cluster import Cluster
from testbed.controlplane import ControlPlane
from testbed.helm import Helm, HelmError
from testbed.installation import Half, HarkProcess, Installation
from worlds.pods import deployment, run_pod
from worlds.spine import Spine, await_until, unique

ROOT = Path(__file__).resolve().parents[2]
CHART = ROOT / "charts" / "hark"
KES_CRD = ROOT / "tests" / "externalsecret" / "kes-8.5.5-crd.yaml"
CRD = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
OURS = f"{CRD}/externalsecrets.kubernetes-client.io"
HALVES: tuple[Half, Half] = ("listener", "reconciler")


class Installed:
    """A release in the namespace of a whole product, instead of that product's own rights."""

    def __init__(self, spine: Spine) -> None:
        self.spine = spine
        self.release = unique("hark")
        self.helm = Helm(CHART, spine.cluster.admin_kubeconfig)
        self.values = {
            "crds": {"install": False},
            "watchedNamespaces": [spine.namespace],
            "sources": {"sqs": {"queueUrls": [spine.queue]}},
            "env": {name: text for name, text in spine.environment.items() if "AWS" in name},
        }
        self.installation = Installation(spine.cluster, spine.namespace, {})

    def close(self) -> None:
        self.installation.close()
        self.helm.run("uninstall", self.release, "--namespace", self.spine.namespace)
        self.helm.close()

    def deployment(self, half: Half) -> dict[str, Any]:
        return deployment(self.spine.cluster, self.spine.namespace, self.release, half)

    def run(self, half: Half) -> HarkProcess:
        return run_pod(self.installation, self.deployment(half), half)

    def refused(self, half: Half, verb: str, path: str) -> bool:
        """Whether the half's own token is answered 403."""
        account = f"{self.release}-{half}"
        namespace = self.spine.namespace
        kubeconfig = self.spine.cluster.service_account_kubeconfig(namespace, account)
        try:
            connect(str(kubeconfig)).request(verb, path)
        except ApiRefusal as refusal:
            return refusal.status == HTTPStatus.FORBIDDEN
        return False


@pytest.fixture
def installed(spine: Spine) -> Iterator[Installed]:
    made = Installed(spine)
    made.helm.deploy(made.release, spine.namespace, made.values)
    yield made
    made.close()


def test_the_pods_of_the_chart_carry_a_change_from_the_queue_to_the_secret(
    installed: Installed,
) -> None:
    spine, name = installed.spine, unique("db")
    spine.create(name, "first")
    for half in HALVES:
        installed.run(half)
    spec = {"backendType": "secretsManager", "data": [{"key": name, "name": "password"}]}
    spine.apply(name, spec)
    spine.await_data(name, password=b"first")
    version = spine.change_and_announce(name, "second")
    spine.await_data(name, password=b"second")
    assert spine.await_version(name, version)["via"] == "sqs"


def test_the_rights_of_the_chart_are_enough_for_each_half_and_no_more(
    installed: Installed,
) -> None:
    core = f"/api/v1/namespaces/{installed.spine.namespace}"
    for path in (f"{core}/secrets", f"{core}/secrets/any", "/api/v1/secrets"):
        assert installed.refused("listener", "GET", path)
    assert installed.refused("listener", "GET", f"{core}/configmaps")
    assert not installed.refused("reconciler", "GET", f"{core}/secrets")
    # It serves these namespaces alone, deletes nothing, and sees nothing else of them.
    assert installed.refused("reconciler", "GET", "/api/v1/namespaces/default/secrets")
    assert installed.refused("reconciler", "DELETE", f"{core}/secrets/any")
    assert installed.refused("reconciler", "GET", f"{core}/configmaps")
    assert installed.refused("reconciler", "GET", f"{core}/pods")


def test_an_upgrade_changes_the_pods_and_a_rollback_changes_them_back(
    installed: Installed,
) -> None:
    def variables() -> dict[str, str]:
        pod = installed.deployment("reconciler")["spec"]["template"]["spec"]
        return {one["name"]: one.get("value", "") for one in pod["containers"][0]["env"]}

    namespace = installed.spine.namespace
    assert "HARK_SWEEP_INTERVAL" not in variables()
    installed.helm.deploy(installed.release, namespace, {**installed.values, "sweepInterval": "1h"})
    assert variables()["HARK_SWEEP_INTERVAL"] == "1h"
    installed.helm.run("rollback", installed.release, "1", "--namespace", namespace)
    assert "HARK_SWEEP_INTERVAL" not in variables()


def test_the_definition_of_kes_is_taken_over_and_outlives_the_release(
    control_plane: ControlPlane, install_crd: Callable[[Cluster, str, str], None]
) -> None:
    # A definition is the whole cluster's, so this needs a cluster of its own.
    install_crd(control_plane, KES_CRD.read_text(), "lastSync")
    helm = Helm(CHART, control_plane.admin_kubeconfig)
    arguments = ("--create-namespace", "--namespace", "hark-system")
    with pytest.raises(HelmError, match="cannot be imported into the current release"):
        helm.run("install", "hark", str(CHART), *arguments)

    for command in _commands_of_the_readme():
        subprocess.run(
            [str(control_plane.kubectl), *command.split()[1:]],
            env={"KUBECONFIG": str(control_plane.admin_kubeconfig)},
            capture_output=True,
            check=True,
        )
    notes = helm.run("install", "hark", str(CHART), *arguments)
    assert "It hears of no change yet" in notes
    helm.close()
    await_until(
        lambda: str(control_plane.request("GET", OURS)["spec"]),
        lambda spec: "fingerprint" in spec,
        "the definition is ours",
    )
    helm = Helm(CHART, control_plane.admin_kubeconfig)
    helm.run("uninstall", "hark", "--namespace", "hark-system")
    helm.close()
    left = {one["metadata"]["name"] for one in control_plane.request("GET", CRD)["items"]}
    assert left == {"externalsecrets.kubernetes-client.io"}
    roles = control_plane.request("GET", "/apis/rbac.authorization.k8s.io/v1/clusterroles")
    ours = {role["metadata"]["name"] for half in HALVES for role in definitions.rights(half)}
    assert not ours & {role["metadata"]["name"] for role in roles["items"]}


def _commands_of_the_readme() -> list[str]:
    text = (CHART / "README.md").read_text(encoding="utf-8")
    found = [line.strip() for line in text.splitlines() if line.startswith("    kubectl ")]
    return [command for command in found if " crd " in command]
