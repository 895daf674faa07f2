import dataclasses
import re
import time
from collections.abc import Callable, Iterator, Mapping
from http import HTTPStatus
from typing import Any

import pytest

from externalsecret import definitions
from testbed.cluster import MERGE_PATCH, ApiError, Cluster

RBAC = "/apis/rbac.authorization.k8s.io/v1"
REVIEWS = "/apis/authorization.k8s.io/v1/selfsubjectrulesreviews"
PLACES = {
    "ES": "/apis/kubernetes-client.io/v1/namespaces/{namespace}/externalsecrets",
    "CORE": "/api/v1/namespaces/{namespace}",
    "LEASES": "/apis/coordination.k8s.io/v1/namespaces/{namespace}/leases",
    "ELSEWHERE": "/apis/coordination.k8s.io/v1/namespaces/default/leases",
}
WATCH = "watch=true&resourceVersion=none"
"""Refused as a bad request, at once, where a watch would not be refused as forbidden."""
PATCH = {"metadata": {"labels": {"touched": "yes"}}}

NOBODY_NEEDS = [
    ("GET", "ES/shop"),
    ("POST", "ES"),
    ("PUT", "ES/shop"),
    ("PATCH", "ES/shop"),
    ("DELETE", "ES/shop"),
    ("DELETE", "ES"),
    ("GET", "ES/shop/status"),
    ("PUT", "ES/shop/status"),
    ("PUT", "CORE/secrets/shop"),
    ("DELETE", "CORE/secrets/shop"),
    ("DELETE", "CORE/secrets"),
    ("GET", "CORE/events"),
    ("PATCH", "CORE/events/shop"),
    ("DELETE", "CORE/events/shop"),
    ("GET", "CORE/configmaps"),
    ("POST", "CORE/configmaps"),
    ("GET", "CORE/pods"),
    ("POST", "CORE/pods"),
    ("POST", "CORE/pods/shop/exec"),
    ("GET", "CORE/serviceaccounts"),
    ("POST", "CORE/serviceaccounts/default/token"),
    ("PATCH", "CORE"),
    ("PUT", "CORE"),
    ("DELETE", "CORE"),
    ("POST", "/api/v1/namespaces"),
    ("GET", "/api/v1/nodes"),
    ("GET", "LEASES"),
    ("GET", "LEASES/another"),
    ("PATCH", "LEASES/another"),
    ("PUT", "LEASES/another"),
    ("PATCH", "LEASES/hark-reconciler"),
    ("DELETE", "LEASES/hark-reconciler"),
    ("PATCH", "LEASES/hark-listener"),
    ("DELETE", "LEASES/hark-listener"),
    ("POST", "ELSEWHERE"),
    ("GET", "ELSEWHERE/hark-listener"),
    ("GET", "ELSEWHERE/hark-reconciler"),
    ("POST", "/apis/authentication.k8s.io/v1/tokenreviews"),
    ("POST", "/apis/authorization.k8s.io/v1/subjectaccessreviews"),
    ("GET", "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"),
    ("PATCH", f"{RBAC}/clusterroles/hark-listener"),
    ("PATCH", f"{RBAC}/clusterroles/hark-reconciler"),
    ("POST", f"{RBAC}/clusterrolebindings"),
]

ONLY_THE_RECONCILER_NEEDS = [
    ("GET", "CORE/secrets"),
    ("GET", f"CORE/secrets?{WATCH}"),
    ("GET", "CORE/secrets/shop"),
    ("GET", "/api/v1/secrets"),
    ("POST", "CORE/secrets"),
    ("PATCH", "CORE/secrets/shop"),
    ("GET", "LEASES/hark-reconciler"),
    ("PUT", "LEASES/hark-reconciler"),
    ("GET", "CORE"),
    ("GET", f"/api/v1/watch/namespaces/{{namespace}}?{WATCH}"),
    ("GET", "/api/v1/namespaces"),
    ("GET", f"/api/v1/namespaces?{WATCH}"),
]

ONLY_THE_LISTENER_NEEDS = [
    ("GET", "LEASES/hark-listener"),
    ("PUT", "LEASES/hark-listener"),
]

