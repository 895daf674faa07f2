"""Writes: what a pass of the reconciler would have done to one Secret.

Fed by hark.diff.dryrun; feeds the report. Names of entries only: the values are compared here and
then forgotten.
"""

import base64
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any


@dataclass(frozen=True, slots=True)
class Writes:
    """Entries by what would become of them. All empty where nothing would be written."""

    is_made: bool = False
    """Whether the Secret would be made."""
    is_remade: bool = False
    """Whether it would be deleted before that."""
    is_touched: bool = False
    """Whether anything of it would be written, be it a label only."""
    added: frozenset[str] = frozenset()
    changed: frozenset[str] = frozenset()
    removed: frozenset[str] = frozenset()
    metadata: frozenset[str] = field(default=frozenset())
    """Other parts of the Secret that would be written, such as `metadata.labels`."""

    def then(self, method: str, before: Mapping[str, bytes], body: Mapping[str, Any]) -> "Writes":
        """The same and one write more. `before` are the entries that the Secret has now."""
        if method == "DELETE":
            return replace(self, is_touched=True, is_remade=True)
        data: Mapping[str, str | None] = body.get("data") or {}
        added = {name for name, text in data.items() if text is not None and name not in before}
        changed = {
            name
            for name, text in data.items()
            if text is not None and name in before and base64.b64decode(text) != before[name]
        }
        removed = {name for name, text in data.items() if text is None and name in before}
        return replace(
            self,
            is_touched=True,
            is_made=self.is_made or method == "POST",
            added=self.added | added,
            changed=self.changed | changed,
            removed=self.removed | removed,
            metadata=self.metadata | _others(body),
        )

    def changes_entries(self) -> bool:
        return bool(self.added or self.changed or self.removed)


def _others(body: Mapping[str, Any]) -> frozenset[str]:
    """What a patch writes beside entries; uid and type stand in each as a precondition."""
    parts = {f"metadata.{name}" for name in body.get("metadata") or {}} - {
        "metadata.uid",
        "metadata.name",
        "metadata.resourceVersion",
        "metadata.managedFields",
    }
    return frozenset(parts | ({"immutable"} & body.keys()))
