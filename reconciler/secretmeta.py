"""The metadata of a Secret: whole for a new one, and what must change of a live one.

Fed by reconciler.apply with the frame that is wanted and with what the watch shows; feeds the
bodies of its requests. Plain functions of plain data.

Guarantees: labels, annotations and owners of others stay. A label or annotation that Hark wrote and
that nothing asks for any more goes; who wrote it is read from managedFields. Texts leave their
cover (Redacted) here, for a request and nowhere else.
"""

from collections.abc import Collection, Mapping
from typing import Any

from externalsecret.resource import MANAGED_LABEL, MANAGED_VALUE, ExternalSecret
from reconciler.frame import Frame, Text
from reconciler.live import LiveSecret
from reconciler.merge import revealed
from reconciler.owners import mended_owners, new_owners


def new_metadata(es: ExternalSecret, frame: Frame) -> dict[str, Any]:
    """Of a Secret that is to be made."""
    metadata: dict[str, Any] = {
        "name": es.key[1],
        "labels": _revealed({**frame.labels, MANAGED_LABEL: MANAGED_VALUE}),
        "annotations": _revealed(frame.annotations),
        "ownerReferences": new_owners(es, frame),
    }
    if frame.finalizers:
        metadata["finalizers"] = list(frame.finalizers)
    return metadata


def metadata_patch(es: ExternalSecret, frame: Frame, live: LiveSecret) -> dict[str, Any]:
    """What is not as it should be, as a merge patch; empty when all is well."""
    wanted_labels = {**frame.labels, MANAGED_LABEL: MANAGED_VALUE}
    patch: dict[str, Any] = {}
    labels = _different(wanted_labels, live.labels, live.owned_labels)
    annotations = _different(frame.annotations, live.annotations, live.owned_annotations)
    if labels:
        patch["labels"] = labels
    if annotations:
        patch["annotations"] = annotations
    owners = mended_owners(es, frame, live)
    if owners is not None:
        patch["ownerReferences"] = owners
    return patch


def _different(
    wanted: Mapping[str, Text], held: Mapping[str, str], owned: Collection[str]
) -> dict[str, str | None]:
    known = _revealed(wanted)
    different: dict[str, str | None] = {
        name: text for name, text in known.items() if held.get(name) != text
    }
    gone = [name for name in owned if name in held and name not in wanted]
    return dict.fromkeys(gone) | different


def _revealed(texts: Mapping[str, Text]) -> dict[str, str]:
    return {name: revealed(text) for name, text in texts.items() if text is not None}
