"""One identity at Vault: its token, kept alive, and the requests made with it.

Made by vaultaccess for each role and mount, and shared by the lanes of both key-value versions;
feeds vault with replies.

Guarantees: one login however many threads ask at once, and where it fails, one failure for all who
waited meanwhile: a Vault that is silent costs them one timeout. A token is renewed when a third of
its life is left, and replaced where Vault renews it no further, without a lookup for each read. A
403 makes one new login when the token is dead, or old enough that the role's policies may have
changed; then it stands. A token is never revoked: dynamic credentials end with the token that they
were made with. For the same reason a replaced token is kept alive while its credentials are in use
(`tend`).
What ends the process ends that care: its tokens run out by themselves.

Vault facts: "Tokens" and "Lease, renew, and revoke" (concepts): when a token is revoked or expires,
so are all leases created with it; `auth/token/renew-self`, `auth/token/lookup-self` and
`sys/leases/renew` are in the default policy.
"""

import threading
import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass

from externalsecret.errors import GiveUp, HarkError
from externalsecret.reference import Identity
from reconciler.backends.vaulterrors import login_refused, refusal
from reconciler.backends.vaultlogin import login_of
from reconciler.backends.vaultsettings import VaultSettings
from reconciler.backends.vaulttoken import Token, seconds_of, token_of_auth, token_of_lookup
from reconciler.backends.vaultwire import Reply, Wire

_FORBIDDEN = frozenset((401, 403))
_SERVER_ERROR = 500
_THROTTLED = 429
_OLD = 60.0
"""Seconds after which a token may lack what its role was given meanwhile."""
_OLDEST = 3600.0
"""What that grows to, doubling with each login that was no better: tokens pile up in Vault."""
_CHECKED = 10.0
"""For so long, in seconds, a token that was seen to be alive is not looked up again."""
_AGAIN = 10.0
"""Seconds until a renewal that failed is tried again."""


@dataclass(frozen=True, slots=True)
class Granted:
    """What the renewal of a lease granted, in seconds."""

    seconds: float
    renewable: bool
    token_left: float | None
    """Until the token ends that the credentials hang on; None for never, or where another process
    holds it.
    """
    is_own: bool
    """Whether this process holds that token, and keeps it alive."""


