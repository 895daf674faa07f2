"""What the reconciler asks of the backends, and when an answer that somebody else got is good
enough.

Plain data. Fed by the reconcile story; feeds reconciler.fetch.
"""

from dataclasses import dataclass
from enum import StrEnum

from externalsecret.identity import Backend
from externalsecret.manifest import Manifest
from externalsecret.reference import Identity, Reference
from reconciler.backends.contract import Look, Read


@dataclass(frozen=True, slots=True)
class Lane:
    """Requests that travel together: one system, asked as one identity in one scope."""

    backend: Backend
    identity: Identity
    scope: str


ReadKey = tuple[Lane, str]
"""A lane and an entry: equal for all ExternalSecrets that can share a read."""


class Verb(StrEnum):
    """What is asked."""

    READ = "read"
    LOOK = "look"


@dataclass(frozen=True, slots=True)
class Ask:
    """One thing that an ExternalSecret wants to know.

    An answer that is there already, or under way for somebody else, will do when it carries
    `version`, or when its call to the backend began at `since` (monotonic seconds) or later.
    """

    verb: Verb
    reference: Reference
    since: float
    version: str | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    """What came of an ask. `began` is when the call to the backend began, monotonic seconds."""

    result: Read | Look
    began: float


def lane_of(manifest: Manifest, reference: Reference) -> Lane:
    """The lane in which a manifest's reference travels."""
    return Lane(manifest.backend, manifest.identity, reference.scope)
