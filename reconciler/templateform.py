"""Whether spec.template has a form that a Secret can be made from, before anything is read for it.

Fed by the reconcile story with a manifest; feeds nothing: it passes or raises. The definition of
ExternalSecret leaves `template` free in form, so every level is looked at here. What only shows
once the texts are evaluated is left to reconciler.merge.

Guarantees: no sentence holds a text of the template, only the names of its fields. The listener
never asks: a template that is wrong makes no reference unknown, so nothing is missed meanwhile.
"""

from collections.abc import Mapping
from typing import Any

from externalsecret.errors import GiveUp
from externalsecret.manifest import Manifest
from reconciler.expressions import Place, expressions, is_expression, shown
from reconciler.merge import SERVICE_ACCOUNT_TOKEN
from reconciler.supply import is_entry_name

MAX_ENTRIES = 1000
"""Their names stand in the status."""
_TEXTS: tuple[Place, ...] = (
    ("data",),
    ("stringData",),
    ("metadata", "labels"),
    ("metadata", "annotations"),
)
_LISTS: Mapping[str, type] = {"ownerReferences": Mapping, "finalizers": str}


def check_template(manifest: Manifest, home: str, *, service_account_tokens: bool) -> None:
    """GiveUp (InvalidTemplate) with a sentence for the first thing that is wrong. `home` is the
    ExternalSecret's namespace.
    """
    template = manifest.template
    for _ in expressions(template):
        pass
    if not manifest.secret_type:
        raise _wrong("The type of the Secret (spec.template.type or spec.type) must be text.")
    _check_tokens(manifest.secret_type, allowed=service_account_tokens)
    if not isinstance(template.get("immutable"), bool | None):
        raise _wrong("spec.template.immutable must be true or false, without quotes.")
    metadata = _mapping(template.get("metadata"), ("metadata",))
    for place in _TEXTS:
        holder = metadata if len(place) > 1 else template
        _check_texts(_mapping(holder.get(place[-1]), place), place)
    namespace = metadata.get("namespace")
    if namespace not in (None, "", home) and not is_expression(namespace):
        raise _wrong(
            "spec.template.metadata.namespace names another namespace, but a Secret is made beside "
            "its ExternalSecret. Remove it."
        )
    for name, kind in _LISTS.items():
        _check_list(metadata.get(name), kind, ("metadata", name))
    _check_entries(template)


def _check_tokens(secret_type: str, *, allowed: bool) -> None:
    if secret_type == SERVICE_ACCOUNT_TOKEN and not allowed:
        raise _wrong(
            f"A Secret of type {SERVICE_ACCOUNT_TOKEN} would be filled with credentials by "
            "Kubernetes, so Hark makes none. Choose another type, or ask the operator of Hark to "
            "set HARK_ALLOW_SERVICE_ACCOUNT_TOKENS=true."
        )


def _check_texts(texts: Mapping[str, Any], place: Place) -> None:
    for name, text in texts.items():
        if text is not None and not isinstance(text, str):
            raise _wrong(f"{shown((*place, name))} must be text; write it in quotes.")


def _check_list(value: Any, kind: type, place: Place) -> None:
    if value is not None and not (
        isinstance(value, list) and all(isinstance(one, kind) for one in value)
    ):
        of = "maps" if kind is Mapping else "texts"
        raise _wrong(f"{shown(place)} must be a list of {of}.")


def _check_entries(template: Mapping[str, Any]) -> None:
    count = 0
    for field in ("data", "stringData"):
        for name in template.get(field) or {}:
            count += 1
            if not is_entry_name(name):
                raise _wrong(
                    f"{shown((field, name))} cannot name an entry of a Secret: letters, digits, "
                    "'-', '_' and '.' are allowed."
                )
    if count > MAX_ENTRIES:
        raise _wrong(f"spec.template makes {count} entries; at most {MAX_ENTRIES} are allowed.")


def _mapping(value: Any, place: Place) -> Mapping[str, Any]:
    if value is None:
        return {}
    if not isinstance(value, Mapping):
        raise _wrong(f"{shown(place)} must be a map.")
    return value


def _wrong(sentence: str) -> GiveUp:
    return GiveUp(sentence, reason="InvalidTemplate")
