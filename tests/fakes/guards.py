"""Guards for unit tests, with as little said as each needs."""

from collections.abc import Callable, Mapping

from externalsecret.kubeevents import Recorder
from fakes.kubeapi import FakeKubeApi
from fakes.resources import DEFAULTS, Clock
from reconciler.guard import Guard
from reconciler.namespaces import Namespaces
from reconciler.permissions import Permissions, PermissionSettings

NAMING = PermissionSettings().naming_annotation
ROLE = PermissionSettings().role_annotation


class Warden:
    """A guard and the namespaces that it knows; the test annotates them."""

    def __init__(
        self,
        settings: PermissionSettings | None = None,
        changed: Callable[[str], None] = lambda _name: None,
        clock: Clock | None = None,
    ) -> None:
        self.api = FakeKubeApi()
        clock = clock or Clock()
        settings = settings or PermissionSettings()
        self.namespaces = Namespaces(
            settings, Recorder(self.api, "hark-reconciler", clock), changed
        )
        self.guard = Guard(self.namespaces, Permissions(settings), DEFAULTS, clock)

    def annotate(self, name: str = "team", annotations: Mapping[str, str] | None = None) -> None:
        """Let the watch show a namespace."""
        metadata = {"name": name, "uid": f"uid-{name}", "annotations": annotations}
        self.namespaces.upsert({"metadata": metadata})


def open_guard(*namespaces: str) -> Guard:
    """A guard that allows everything in these namespaces."""
    warden = Warden()
    for name in namespaces:
        warden.annotate(name)
    return warden.guard
