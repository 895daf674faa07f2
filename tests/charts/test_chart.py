"""The chart without a cluster: what it says of wrong values, and what it renders."""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from externalsecret import definitions
from hark.variables import VARIABLES
from testbed.helm import Helm, HelmError

ROOT = Path(__file__).resolve().parents[2]
CHART = ROOT / "charts" / "hark"
DEFINITIONS = ROOT / "externalsecret" / "definitions"

Values = Mapping[str, Any]

EVERYTHING: Values = {
    "watchedNamespaces": ["shop", "blog"],
    "rbac": {"recreate": True},
    "serviceAccount": {"annotations": {"both": "yes"}},
    "sources": {
        "sqs": {"queueUrls": ["https://sqs.eu-central-1.amazonaws.com/111122223333/hark"]},
        "pubsub": {"subscriptions": ["projects/shop/subscriptions/hark"]},
        "storageQueue": {"urls": ["https://shop.queue.core.windows.net/hark"]},
        "eventGrid": {"subscriptions": ["https://ns.example/topics/t/subscriptions/s"]},
        "vault": {"mode": "poll", "pollInterval": "1m", "listenerRole": "hark-listener"},
        "webhook": {
            "enabled": True,
            "audience": "hark",
            "callers": [{"serviceAccount": "ci/deployer", "announces": [{"backend": "vault"}]}],
            "tls": {"secretName": "hark-tls"},
            "ingress": {"enabled": True, "host": "hark.example", "tlsSecretName": "ingress-tls"},
        },
    },
    "sweepInterval": "1h30m",
    "credentials": {
        "aws": {"region": "eu-central-1", "secretName": "aws"},
        "gcp": {"project": "shop", "secretName": "gcp"},
        "azure": {"secretName": "azure"},
        "vault": {"address": "https://vault.example", "role": "hark", "mountPoint": "kubernetes"},
    },
    "env": {"LOG_LEVEL": "debug", "WATCH_TIMEOUT": 60000, "AKEYLESS_API_ENDPOINT": ""},
    "envVarsFromSecret": {"VAULT_TOKEN": {"secretKeyRef": "vault", "key": "token"}},
    "envVarsFromConfigMap": {"HTTPS_PROXY": {"configMapKeyRef": "proxy", "key": "url"}},
    "envFrom": [{"secretRef": {"name": "more"}}],
    "filesFromSecret": {"ca": {"secret": "ca", "mountPath": "/etc/ca"}},
    "networkPolicy": {"enabled": True, "extraEgressPorts": [8200]},
    "serviceMonitor": {"enabled": True, "labels": {"release": "prometheus"}},
    "listener": {"env": {"LOG_LEVEL": "info"}, "serviceAccount": {"annotations": {"own": "yes"}}},
    "priorityClassName": "system-cluster-critical",
    "podAnnotations": {"note": "5"},
    "nodeSelector": {"kubernetes.io/os": "linux"},
    "tolerations": [{"operator": "Exists"}],
    "dnsConfig": {"options": [{"name": "ndots", "value": "1"}]},
    "imagePullSecrets": [{"name": "registry"}],
}


@pytest.fixture(scope="module")
def helm() -> Iterator[Helm]:
    with_nothing = Helm(CHART)
    yield with_nothing
    with_nothing.close()


def rendered(helm: Helm, values: Values) -> dict[tuple[str, str], dict[str, Any]]:
    """By kind and name."""
    documents = yaml.safe_load_all(helm.template("hark", "hark-system", values))
    return {(one["kind"], one["metadata"]["name"]): one for one in documents if one}


def container(objects: Mapping[tuple[str, str], Any], half: str) -> dict[str, Any]:
    deployment = objects["Deployment", f"hark-{half}"]
    [found] = deployment["spec"]["template"]["spec"]["containers"]
    assert isinstance(found, dict)
    return found


