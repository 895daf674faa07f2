"""What the API server's refusals of a Secret mean for the user, in sentences.

Fed by reconciler.apply; feeds the Ready condition. No sentence holds a value: of a refusal only its
reason and the names of fields are known.
"""

from http import HTTPStatus

from externalsecret.errors import GiveUp
from externalsecret.kubeapi import ApiRefusal
from reconciler.frame import Frame


def refused(error: ApiRefusal, frame: Frame) -> GiveUp:
    """What the API server disliked."""
    if frame.immutable is not None and {"data", "immutable"}.intersection(error.fields):
        return GiveUp(
            "The Secret is immutable, as spec.template asks, so Kubernetes refuses every change of "
            "its entries, and to make it mutable. Delete the Secret: it is made anew at once, as "
            "the manifest and the backend are now.",
            reason="SecretImmutable",
        )
    if "type" in error.fields:
        return GiveUp(
            "The Secret has another type than the manifest asks for, and Kubernetes changes no "
            "Secret's type. Delete the Secret (it is made anew), have Hark do so with "
            "spec.onTypeChange: Recreate, or restore the type in the spec.",
            reason="TypeConflict",
        )
    if "data" in error.fields and error.status == HTTPStatus.UNPROCESSABLE_ENTITY:
        return GiveUp(
            "The API server refuses the Secret's data: it is immutable, or its type demands other "
            "entries. Delete the Secret or correct the manifest.",
            reason="SecretRefused",
        )
    texts = [name for name in error.fields if name.startswith(("metadata.labels", "metadata.anno"))]
    if texts:
        return GiveUp(
            f"The API server refuses {texts[0]} of the Secret. The text of a label is at most 63 "
            "letters, digits, '-', '_' and '.'; all annotations together hold at most 256 KiB. "
            "Correct spec.template.",
            reason="SecretRefused",
        )
    return GiveUp(f"The Secret was refused. {error}{_advice(error, frame)}", reason="SecretRefused")


def _advice(error: ApiRefusal, frame: Frame) -> str:
    """What to do where only the place of the fault is known."""
    if any(name.startswith("metadata.ownerReferences") for name in error.fields):
        return (
            ". Another controller owns this Secret, or spec.template.metadata.ownerReferences is "
            "not as Kubernetes wants it. Take the other's ownerReference out of the Secret, give "
            "the ExternalSecret another name, or correct the template."
        )
    if any(name.startswith("data[") for name in error.fields):
        return (
            f". A Secret of type {frame.secret_type} must have the entries of this type, in its "
            "form. Correct the manifest, or the value in the backend."
        )
    if error.status == HTTPStatus.FORBIDDEN:
        return (
            ". The reconciler may not write Secrets in this namespace, a quota is used up, or an "
            "admission policy forbids it. Grant the right, raise the quota or change the policy."
        )
    return ""
