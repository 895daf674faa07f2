"""The Secret as a whole: what the reads supply, and what spec.template adds to it.

Made by reconciler.attempt for one pass, from the manifest, the record in the ledger and the live
Secret; tells it which values the template needs, whether it must be evaluated, and what is to be
written then. Decides only: evaluating is for reconciler.evaluate.

    the template                            is merged again when                       and needs
    --------------------------------------  -----------------------------------------  ----------
    only type, labels, annotations as text  never: they are compared at each pass      nothing
    with entries (data, stringData)         it, or who supplies which entry, changed,  nothing
                                            or somebody touched its entries
    with an expression                      as above, or any entry is written,         all values
                                            or somebody touched an evaluated label

Guarantees: entries of stringData beat what is read, as in the API server; those of data yield. What
the template made goes when the template drops it, and not while anything else fails. While a value
is missing, all that expressions made stays as it is, and the record says that it is to be done. An
unchanged object is never evaluated again, so that Math.random makes no endless writes.
"""

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from externalsecret.errors import GiveUp
from externalsecret.ledger import Templated
from externalsecret.manifest import Manifest
from externalsecret.redacted import Redacted
from externalsecret.resource import ExternalSecret
from reconciler.expressions import is_evaluated
from reconciler.frame import Change, Frame, evaluated_names, frame_of
from reconciler.live import LiveSecret
from reconciler.merge import entries_of, merge
from reconciler.render import MAX_SECRET_BYTES, Rendered

_NOTHING = Templated()


class Whole:
    """One pass's view of the template. The manifest passed reconciler.templateform."""

    def __init__(self, es: ExternalSecret, manifest: Manifest, live: LiveSecret | None) -> None:
        template = manifest.template
        self.is_evaluated = is_evaluated(template)
        self._manifest = manifest
        self._home = es.key[0]
        self._ledger = es.ledger
        self._record = es.ledger.template
        self._beats = _names(template.get("stringData"))
        self._yields = _names(template.get("data"))
        is_recorded = self.is_evaluated or self._beats or self._yields
        self._fingerprint = _fingerprint(template) if is_recorded else None
        self._is_damaged = self._fingerprint is not None and self._touched(live)

    @property
    def claimed(self) -> frozenset[str]:
        """Every entry that the template names or once made."""
        return self._beats | self._yields | frozenset(self._record.feeds)

    def is_due(self, rendered: Rendered) -> bool:
        """Whether the template must be merged again, with what the reads gave so far."""
        if self._is_idle():
            return False
        if self._record.fingerprint != self._fingerprint or self._is_damaged:
            return True
        if self._made(rendered) != frozenset(self._record.feeds):
            return True
        return self.is_evaluated and bool(rendered.entries or rendered.removed)

    def wanted(
        self, rendered: Rendered, unread: frozenset[str], *, troubled: bool
    ) -> frozenset[str]:
        """Of the reads that gave no value in this pass, those that the template makes necessary."""
        if not self.is_due(rendered):
            return frozenset()
        if self.is_evaluated and not troubled:
            return unread
        # What the template covered so far comes from its read again.
        uncovered = frozenset(self._record.feeds) - self._made(rendered)
        return frozenset(entry for entry in unread if not uncovered.isdisjoint(self._fed(entry)))

    def change(
        self, rendered: Rendered, made: Mapping[str, Any] | None, *, troubled: bool
    ) -> tuple[Change, Templated]:
        """What the Secret's entries must get and lose, and what to record of the template then.

        `made` is the evaluated template, where that was possible. Raises GiveUp.
        """
        if self._is_idle():
            return Change(rendered.entries, rendered.removed), _NOTHING
        due = self.is_due(rendered)
        applied = due and (made is not None or not self.is_evaluated)
        names, before = self._made(rendered), frozenset(self._record.feeds)
        read = {name: value for name, value in rendered.entries.items() if name not in self._beats}
        template = self._manifest.template if made is None else made
        added = _entries(template, names, self._home) if applied else {}
        entries = {**read, **added}
        _check_size(entries)
        going = frozenset() if troubled else before - names - self._supplied(rendered)
        removed = (rendered.removed | going) - names - entries.keys()
        stays = before - going - read.keys()
        if applied:
            return Change(entries, removed), _record(self._fingerprint, names | stays)
        return Change(entries, removed), _record(None, stays) if due else self._record

    def frame(self, made: Mapping[str, Any] | None) -> Frame:
        """What the Secret shall have beside its entries."""
        template = self._manifest.template if made is None else made
        return frame_of(template, self._manifest.secret_type)

    def _is_idle(self) -> bool:
        return self._fingerprint is None and self._record == _NOTHING

    def _made(self, rendered: Rendered) -> frozenset[str]:
        """The entries that the template shall make."""
        return self._beats | (self._yields - self._supplied(rendered))

    def _supplied(self, rendered: Rendered) -> frozenset[str]:
        """The entries that some read supplies."""
        return frozenset(
            name
            for entry in self._manifest.references
            for name in rendered.feeds.get(entry, self._fed(entry))
        )

    def _fed(self, entry: str) -> tuple[str, ...]:
        synced = self._ledger.entry(entry).synced
        return () if synced is None else synced.feeds

    def _touched(self, live: LiveSecret | None) -> bool:
        """Whether what the template made is not as we wrote it."""
        if live is None or live.uid != self._ledger.secret_uid:
            return True
        if live.version == self._ledger.secret_version:
            return False
        template = self._manifest.template
        return not (
            live.owned.issuperset(self._record.feeds)
            and live.owned_labels.issuperset(evaluated_names(template, "labels"))
            and live.owned_annotations.issuperset(evaluated_names(template, "annotations"))
        )


def _entries(
    template: Mapping[str, Any], names: frozenset[str], home: str
) -> Mapping[str, Redacted]:
    """The values of these entries, by the rules of reconciler.merge. Raises GiveUp."""
    wanted = {
        field: {name: text for name, text in (template.get(field) or {}).items() if name in names}
        for field in ("data", "stringData")
    }
    generated = {"metadata": {"namespace": home}, "data": {}}
    return entries_of(merge({**template, **wanted}, generated, service_account_tokens=True))


def _names(texts: Mapping[str, Any] | None) -> frozenset[str]:
    return frozenset(name for name, text in (texts or {}).items() if text is not None)


def _fingerprint(template: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(template, sort_keys=True).encode()).hexdigest()[:16]


def _record(fingerprint: str | None, feeds: frozenset[str]) -> Templated:
    return Templated(fingerprint, tuple(sorted(feeds)))


def _check_size(entries: Mapping[str, Redacted]) -> None:
    size = sum(map(len, entries.values()))
    if size > MAX_SECRET_BYTES:
        raise GiveUp(
            f"With spec.template the entries of the Secret would hold {size} bytes together, but "
            f"Kubernetes allows {MAX_SECRET_BYTES}. Make the template shorter, or split the "
            "manifest into several ExternalSecrets.",
            reason="InvalidTemplate",
        )
