"""Asks the API server whether the listener may write notes at all.

Fed by listener.notes when notes of several objects were refused with 403; tells a right that was
taken away (wait until it is given back) from an admission policy that dislikes some objects. A
SelfSubjectAccessReview, which every authenticated account may create (Kubernetes, "Authorization",
checking API access). Where no answer can be had, the refusals themselves are believed.
"""

from collections.abc import Sequence

from externalsecret.errors import HarkError
from externalsecret.kubeapi import KubeApi

_REVIEWS = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"


def may_note(api: KubeApi, namespaces: Sequence[str]) -> bool:
    """Whether notes are allowed in one of these namespaces; none stands for the whole cluster."""
    return any(_is_allowed(api, namespace) for namespace in namespaces or [""])


def _is_allowed(api: KubeApi, namespace: str) -> bool:
    asked = {
        "namespace": namespace,
        "verb": "patch",
        "group": "kubernetes-client.io",
        "resource": "externalsecrets",
        "subresource": "status",
    }
    review = {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SelfSubjectAccessReview",
        "spec": {"resourceAttributes": asked},
    }
    try:
        reply = api.request("POST", _REVIEWS, body=review)
    except HarkError:
        return False
    return (reply.get("status") or {}).get("allowed") is True
