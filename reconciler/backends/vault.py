"""HashiCorp Vault and OpenBao, as reconciler.backends.contract wants it.

Fed by vaultaccess (a session for one role and mount); one object serves one form of answers: v1 (a
document, or dynamic credentials) or v2 (a document with versions). Vault has no call for several
secrets: each costs one request, some at the same time.

Versions of v2 are looked at in the metadata, which shows no value and may be denied by policy:
CannotLook. A v1 document has no version but its digest: CannotLook. Dynamic credentials, whose
every read makes new ones, have the version of their lease; a look shows the newest that this
process made, so that others of the same identity get those from the cache, and is CannotLook where
there are none. Nothing is ever revoked.

Vault facts: "KV secrets engine - version 1 (API)" and "version 2 (API)"; `sys/internal/ui/mounts`
tells where the mount of a path ends, to whoever may use the path.
"""

import threading
import time
from collections.abc import Callable, Mapping, Sequence

from externalsecret.dialect.vault import DATA, V2
from externalsecret.errors import HarkError
from externalsecret.reference import Identity, Reference
from reconciler.backends import reasons
from reconciler.backends.asking import at_once
from reconciler.backends.contract import CannotLook, Look, Read, Value, Versions
from reconciler.backends.vaultaccess import VaultAccess
from reconciler.backends.vaulterrors import refusal
from reconciler.backends.vaultrows import lease_in, value_v1, value_v2, versions_of
from reconciler.backends.vaultsession import Granted, VaultSession
from reconciler.backends.vaulttoken import Token
from reconciler.backends.vaultwire import Reply
from reconciler.versions import Lease, digest_version

_AT_ONCE = 8
_BATCH = 25
_THROTTLED = 429
_SERVER_ERROR = 500


class Vault:
    """The secrets that one role sees, in one form of answers."""

    batch_size = _BATCH

    def __init__(
        self,
        access: VaultAccess,
        identity: Identity,
        scope: str,
        clock: Callable[[], float] = time.monotonic,
        now: Callable[[], float] = time.time,
    ) -> None:
        """`now` in seconds since the epoch, for what outlives the process."""
        self._access = access
        self._identity = identity
        self._scope = scope
        self._clock = clock
        self._now = now
        self._lock = threading.Lock()
        self._leases: dict[str, tuple[Lease, float]] = {}
        """The newest credentials of a path, and when they end (monotonic seconds)."""
        self._mounts: dict[str, str] = {}

    def read(self, references: Sequence[Reference]) -> Mapping[str, Read]:
        """The values; see the contract. Never raises HarkError."""
        return at_once({one.entry: one for one in references}, self._read, _AT_ONCE)

    def look(self, references: Sequence[Reference]) -> Mapping[str, Look]:
        """The versions by their metadata; see the contract."""
        looks = at_once({one.entry: one for one in references}, self._look, _AT_ONCE)
        return {entry: _or_cannot_look(look) for entry, look in looks.items()}

    def sweep(self, references: Sequence[Reference]) -> Mapping[str, Look]:
        """As `look`: Vault lists names, but no versions."""
        return self.look(references)

    def renew(self, path: str, lease_id: str) -> Granted:
        """More time for the credentials of a path. Raises Retry; GiveUp where there is none."""
        granted = self._session().renew_lease(lease_id)
        with self._lock:
            known = self._leases.get(path)
            if known is not None and known[0].id == lease_id:
                self._leases[path] = (known[0], self._clock() + granted.seconds)
        return granted

    def close(self) -> None:
        """Let go of the session, unless another lane has it."""
        self._access.forget(self._identity, self._scope)

    def _session(self) -> VaultSession:
        return self._access.session(self._identity, self._scope)

    def _read(self, reference: Reference) -> Value:
        path = reference.secret.name
        pinned = reference.selector.value if reference.selector.is_pinned() else ""
        began = self._clock()
        reply, token = self._session().get(path, {"version": pinned} if pinned else None)
        if self._scope == V2:
            return value_v2(path, reply)
        lease = lease_in(reply, self._until(token))
        if lease is not None:
            self._keep(path, lease, token, began)
            return value_v1(path, reply, lambda _: lease.version())
        return value_v1(path, reply, self._digest)

    def _until(self, token: Token) -> float | None:
        left = token.left(self._clock())
        return None if left is None else self._now() + left

    def _keep(self, path: str, lease: Lease, token: Token, began: float) -> None:
        token.leases.add(lease.id)
        with self._lock:
            self._leases[path] = (lease, began + lease.seconds)

    def _digest(self, document: bytes) -> str:
        return digest_version(self._access.process, self._access.digest(document))

    def _look(self, reference: Reference) -> Versions | CannotLook:
        path = reference.secret.name
        if self._scope != V2:
            return self._look_at_lease(path)
        metadata = self._metadata_path(path)
        if metadata is None:
            return CannotLook(f"Where the mount of {path} ends cannot be told.")
        pinned = reference.selector.value if reference.selector.is_pinned() else ""
        reply, _ = self._session().get(metadata)
        versions = versions_of(path, reply, pinned, self._now())
        if isinstance(versions, HarkError):
            raise versions
        return versions

    def _look_at_lease(self, path: str) -> Versions | CannotLook:
        with self._lock:
            known = self._leases.get(path)
        if known is None or known[1] <= self._clock():
            return CannotLook(f"What lies at {path} has no version; only a read tells.")
        version = known[0].version()
        return Versions(version, {version: frozenset()}, path)

    def _metadata_path(self, path: str) -> str | None:
        """Where the versions of a path are told; None where that cannot be found out."""
        segments = path.split("/")
        places = [place for place in range(1, len(segments) - 1) if segments[place] == DATA]
        if len(places) > 1:
            mount = self._mount(path)
            places = [place for place in places if "/".join(segments[:place]) == mount]
        if len(places) != 1:
            return None
        return "/".join([*segments[: places[0]], "metadata", *segments[places[0] + 1 :]])

    def _mount(self, path: str) -> str:
        if path not in self._mounts:
            reply, _ = self._session().get(f"sys/internal/ui/mounts/{path}")
            if reply.status == _THROTTLED or reply.status >= _SERVER_ERROR:
                raise refusal(reply.status, reply.answer, f"mount of {path}", reply.headers)
            self._mounts[path] = _mount_in(reply)
        return self._mounts[path]


def _mount_in(reply: Reply) -> str:
    told = (reply.member("data") or {}).get("path")
    return told.strip("/") if reply.is_success() and isinstance(told, str) else ""


def _or_cannot_look(look: Versions | CannotLook | HarkError) -> Look:
    if isinstance(look, HarkError) and look.reason == reasons.DENIED:
        return CannotLook(look.message)
    return look