class VaultSession:
    """Requests as one identity."""

    def __init__(
        self,
        settings: VaultSettings,
        identity: Identity,
        wire: Wire,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._settings = settings
        self._identity = identity
        self._wire = wire
        self._clock = clock
        self._lock = threading.Lock()
        self._token: Token | None = None
        self._elders: list[Token] = []
        self._failed: tuple[float, HarkError] | None = None
        """The last login that failed, and when."""
        self._patience = _OLD

    def get(self, path: str, params: Mapping[str, str] | None = None) -> tuple[Reply, Token]:
        """Read a path: the answer, be it a refusal, and the token that it was asked with.

        Raises Retry, and GiveUp where the identity itself is refused.
        """
        asked = self._clock()
        token = self._usable(asked)
        reply = self._wire.send("GET", path, token.text(), params=params)
        if reply.status in _FORBIDDEN and self._replaced(token, asked):
            token = self._usable(asked)
            reply = self._wire.send("GET", path, token.text(), params=params)
            if reply.status not in _FORBIDDEN:
                self._patience = _OLD
        return reply, token

    def token(self) -> Token:
        """A token that is good for a while, renewed or replaced where it is time.

        Raises Retry, and GiveUp where the identity itself is refused.
        """
        return self._usable(self._clock())

    def renew_lease(self, lease_id: str) -> Granted:
        """Ask for more time for dynamic credentials. Raises Retry; GiveUp where there is none."""
        owner = next((one for one in self._all() if lease_id in one.leases), None)
        token = owner or self._usable(self._clock())
        body = {"lease_id": lease_id}
        reply = self._wire.send("PUT", "sys/leases/renew", token.text(), body=body)
        if not reply.is_success() or reply.answer is None:
            raise refusal(reply.status, reply.answer, f"lease {lease_id}", reply.headers)
        left = None if owner is None else owner.left(self._clock())
        return Granted(
            seconds_of(reply.answer.get("lease_duration")),
            reply.answer.get("renewable") is True,
            left,
            owner is not None,
        )

    def tend(self, leases: Collection[str]) -> None:
        """Keep the tokens alive that these leases hang on; let go of those that none hangs on."""
        wanted = set(leases)
        with self._lock:
            for token in self._all():
                token.leases &= wanted
            self._elders = [
                one for one in self._elders if one.leases and (one.left(self._clock()) or 1.0) > 0.0
            ]
            for token in self._all():
                if token.leases and token.is_due(self._clock(), self._settings.renew_threshold):
                    self._renew(token)

    def _all(self) -> list[Token]:
        return [*self._elders, *([] if self._token is None else [self._token])]

    def _usable(self, asked: float) -> Token:
        """A token that is good for a while, for somebody who wants it since `asked`."""
        token = self._token
        threshold = self._settings.renew_threshold
        if token is not None and not token.is_due(self._clock(), threshold):
            return token
        with self._lock:
            token = self._token
            if token is None:
                return self._obtain(asked)
            if token.is_due(self._clock(), threshold):
                self._renew(token)
            if token.is_due(self._clock(), threshold):
                return self._succeed(token, asked)
            return token

    def _succeed(self, token: Token, asked: float) -> Token:
        """A token in place of one that Vault renews no further; under the lock."""
        now = self._clock()
        left = token.left(now)
        is_alive = left is not None and left > 0
        if is_alive and (now < token.try_again or self._settings.token):
            return token
        try:
            return self._obtain(asked)
        except HarkError:
            if not is_alive:
                raise
            token.try_again = self._clock() + _AGAIN
            return token

    def _replaced(self, token: Token, asked: float) -> bool:
        """After a 403: whether there is another token to try with."""
        with self._lock:
            if self._token is not token:
                return True
            if self._settings.token:
                return False
            now = self._clock()
            is_alive = self._is_alive(token, now)
            if is_alive and now - token.began < self._patience:
                return False
            try:
                self._obtain(asked)
            except GiveUp:
                # The refusal that led here is what was asked about; the next read says this one.
                self._token = None
                return False
            if is_alive:
                self._patience = min(2 * self._patience, _OLDEST)
            return True

    def _is_alive(self, token: Token, now: float) -> bool:
        if now - token.checked > _CHECKED:
            reply = self._wire.send("GET", "auth/token/lookup-self", token.text())
            if reply.status in _FORBIDDEN:
                return False
            token.checked = now
        return True

    def _obtain(self, asked: float) -> Token:
        """Log in, or take the token that the settings give; under the lock.

        Who waited for the lock while somebody failed, fails with him.
        """
        if self._failed is not None and self._failed[0] > asked:
            raise self._failed[1]
        try:
            token = self._given() if self._settings.token else self._logged_in()
        except HarkError as error:
            self._failed = (self._clock(), error)
            raise
        if self._token is not None and self._token.leases:
            self._elders.append(self._token)
        self._token = token
        return token

    def _given(self) -> Token:
        text = self._settings.token
        reply = self._wire.send("GET", "auth/token/lookup-self", text)
        if reply.status == _THROTTLED or reply.status >= _SERVER_ERROR:
            raise refusal(reply.status, reply.answer, "token of Hark", reply.headers)
        return token_of_lookup(text, reply, self._clock())

    def _logged_in(self) -> Token:
        login = login_of(self._settings, self._identity)
        began = self._clock()
        reply = self._wire.send("POST", login.path, body=login.body)
        token = token_of_auth(reply, began) if reply.is_success() else None
        if token is None:
            raise login_refused(reply.status, reply.answer, login.who, reply.headers)
        return token

    def _renew(self, token: Token) -> None:
        """Ask for more life, if that can be had; under the lock. What fails is tried again."""
        now = self._clock()
        if not token.is_renewable or now < token.try_again:
            return
        try:
            reply = self._wire.send("POST", "auth/token/renew-self", token.text(), body={})
        except HarkError:
            # From now on: the answer that did not come may have been waited for longer than that.
            token.try_again = self._clock() + _AGAIN
            return
        auth = reply.member("auth")
        if auth is not None and reply.is_success():
            seconds = seconds_of(auth.get("lease_duration"))
            token.extend(now, seconds, is_renewable=auth.get("renewable") is True)
        elif reply.status == _THROTTLED or reply.status >= _SERVER_ERROR:
            token.try_again = now + _AGAIN
        else:
            token.is_renewable = False
