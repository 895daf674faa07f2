"""Where a path of the Kubernetes API points to."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Place:
    """A collection (no name), an object, or a subresource of it."""

    api: str
    resource: str
    namespace: str = ""
    name: str = ""
    subresource: str = ""

    def holds(self, other: "Place") -> bool:
        """Whether the object belongs to this collection; without a namespace it has them all."""
        same = (self.api, self.resource) == (other.api, other.resource)
        return same and self.namespace in {"", other.namespace}

    def named(self, name: str) -> "Place":
        return Place(self.api, self.resource, self.namespace, name)


def read_path(path: str) -> Place | None:
    """None for a path that holds no objects, as /openapi/v3 or /version."""
    segments = path.strip("/").split("/")
    if segments[0] not in {"api", "apis"}:
        return None
    depth = 2 if segments[0] == "api" else 3
    rest = segments[depth:]
    namespace = ""
    if len(rest) > 2 and rest[0] == "namespaces":
        namespace, rest = rest[1], rest[2:]
    if not rest or len(rest) > 3:
        return None
    name, subresource = (*rest[1:], "", "")[:2]
    return Place("/".join(segments[:depth]), rest[0], namespace, name, subresource)
