"""Whether a half may do something now, since the API server learns of bindings a moment later."""

from externalsecret import definitions
from testbed.cluster import Cluster

_REVIEWS = "/apis/authorization.k8s.io/v1/subjectaccessreviews"


def may(cluster: Cluster, half: definitions.Half, namespace: str, verb: str, resource: str) -> bool:
    """Whether the half that runs in a namespace may do this in it.

    A resource is named as in kubectl: `secrets`, or `externalsecrets.kubernetes-client.io/status`.
    """
    kind, _, subresource = resource.partition("/")
    plural, _, group = kind.partition(".")
    asked = {
        "namespace": namespace,
        "verb": verb,
        "group": group,
        "resource": plural,
        "subresource": subresource,
    }
    user = f"system:serviceaccount:{namespace}:hark-{half}"
    review = {"spec": {"user": user, "resourceAttributes": asked}}
    allowed: bool = cluster.request("POST", _REVIEWS, review)["status"]["allowed"]
    return allowed
