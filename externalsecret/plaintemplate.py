"""The plain part of spec.template: type, labels and annotations that are no expressions.

Fed by externalsecret.manifest with a raw spec; feeds the manifest. What needs a template engine is
refused in a sentence, never ignored. The CRD leaves `template` free in form, so every level is
checked here.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from externalsecret.errors import GiveUp

_SERVED = {"type", "metadata", "apiVersion", "kind"}
_SERVED_METADATA = {"labels", "annotations", "name"}


@dataclass(frozen=True, slots=True)
class PlainTemplate:
    """What the Secret gets beside its data."""

    secret_type: str
    labels: Mapping[str, str]
    annotations: Mapping[str, str]


def read_template(spec: Mapping[str, Any]) -> PlainTemplate:
    """The template of a spec. Raises GiveUp for what is malformed or not served."""
    template = _mapping(spec.get("template"), "spec.template")
    metadata = _mapping(template.get("metadata"), "spec.template.metadata")
    labels = _texts(metadata.get("labels"), "spec.template.metadata.labels")
    annotations = _texts(metadata.get("annotations"), "spec.template.metadata.annotations")
    extra = sorted(set(template) - _SERVED)
    extra += [f"metadata.{name}" for name in sorted(set(metadata) - _SERVED_METADATA)]
    evaluated = any(
        "<%" in text or "${" in text for text in [*labels.values(), *annotations.values()]
    )
    if extra or evaluated:
        named = ", ".join(f"spec.template.{name}" for name in extra) or "a template expression"
        raise GiveUp(
            f"{named} is not served by this version of Hark: of spec.template it serves type, "
            "metadata.labels and metadata.annotations as plain text.",
            reason="UnsupportedTemplate",
        )
    secret_type = template.get("type") or spec.get("type") or "Opaque"
    if not isinstance(secret_type, str):
        raise _malformed("spec.template.type", "a text")
    return PlainTemplate(secret_type, labels, annotations)


def _mapping(value: Any, where: str) -> Mapping[str, Any]:
    if value is None:
        return {}
    if not isinstance(value, Mapping):
        raise _malformed(where, "a map")
    return value


def _texts(value: Any, where: str) -> Mapping[str, str]:
    texts = _mapping(value, where)
    if not all(isinstance(text, str) for text in texts.values()):
        raise _malformed(where, "a map of texts")
    return texts


def _malformed(where: str, wanted: str) -> GiveUp:
    return GiveUp(f"{where} is not {wanted}; correct the manifest.", reason="InvalidSpec")