def environment(objects: Mapping[tuple[str, str], Any], half: str) -> dict[str, Any]:
    return {
        one["name"]: one.get("value", one.get("valueFrom"))
        for one in container(objects, half)["env"]
    }


@pytest.mark.parametrize("values", [{}, EVERYTHING], ids=["defaults", "everything"])
def test_the_linter_of_helm_finds_nothing(helm: Helm, values: Values) -> None:
    assert "0 chart(s) failed" in helm.lint(values)


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"sources": {"sqs": {"queueUrl": "https://x"}}}, "queueUrl"),
        ({"sources": {"sqs": {"queueUrls": "https://x"}}}, "/sources/sqs/queueUrls"),
        ({"sources": {"pubsub": {"subscriptions": ["hark"]}}}, "/sources/pubsub/subscriptions/0"),
        ({"sources": {"vault": {"mode": "watch"}}}, "/sources/vault/mode"),
        ({"sweepInterval": "soon"}, "/sweepInterval"),
        ({"listener": {"replicas": "two"}}, "/listener/replicas"),
        ({"replicaCount": 2}, "replicaCount"),
        ({"envVarsFromSecret": {"TOKEN": {"secret": "x", "key": "y"}}}, "/envVarsFromSecret/TOKEN"),
        (
            {"sources": {"webhook": {"enabled": True, "ingress": {"enabled": True}}}},
            "Set sources.webhook.ingress.host",
        ),
    ],
)
def test_a_value_that_makes_no_sense_is_named(helm: Helm, values: Values, said: str) -> None:
    with pytest.raises(HelmError) as refused:
        helm.template("hark", "hark-system", values)
    assert said in str(refused.value).replace(".", "/").replace(
        "sources/webhook/ingress/host", "sources.webhook.ingress.host"
    )


def test_the_definition_and_the_rights_are_those_of_the_product() -> None:
    names = {path.name for path in DEFINITIONS.glob("*.yaml")}
    assert {path.name for path in (CHART / "files").iterdir()} == names
    for name in names:
        assert (CHART / "files" / name).read_text() == (DEFINITIONS / name).read_text(), name


def test_the_definition_is_rendered_whole_and_stays_when_the_release_goes(helm: Helm) -> None:
    crd = rendered(helm, {})["CustomResourceDefinition", "externalsecrets.kubernetes-client.io"]
    expected = yaml.safe_load(definitions.crd())
    assert crd["spec"] == expected["spec"]
    assert crd["metadata"]["annotations"]["helm.sh/resource-policy"] == "keep"
    without = rendered(helm, {"crds": {"install": False}})
    assert not [kind for kind, _ in without if kind == "CustomResourceDefinition"]


@pytest.mark.parametrize("half", ["listener", "reconciler"])
def test_each_half_gets_its_rights_and_no_more(helm: Helm, half: definitions.Half) -> None:
    objects = rendered(helm, {})
    for wanted in definitions.rights(half):
        found = objects[wanted["kind"], wanted["metadata"]["name"]]
        assert found["rules"] == wanted["rules"]
    bound = {
        one["roleRef"]["name"]
        for (kind, _), one in objects.items()
        if kind.endswith("RoleBinding") and one["subjects"][0]["name"] == f"hark-{half}"
    }
    assert bound == {one["metadata"]["name"] for one in definitions.rights(half)}


def test_in_watched_namespaces_rights_are_bound_there_alone(helm: Helm) -> None:
    objects = rendered(helm, EVERYTHING)
    bindings = [one for (kind, _), one in objects.items() if kind == "ClusterRoleBinding"]
    # Whose token one is can only be asked in the whole cluster.
    assert [one["roleRef"]["name"] for one in bindings] == ["hark-listener-tokenreview"]
    text = helm.template("hark", "hark-system", EVERYTHING)
    places = {
        (one["roleRef"]["name"], one["metadata"]["namespace"])
        for one in yaml.safe_load_all(text)
        if one and one["kind"] == "RoleBinding"
    }
    of_both = {"hark-listener", "hark-reconciler", "hark-reconciler-recreate"}
    assert places == {(name, place) for name in of_both for place in ("shop", "blog")} | {
        ("hark-listener-lease", "hark-system"),
        ("hark-reconciler-lease", "hark-system"),
    }


