"""The frame: what a Secret shall have beside its entries, as spec.template asks for it.

Fed with the template, raw or evaluated; feeds the writer of Secrets. Plain functions of plain data.

Guarantees: what an expression makes wears Redacted; where it was not evaluated, None stands for it
and what the Secret has there stays.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from externalsecret.redacted import Redacted
from reconciler.expressions import is_expression

Text = str | Redacted | None
"""Of a label or an annotation; None: not known now, so it stays as it is."""


@dataclass(frozen=True, slots=True)
class Frame:
    """All of a Secret but its entries and its name."""

    secret_type: str
    labels: Mapping[str, Text] = field(default_factory=dict)
    annotations: Mapping[str, Text] = field(default_factory=dict)
    own_reference: Mapping[str, Any] = field(default_factory=dict)
    """What our reference gets beside its own fields, such as blockOwnerDeletion."""
    owners: Sequence[Mapping[str, Any]] = ()
    """References beside ours."""
    immutable: bool | None = None
    """None: the template does not say."""
    finalizers: Sequence[str] = ()
    """For a new Secret only: later they belong to those who take them away."""


@dataclass(frozen=True, slots=True)
class Change:
    """What a Secret's entries must get and lose."""

    entries: Mapping[str, Redacted] = field(default_factory=dict)
    removed: Collection[str] = ()


def frame_of(template: Mapping[str, Any], secret_type: str) -> Frame:
    """The frame that a template of good form asks for (see reconciler.templateform)."""
    metadata: Mapping[str, Any] = template.get("metadata") or {}
    owners: Sequence[Mapping[str, Any]] = metadata.get("ownerReferences") or []
    return Frame(
        secret_type,
        _known(metadata.get("labels")),
        _known(metadata.get("annotations")),
        owners[0] if owners else {},
        owners[1:],
        template.get("immutable"),
        metadata.get("finalizers") or (),
    )


def evaluated_names(template: Mapping[str, Any], maps: str) -> frozenset[str]:
    """The labels or annotations (`maps`) of a raw template that are expressions."""
    texts = (template.get("metadata") or {}).get(maps)
    return frozenset(name for name, text in _known(texts).items() if text is None)


def _known(texts: Mapping[str, Any] | None) -> dict[str, Text]:
    # An absent text in the manifest (`name:` and nothing) asks for nothing.
    return {
        name: None if is_expression(text) else text
        for name, text in (texts or {}).items()
        if text is not None
    }
