"""The namespaces: what their annotations say of permissions, as the watch shows it.

Fed by a metadata watch of Namespaces (it is a Sink of externalsecret.reflect): of all of them, or
one watch for each that is served. Feeds reconciler.guard with annotations, and has every object of
a namespace looked at when they change.

Guarantees: a namespace that was not seen has no annotations, not even none: nobody may take it for
one without restrictions. Of annotations that say nothing of permissions only is kept that there are
some, since under enforcement the reason of a denial differs by that. An annotation that probably
does not mean what its author thinks is told in an Event, once for each change.
"""

from collections.abc import Callable, Mapping
from typing import Any

import structlog

from externalsecret.kubeevents import ObjectRef, Recorder
from externalsecret.reflect import Key, key_of
from reconciler.permissions import PermissionSettings, doubtful_annotations

log = structlog.get_logger()

Annotations = Mapping[str, str]


class Namespaces:
    """Permission annotations by namespace."""

    def __init__(
        self,
        settings: PermissionSettings,
        recorder: Recorder,
        changed: Callable[[str], None],
    ) -> None:
        """`changed` is told the name of a namespace whose permissions are not what they were."""
        self._settings = settings
        self._recorder = recorder
        self._changed = changed
        self._annotations: dict[str, Annotations] = {}

    def annotations(self, namespace: str) -> Annotations | None:
        """What there is to know for permissions; None when the namespace is not known."""
        return self._annotations.get(namespace)

    def upsert(self, obj: dict[str, Any]) -> None:
        name = obj["metadata"]["name"]
        kept = _kept(obj["metadata"].get("annotations") or {}, self._settings)
        if self._annotations.get(name) == kept:
            return
        self._annotations[name] = kept
        self._changed(name)
        about = ObjectRef(name, name, obj["metadata"]["uid"], "v1", "Namespace")
        for sentence in doubtful_annotations(kept, self._settings):
            log.warning("annotation.doubtful", namespace=name, message=sentence)
            self._recorder.record(about, "Warning", "DoubtfulAnnotation", sentence)

    def remove(self, obj: dict[str, Any]) -> None:
        self._forget(key_of(obj)[1])

    def listed(self, keys: set[Key], namespace: str = "") -> None:
        for name in [*self._annotations]:
            if namespace in {"", name} and ("", name) not in keys:
                self._forget(name)

    def _forget(self, name: str) -> None:
        self._annotations.pop(name, None)


def _kept(annotations: Mapping[str, str], settings: PermissionSettings) -> Annotations:
    if not annotations:
        return {}
    names = (settings.naming_annotation, settings.role_annotation)
    return {name: annotations.get(name, "") for name in names}