BOTH_NEED = [
    ("POST", "LEASES"),
    ("GET", "ES"),
    ("GET", f"ES?{WATCH}"),
    ("GET", "/apis/kubernetes-client.io/v1/externalsecrets"),
    ("PATCH", "ES/shop/status"),
    ("POST", "CORE/events"),
    # Start-up looks here for the ledger's fields; everybody who is known may.
    ("GET", "/openapi/v3/apis/kubernetes-client.io/v1"),
]


@dataclasses.dataclass(frozen=True, slots=True)
class Identity:
    """A ServiceAccount to which the rights of one half are bound."""

    cluster: Cluster
    namespace: str
    token: str

    def answers(self, method: str, place: str) -> int:
        """Return the HTTP status of a request; its body says nothing that could be refused."""
        path = re.sub(r"^[A-Z]+", lambda found: PLACES[found[0]], place)
        path = path.format(namespace=self.namespace)
        kind = MERGE_PATCH if method == "PATCH" else "application/json"
        body = None if method == "GET" else PATCH
        try:
            self.cluster.request(method, path, body, content_type=kind, token=self.token)
        except ApiError as error:
            return error.code
        return HTTPStatus.OK

    def rules(self) -> list[dict[str, Any]]:
        """Return all that this identity may do in its namespace, as the API server sees it."""
        review = {"spec": {"namespace": self.namespace}}
        answer = self.cluster.request("POST", REVIEWS, review, token=self.token)
        assert not answer["status"]["incomplete"]
        return [_sorted(rule) for rule in answer["status"]["resourceRules"]]


def _sorted(rule: Mapping[str, Any]) -> dict[str, Any]:
    return {field: sorted(rule[field]) for field in sorted(rule)}


def _subject(namespace: str, name: str) -> dict[str, str]:
    return {"kind": "ServiceAccount", "namespace": namespace, "name": name}


def _role_ref(role: Mapping[str, Any]) -> dict[str, str]:
    return {
        "apiGroup": "rbac.authorization.k8s.io",
        "kind": role["kind"],
        "name": role["metadata"]["name"],
    }


class Bind:
    """Gives a half's rights to a ServiceAccount of its name, as an installer does."""

    def __init__(
        self,
        cluster: Cluster,
        namespace: str,
        install: Callable[[Cluster, str, Mapping[str, Any]], None],
    ) -> None:
        self._cluster = cluster
        self._namespace = namespace
        self._install = install
        self._bound: list[str] = []

    def __call__(self, half: definitions.Half) -> Identity:
        token = self._cluster.service_account_token(self._namespace, half)
        identity = Identity(self._cluster, self._namespace, token)
        for role in definitions.rights(half):
            self._bind(role, half)
        wanted = [rule for role in definitions.rights(half) for rule in role["rules"]]
        _await_rules(identity, len(wanted))
        return identity

    def unbind(self) -> None:
        for path in self._bound:
            self._cluster.request("DELETE", path)

    def _bind(self, role: Mapping[str, Any], half: str) -> None:
        whole_cluster = role["kind"] == "ClusterRole"
        root = RBAC if whole_cluster else f"{RBAC}/namespaces/{self._namespace}"
        name = f"{role['metadata']['name']}-{self._namespace}"
        self._install(self._cluster, f"{root}/{role['kind'].lower()}s", role)
        bindings = f"{root}/{role['kind'].lower()}bindings"
        binding = {
            "metadata": {"name": name},
            "roleRef": _role_ref(role),
            "subjects": [_subject(self._namespace, half)],
        }
        self._cluster.request("POST", bindings, binding)
        self._bound.append(f"{bindings}/{name}")


def _await_rules(identity: Identity, count: int) -> None:
    # The API server learns of roles and bindings by its own watch, some milliseconds later.
    stranger = len(_rules_of_a_stranger(identity))
    deadline = time.monotonic() + 60
    while len(identity.rules()) < stranger + count:
        assert time.monotonic() < deadline, "the rights did not come into force within 60 s"
        time.sleep(0.02)


