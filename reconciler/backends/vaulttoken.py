"""A token of Vault's and when it ends: plain data and plain decisions.

Made and kept by vaultsession. Times are monotonic seconds.
"""

from dataclasses import dataclass, field

from externalsecret.redacted import Redacted
from reconciler.backends.vaultwire import Reply

_REST = 1 / 3
"""Part of its life that is left when a token is renewed."""
_LARGEST_REST = 2 / 3


@dataclass(slots=True)
class Token:
    """What a login gave. Dynamic credentials made with it end when it does."""

    secret: Redacted
    began: float
    granted: float
    """Seconds of life at first; 0 for ever."""
    is_renewable: bool
    ends: float = 0.0
    try_again: float = 0.0
    """Before this no renewal is tried."""
    checked: float = float("-inf")
    """When it was last seen to be alive."""
    leases: set[str] = field(default_factory=set)

    def text(self) -> str:
        return self.secret.reveal().decode()

    def left(self, now: float) -> float | None:
        """Seconds until it ends; None for never."""
        return self.ends - now if self.granted else None

    def is_due(self, now: float, threshold: float | None) -> bool:
        """Whether it is time to renew or replace it. `threshold` in seconds, None: a third."""
        left = self.left(now)
        rest = self.granted * _REST
        if threshold is not None:
            rest = min(threshold, self.granted * _LARGEST_REST)
        return left is not None and left <= rest

    def extend(self, now: float, seconds: float, *, is_renewable: bool) -> None:
        """Note what a renewal granted. Vault grants less and less towards the longest life that the
        role allows; then another token is better.
        """
        self.ends = now + seconds
        self.is_renewable = is_renewable and seconds > self.granted * _LARGEST_REST


def token_of_auth(reply: Reply, now: float) -> Token | None:
    """The token in the answer to a login; None where there is none."""
    auth = reply.member("auth")
    text = None if auth is None else auth.get("client_token")
    if auth is None or not isinstance(text, str) or not text:
        return None
    seconds = seconds_of(auth.get("lease_duration"))
    secret = Redacted(text.encode())
    return Token(secret, now, seconds, auth.get("renewable") is True, ends=now + seconds)


def token_of_lookup(text: str, reply: Reply, now: float) -> Token:
    """A token that was given by a setting, as its own lookup tells of it; for ever if it does not.

    Its `ttl` is what is left: what is granted by a renewal may be more.
    """
    data = reply.member("data") or {}
    left = seconds_of(data.get("ttl"))
    granted = max(left, seconds_of(data.get("creation_ttl")) if left else 0.0)
    is_renewable = data.get("renewable") is True
    return Token(Redacted(text.encode()), now, granted, is_renewable, ends=now + left)


def seconds_of(value: object) -> float:
    """A duration of an answer; 0 where it is none."""
    return float(value) if isinstance(value, int | float) and value > 0 else 0.0
