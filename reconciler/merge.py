"""The Secret as a whole: the template under what was made from the reads.

Fed with the evaluated template and the generated Secret; feeds the writer of Secrets. Pure. The
rules are lodash's `merge`, as in kubernetes-external-secrets 8.5.5: maps merge, lists merge by
index, elsewhere the generated side wins.

Guarantees: neither argument is changed; values keep wearing Redacted. What the API server would
refuse for the template's sake is refused here, with a sentence that holds no value.
"""

import base64
import binascii
from collections.abc import Mapping
from typing import Any

from externalsecret.errors import GiveUp
from externalsecret.redacted import Redacted

SERVICE_ACCOUNT_TOKEN = "kubernetes.io/service-account-token"  # noqa: S105 - the name of a type
_OF_THE_SERVER = frozenset(
    {
        "creationTimestamp",
        "deletionGracePeriodSeconds",
        "deletionTimestamp",
        "generateName",
        "generation",
        "managedFields",
        "resourceVersion",
        "selfLink",
        "uid",
    }
)


def merge(
    template: Mapping[str, Any],
    generated: Mapping[str, Any],
    *,
    service_account_tokens: bool = False,
) -> Mapping[str, Any]:
    """The whole Secret. GiveUp where the template asks for what Hark does not do.

    `generated` has `metadata` (name, namespace, ownerReferences), `data` (Redacted bytes, not yet
    base64) and the `type` of spec.type, "" where there is none. In the result `data` holds Redacted
    bytes too; `stringData` and all else is as the template has it.
    """
    own = {name: value for name, value in template.items() if name not in {"data", "metadata"}}
    own["data"] = _data_of(template)
    own["metadata"] = _metadata_of(template, generated)
    whole: dict[str, Any] = _merged(own, generated)
    whole["type"] = template.get("type") or generated.get("type") or "Opaque"
    if not isinstance(whole["type"], str):
        raise _refused("spec.template.type must be text.")
    if whole["type"] == SERVICE_ACCOUNT_TOKEN and not service_account_tokens:
        raise _refused(
            f"A Secret of type {SERVICE_ACCOUNT_TOKEN} would be filled with credentials by "
            "Kubernetes, so Hark makes none. Choose another type, or ask the operator of Hark to "
            "allow it."
        )
    return whole


def entries_of(whole: Mapping[str, Any]) -> Mapping[str, Redacted]:
    """All entries that the Secret will have: stringData beats data, as in the API server."""
    entries: dict[str, Redacted] = dict(whole.get("data") or {})
    texts = whole.get("stringData") or {}
    if not isinstance(texts, Mapping):
        raise _refused("spec.template.stringData must be a map of texts.")
    for name, text in texts.items():
        entries[name] = Redacted(_bytes_of(text, f"spec.template.stringData[{name!a}]"))
    return entries


def revealed(value: Any) -> Any:
    """A part of the merged Secret other than `data`, as it goes into the request that writes it."""
    if isinstance(value, Redacted):
        return value.reveal().decode()
    if isinstance(value, Mapping):
        return {name: revealed(member) for name, member in value.items()}
    return value


def _merged(under: Any, over: Any) -> Any:
    if isinstance(under, Mapping) and isinstance(over, Mapping):
        both = {name: _merged(under.get(name), value) for name, value in over.items()}
        return {name: both.get(name, value) for name, value in under.items()} | both
    if isinstance(under, list) and isinstance(over, list):
        first = [_merged(one, two) for one, two in zip(under, over, strict=False)]
        return [*first, *under[len(first) :], *over[len(first) :]]
    return over


def _data_of(template: Mapping[str, Any]) -> dict[str, Redacted]:
    """template.data, which is base64 as in a Secret, decoded to be written like the rest."""
    data = template.get("data") or {}
    if not isinstance(data, Mapping):
        raise _refused("spec.template.data must be a map of base64 texts.")
    decoded = {}
    for name, text in data.items():
        where = f"spec.template.data[{name!a}]"
        encoded = _bytes_of(text, where).replace(b"\n", b"").replace(b"\r", b"")
        plain = _decoded(encoded)
        if plain is None:
            raise _refused(
                f"{where} is not base64. Encode it in the template with "
                'Buffer.from(...).toString("base64"), or move it to spec.template.stringData.'
            )
        decoded[name] = Redacted(plain)
    return decoded


def _decoded(encoded: bytes) -> bytes | None:
    try:
        return base64.b64decode(encoded, validate=True)
    except binascii.Error:
        return None


def _metadata_of(template: Mapping[str, Any], generated: Mapping[str, Any]) -> dict[str, Any]:
    metadata = template.get("metadata") or {}
    if not isinstance(metadata, Mapping):
        raise _refused("spec.template.metadata must be a map.")
    namespace = metadata.get("namespace")
    home = generated["metadata"]["namespace"]
    if namespace not in (None, "", home, Redacted(home.encode())):  # compared, never hashed
        raise _refused(
            "spec.template.metadata.namespace names another namespace, but a Secret is made beside "
            "its ExternalSecret. Remove it."
        )
    for maps in ("labels", "annotations"):
        _check_texts(metadata.get(maps) or {}, f"spec.template.metadata.{maps}")
    return {name: value for name, value in metadata.items() if name not in _OF_THE_SERVER}


def _check_texts(texts: object, where: str) -> None:
    if not isinstance(texts, Mapping):
        raise _refused(f"{where} must be a map of texts.")
    for name, text in texts.items():
        if text is not None:
            _bytes_of(text, f"{where}[{name!a}]")


def _bytes_of(text: object, where: str) -> bytes:
    if isinstance(text, Redacted):
        return text.reveal()
    if isinstance(text, str):
        return text.encode()
    raise _refused(f"{where} must be text; write it in quotes.")


def _refused(sentence: str) -> GiveUp:
    return GiveUp(sentence, reason="InvalidTemplate")