def _rules_of_a_stranger(identity: Identity) -> list[dict[str, Any]]:
    token = identity.cluster.service_account_token(identity.namespace, "stranger")
    return dataclasses.replace(identity, token=token).rules()


@pytest.fixture
def bind(
    served_cluster: Cluster,
    namespace: str,
    install: Callable[[Cluster, str, Mapping[str, Any]], None],
) -> Iterator[Bind]:
    """A function that makes an identity with the rights of a half, among things to touch."""
    collection = PLACES["ES"].format(namespace=namespace)
    shop = {"metadata": {"name": "shop"}}
    spec = {"backendType": "vault", "data": []}
    kind = {"apiVersion": "kubernetes-client.io/v1", "kind": "ExternalSecret"}
    served_cluster.request("POST", collection, {**kind, **shop, "spec": spec})
    served_cluster.request("POST", f"/api/v1/namespaces/{namespace}/secrets", shop)
    for half in ("listener", "reconciler"):
        lease = {"metadata": {"name": f"hark-{half}"}}
        served_cluster.request("POST", PLACES["LEASES"].format(namespace=namespace), lease)
    binder = Bind(served_cluster, namespace, install)
    yield binder
    binder.unbind()


def _refused(identity: Identity, requests: list[tuple[str, str]]) -> list[tuple[str, str]]:
    return [request for request in requests if identity.answers(*request) == HTTPStatus.FORBIDDEN]


def _served(identity: Identity, requests: list[tuple[str, str]]) -> list[tuple[str, str]]:
    # A misspelt path must not pass for one that is allowed.
    not_served = (HTTPStatus.FORBIDDEN, HTTPStatus.NOT_FOUND)
    return [request for request in requests if identity.answers(*request) not in not_served]


def test_the_listener_is_refused_all_but_notes_and_events_and_its_lease(bind: Bind) -> None:
    listener = bind("listener")
    forbidden = NOBODY_NEEDS + ONLY_THE_RECONCILER_NEEDS
    needed = BOTH_NEED + ONLY_THE_LISTENER_NEEDS
    assert _refused(listener, forbidden) == forbidden
    assert _served(listener, needed) == needed


def test_the_reconciler_is_refused_deletion_replacement_and_specs(bind: Bind) -> None:
    reconciler = bind("reconciler")
    needed = BOTH_NEED + ONLY_THE_RECONCILER_NEEDS
    forbidden = NOBODY_NEEDS + ONLY_THE_LISTENER_NEEDS
    assert _refused(reconciler, forbidden) == forbidden
    assert _served(reconciler, needed) == needed


@pytest.mark.parametrize("half", ["listener", "reconciler"])
def test_a_half_may_do_what_its_manifest_says_and_nothing_else(
    bind: Bind, half: definitions.Half
) -> None:
    identity = bind(half)
    said = [_sorted(rule) for role in definitions.rights(half) for rule in role["rules"]]
    everybodys = _rules_of_a_stranger(identity)
    granted = [rule for rule in identity.rules() if rule not in everybodys]
    assert sorted(granted, key=str) == sorted(said, key=str)


def test_the_right_to_recreate_is_deletion_of_secrets_and_nothing_else() -> None:
    (role,) = definitions.recreate_rights()
    assert role["kind"] == "ClusterRole"
    assert role["rules"] == [{"apiGroups": [""], "resources": ["secrets"], "verbs": ["delete"]}]


def test_the_right_to_review_tokens_is_that_and_nothing_else() -> None:
    (role,) = definitions.tokenreview_rights()
    assert role["kind"] == "ClusterRole"
    assert role["rules"] == [
        {
            "apiGroups": ["authentication.k8s.io"],
            "resources": ["tokenreviews"],
            "verbs": ["create"],
        }
    ]


def test_no_rule_has_a_wildcard() -> None:
    halves: list[definitions.Half] = ["listener", "reconciler"]
    rules = [rule for half in halves for role in definitions.rights(half) for rule in role["rules"]]
    assert not [rule for rule in rules if any("*" in words for words in rule.values())]
