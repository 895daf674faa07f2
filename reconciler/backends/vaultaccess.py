"""What is held for Vault: the wire, and one session for each identity.

Fed by the settings; feeds vault (the backend of one lane) with sessions and with the key of this
process's digests. One for the whole process.

Guarantees: hvac is imported with the first session, and not before; lanes of one role and mount
share one login; `close` waits for nothing and revokes nothing (see vaultsession).
"""

import hashlib
import hmac
import secrets
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Collection
from typing import TYPE_CHECKING

from externalsecret.reference import Identity
from reconciler.backends.vaultsettings import VaultSettings

if TYPE_CHECKING:
    from reconciler.backends.vaultsession import VaultSession
    from reconciler.backends.vaultwire import Wire

_DIGEST_CHARACTERS = 32


class VaultAccess:
    """Makes and keeps sessions."""

    def __init__(
        self, settings: VaultSettings, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._settings = settings
        self._clock = clock
        self._lock = threading.Lock()
        self._wire: Wire | None = None
        self._sessions: dict[Identity, VaultSession] = {}
        self._users: defaultdict[Identity, set[str]] = defaultdict(set)
        self._key = secrets.token_bytes(32)
        self.process = secrets.token_hex(4)
        """Whose digests these are."""

    def session(self, identity: Identity, scope: str) -> "VaultSession":
        """The session of an identity, for the lane of one scope. Raises GiveUp (InvalidSetting)."""
        from reconciler.backends.vaultsession import VaultSession  # noqa: PLC0415 - the SDK
        from reconciler.backends.vaultwire import Wire  # noqa: PLC0415 - as above

        with self._lock:
            self._users[identity].add(scope)
            if self._wire is None:
                self._wire = Wire(self._settings)
            if identity not in self._sessions:
                self._sessions[identity] = VaultSession(
                    self._settings, identity, self._wire, self._clock
                )
            return self._sessions[identity]

    def forget(self, identity: Identity, scope: str) -> None:
        """A lane is closed; the session goes with the last of its identity."""
        with self._lock:
            self._users[identity].discard(scope)
            if not self._users[identity]:
                del self._users[identity]
                self._sessions.pop(identity, None)

    def tend(self, leases: Collection[str]) -> None:
        """Keep every token alive that one of these leases hangs on."""
        with self._lock:
            sessions = list(self._sessions.values())
        for session in sessions:
            session.tend(leases)

    def digest(self, value: bytes) -> str:
        """Tells values apart within this process, and tells nobody else anything."""
        return hmac.new(self._key, value, hashlib.sha256).hexdigest()[:_DIGEST_CHARACTERS]

    def close(self) -> None:
        """Let go of connections and tokens; what is asked for afterwards is made anew."""
        with self._lock:
            wire, self._wire = self._wire, None
            self._sessions.clear()
            self._users.clear()
        if wire is not None:
            wire.close()
