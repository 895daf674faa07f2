"""The guard: may this ExternalSecret have what it asks for, now?

Asked by the reconcile story before each read, and before anything is written of what was read, and
by the sweep before it looks. It knows the annotations (reconciler.namespaces) and has the rules
applied (reconciler.permissions).

Guarantees: a namespace that is not known allows nothing, yet. A verdict is kept for as long as the
namespace's annotations and the object's spec are what they were, so that a pass over an object
costs no question to the script engine; a denial is given another thought after some minutes, as its
cause may have been the engine's. Where nothing restricts a namespace, a check costs two look-ups.
"""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from externalsecret.dialect.contract import Defaults
from externalsecret.errors import GiveUp, HarkError, Retry
from externalsecret.manifest import read_manifest
from externalsecret.reflect import Key
from externalsecret.resource import ExternalSecret
from reconciler.namespaces import Annotations, Namespaces
from reconciler.permissions import Permissions, requested_keys, requested_roles

_REASON = "NotPermitted"
_DENIED_SECONDS = 600.0
_MOST = 50_000


@dataclass(frozen=True, slots=True)
class _Verdict:
    """What was found about an object; `denial` is its sentence."""

    uid: str
    generation: int
    annotations: Annotations
    denial: GiveUp | None
    at: float


class Guard:
    """Permissions of the objects; threads share it."""

    def __init__(
        self,
        namespaces: Namespaces,
        permissions: Permissions,
        defaults: Defaults,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._namespaces = namespaces
        self._permissions = permissions
        self._defaults = defaults
        self._clock = clock
        self._verdicts: dict[Key, _Verdict] = {}
        self._lock = threading.Lock()

    def check(self, es: ExternalSecret) -> None:
        """GiveUp when the namespace does not allow what the object asks for; Retry when that cannot
        be said at the moment.
        """
        annotations = self._namespaces.annotations(es.key[0])
        if annotations is None:
            raise Retry(
                f"The namespace {es.key[0]} is not known yet, and with it what it allows.",
                reason=_REASON,
            )
        if self._permissions.are_free(annotations):
            return
        denial = self._verdict(es, annotations).denial
        if denial is not None:
            raise GiveUp(denial.message, reason=denial.reason)

    def permits(self, es: ExternalSecret) -> bool:
        """Whether the object may be read for; not while that cannot be said."""
        try:
            self.check(es)
        except HarkError:
            return False
        return True

    def is_free(self, namespace: str) -> bool:
        """Whether every object of this namespace may be read for, whatever it asks."""
        annotations = self._namespaces.annotations(namespace)
        return annotations is not None and self._permissions.are_free(annotations)

    def close(self) -> None:
        """Let go of the script engine."""
        self._permissions.close()

    def _verdict(self, es: ExternalSecret, annotations: Annotations) -> _Verdict:
        known = self._verdicts.get(es.key)
        if known is not None and self._still_holds(known, es, annotations):
            return known
        found = _Verdict(
            es.uid, es.generation, annotations, self._denial(es, annotations), self._clock()
        )
        with self._lock:
            if len(self._verdicts) >= _MOST:
                # Nobody tells of objects that are gone; to judge the others anew is cheap.
                self._verdicts.clear()
            self._verdicts[es.key] = found
        return found

    def _still_holds(self, known: _Verdict, es: ExternalSecret, annotations: Annotations) -> bool:
        is_same = (known.uid, known.generation) == (es.uid, es.generation)
        if not is_same or known.annotations != annotations:
            return False
        return known.denial is None or self._clock() - known.at < _DENIED_SECONDS

    def _denial(self, es: ExternalSecret, annotations: Annotations) -> GiveUp | None:
        try:
            identity = read_manifest(es.spec, self._defaults).identity
            roles = requested_roles(es.spec, identity)
            self._permissions.check(es.key, requested_keys(es.spec), roles, annotations)
        except GiveUp as denial:
            return denial
        return None