def test_first_class_values_become_the_variables_that_each_half_heeds(helm: Helm) -> None:
    objects = rendered(helm, EVERYTHING)
    listener, reconciler = environment(objects, "listener"), environment(objects, "reconciler")
    assert listener["HARK_SQS_QUEUE_URLS"].endswith("/111122223333/hark")
    assert listener["HARK_VAULT_SOURCE"] == "poll"
    assert listener["HARK_WEBHOOK_PORT"] == "8443"
    assert listener["LOG_LEVEL"] == "info"
    assert reconciler["LOG_LEVEL"] == "debug"
    assert reconciler["HARK_SWEEP_INTERVAL"] == "1h30m"
    assert reconciler["WATCHED_NAMESPACES"] == "shop,blog"
    assert reconciler["WATCH_TIMEOUT"] == "60000"
    assert reconciler["VAULT_TOKEN"] == {"secretKeyRef": {"name": "vault", "key": "token"}}
    assert reconciler["POD_UID"] == {"fieldRef": {"fieldPath": "metadata.uid"}}
    assert "AKEYLESS_API_ENDPOINT" not in reconciler
    assert not [name for name in reconciler if name in {"HARK_SQS_QUEUE_URLS", "HARK_WEBHOOK_PORT"}]
    known = {variable.name for variable in VARIABLES}
    ours = {name for name in (*listener, *reconciler) if name.startswith(("HARK_", "POD_"))}
    assert ours <= known


def test_each_variable_by_which_a_source_is_made_has_a_value(helm: Helm) -> None:
    from hark.sourcevariables import MAKE_A_SOURCE  # noqa: PLC0415 - of this test alone

    assert set(MAKE_A_SOURCE) <= environment(rendered(helm, EVERYTHING), "listener").keys()


def test_the_pods_keep_to_the_restricted_standard(helm: Helm) -> None:
    for half in ("listener", "reconciler"):
        objects = rendered(helm, {})
        pod = objects["Deployment", f"hark-{half}"]["spec"]["template"]["spec"]
        assert pod["securityContext"]["runAsNonRoot"] is True
        assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        [one] = pod["containers"]
        assert one["securityContext"]["allowPrivilegeEscalation"] is False
        assert one["securityContext"]["capabilities"] == {"drop": ["ALL"]}
        assert one["securityContext"]["readOnlyRootFilesystem"] is True


def test_files_are_mounted_for_whoever_needs_them(helm: Helm) -> None:
    objects = rendered(helm, EVERYTHING)
    paths = {one["mountPath"] for one in container(objects, "listener")["volumeMounts"]}
    of_both = {"/tmp", "/etc/hark/gcp", "/etc/ca"}  # noqa: S108 - the pod's own
    assert paths == of_both | {"/etc/hark/webhook", "/etc/hark/webhook-tls"}
    assert {one["mountPath"] for one in container(objects, "reconciler")["volumeMounts"]} == of_both
    callers = yaml.safe_load(objects["ConfigMap", "hark-listener-webhook"]["data"]["callers.yaml"])
    assert callers == EVERYTHING["sources"]["webhook"]["callers"]


def test_the_values_of_the_readme_are_taken(helm: Helm) -> None:
    text = (CHART / "README.md").read_text(encoding="utf-8")
    [shown] = re.findall(r"```yaml\n(.*?)```", text, re.DOTALL)
    objects = rendered(helm, yaml.safe_load(shown))
    assert "HARK_SQS_QUEUE_URLS" in environment(objects, "listener")
    role = objects["ServiceAccount", "hark-reconciler"]["metadata"]["annotations"]
    assert role == {"eks.amazonaws.com/role-arn": "arn:aws:iam::111122223333:role/hark-reconciler"}
