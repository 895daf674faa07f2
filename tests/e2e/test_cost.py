"""`hark cost` counts a real cluster with both kinds of ExternalSecrets, and needs few rights."""

import contextlib
import io
import json
import time
from collections.abc import Callable
from http import HTTPStatus
from pathlib import Path
from typing import Any

from externalsecret import definitions
from hark.commands import main
from testbed.cluster import ApiError, Cluster
from testbed.controlplane import ControlPlane

CRDS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
RBAC = "/apis/rbac.authorization.k8s.io/v1"
KES = "/apis/kubernetes-client.io/v1"
ESO = "/apis/external-secrets.io/v1"
KINDS = ("ExternalSecret", "SecretStore", "ClusterSecretStore")


def _definition(kind: str) -> dict[str, Any]:
    """The least that lets a kind of External Secrets Operator be stored."""
    free = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    plural = f"{kind.lower()}s"
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{plural}.external-secrets.io"},
        "spec": {
            "group": "external-secrets.io",
            "names": {"kind": kind, "plural": plural, "singular": kind.lower()},
            "scope": "Cluster" if kind.startswith("Cluster") else "Namespaced",
            "versions": [
                {
                    "name": "v1",
                    "served": True,
                    "storage": True,
                    "schema": {"openAPIV3Schema": {"type": "object", "properties": {"spec": free}}},
                }
            ],
        },
    }


def _create(cluster: Cluster, collection: str, obj: dict[str, Any]) -> None:
    """As soon as the API server serves it."""
    deadline = time.monotonic() + 90
    while True:
        try:
            cluster.request("POST", collection, obj)
        except ApiError as error:
            if error.code != HTTPStatus.NOT_FOUND or time.monotonic() > deadline:
                raise
            time.sleep(0.1)
        else:
            return


def _eso(kind: str, name: str, **spec: Any) -> dict[str, Any]:
    return {
        "apiVersion": "external-secrets.io/v1",
        "kind": kind,
        "metadata": {"name": name},
        "spec": spec,
    }


def _lister(cluster: Cluster, *groups: str) -> Path:
    """A kubeconfig of somebody who may list ExternalSecrets and stores, and nothing else."""
    kubeconfig = cluster.service_account_kubeconfig("default", "accountant")
    resources = [f"{kind.lower()}s" for kind in KINDS]
    rules = [{"apiGroups": list(groups), "resources": resources, "verbs": ["list"]}]
    cluster.request("POST", f"{RBAC}/clusterroles", {"metadata": {"name": "cost"}, "rules": rules})
    binding = {
        "metadata": {"name": "cost"},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "cost"},
        "subjects": [{"kind": "ServiceAccount", "name": "accountant", "namespace": "default"}],
    }
    cluster.request("POST", f"{RBAC}/clusterrolebindings", binding)
    return kubeconfig


class _Done:
    """What a command printed, and how it ended."""

    def __init__(self, kubeconfig: Path, *arguments: str) -> None:
        out, err = io.StringIO(), io.StringIO()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            self.returncode = main(["cost", "--kubeconfig", str(kubeconfig), *arguments], {})
        self.stdout, self.stderr = out.getvalue(), err.getvalue()


def test_a_cluster_with_both_kinds_is_counted_with_the_right_to_list_them_alone(
    control_plane: ControlPlane, install_crd: Callable[[Cluster, str, str], None]
) -> None:
    kubeconfig = _lister(control_plane, "kubernetes-client.io", "external-secrets.io")
    nothing = _Done(control_plane.admin_kubeconfig)
    assert nothing.returncode == 1
    assert "knows ExternalSecrets neither of kubernetes-client.io" in nothing.stderr

    install_crd(control_plane, definitions.crd(), "heard")
    for kind in KINDS:
        control_plane.request("POST", CRDS, _definition(kind))
    for name in ("one", "two"):
        items = [{"key": "db", "name": entry, "property": entry} for entry in ("user", "password")]
        spec = {"backendType": "secretsManager", "region": "eu-central-1", "data": items}
        body = {
            "apiVersion": "kubernetes-client.io/v1",
            "kind": "ExternalSecret",
            "metadata": {"name": name},
            "spec": spec,
        }
        _create(control_plane, f"{KES}/namespaces/default/externalsecrets", body)
    aws = {"aws": {"service": "SecretsManager", "region": "eu-central-1"}}
    _create(
        control_plane,
        f"{ESO}/clustersecretstores",
        _eso("ClusterSecretStore", "main", provider=aws),
    )
    _create(
        control_plane,
        f"{ESO}/namespaces/default/secretstores",
        _eso("SecretStore", "google", provider={"gcpsm": {"projectID": "shop-prod"}}),
    )
    main = {"name": "main", "kind": "ClusterSecretStore"}
    for name, store, more in (
        ("fast", main, {"refreshInterval": "1m"}),
        ("slow", main, {}),
        ("google", {"name": "google"}, {"refreshInterval": "30m0s"}),
    ):
        data = [{"secretKey": "x", "remoteRef": {"key": key}} for key in ("db", name)]
        _create(
            control_plane,
            f"{ESO}/namespaces/default/externalsecrets",
            _eso("ExternalSecret", name, secretStoreRef=store, data=data, **more),
        )

    done = _await_allowed(kubeconfig, "--json", "--changes-per-day", "1")
    assert "2 ExternalSecrets of kubernetes-client.io, 3 of external-secrets.io" in done.stderr
    told = json.loads(done.stdout)
    secrets_manager, google = told["backends"]
    # db, which all four read; fast and slow.
    assert (secrets_manager["externalSecrets"], secrets_manager["items"]) == (4, 8)
    assert secrets_manager["secrets"] == 3
    assert (google["externalSecrets"], google["items"], google["secrets"]) == (1, 2, 2)
    reads = [
        {one["product"]: one["valueReads"] for one in backend["products"]}
        for backend in told["backends"]
    ]
    # KES: each item 259,200 times. ESO: 2 a minute, 2 an hour, and of KES's objects 1 each an hour.
    assert reads == [
        {"KES": 8 * 259_200, "ESO": 2 * 43_200 + 2 * 720 + 2 * 720, "Hark": 18},
        {"KES": 2 * 259_200, "ESO": 2 * 1440, "Hark": 12},
    ]
    assert told["totalDollars"]["KES"] > told["totalDollars"]["ESO"] > 0

    table = _Done(kubeconfig, "--namespace", "default")
    assert table.returncode == 0, table.stderr
    assert "Google Secret Manager: 1 ExternalSecrets with 2 items, 2 secrets" in table.stdout

    denied = _Done(control_plane.service_account_kubeconfig("default", "nobody"))
    assert denied.returncode == 1
    assert "You may not list externalsecrets.kubernetes-client.io there" in denied.stderr
    assert len(denied.stderr.splitlines()) == 1


def _await_allowed(kubeconfig: Path, *arguments: str) -> _Done:
    """The first answer once the API server has heard of the rights."""
    deadline = time.monotonic() + 60
    while (done := _Done(kubeconfig, *arguments)).returncode:
        assert "You may not list" in done.stderr
        assert time.monotonic() < deadline, done.stderr
    return done
