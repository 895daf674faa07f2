"""Proof of a caller by a token of Microsoft Entra ID, as Event Grid and applications carry it.

Fed by bearer tokens and by the keys that the tenant publishes; a caller is the id of an
application.

Guarantees: keys come from the one place that the settings name, whatever a token says; RS256 alone
is taken; audience, issuer (of version 1 or 2), tenant, expiry, application and role must all be
right. Keys are fetched by one thread at a time and, however many unknown keys tokens name, not
more often than every half minute; while they cannot be fetched, the ones known are used.

Microsoft pages: "Access tokens in the Microsoft identity platform" (claims, validation), "Secure
webhook delivery with Microsoft Entra ID in Azure Event Grid".
"""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jwt
import structlog

from listener.webhook.proof import CannotTell, NotAllowed, NotProven, Shown

log = structlog.get_logger()

AUTHORITY = "https://login.microsoftonline.com"
_LONGEST = 16_384
_PAUSE = 30.0
_OLD_SECONDS = 86_400.0
_FETCH_SECONDS = 5
_SKEW_SECONDS = 60
_CLAIMS = ["exp", "nbf", "iss", "aud"]
_NOT_VALID = "The token is not valid."


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a good token says."""

    tenant: str
    audiences: tuple[str, ...]
    role: str
    authority: str = AUTHORITY

    def issuers(self) -> tuple[str, ...]:
        return (
            f"https://sts.windows.net/{self.tenant}/",
            f"{self.authority}/{self.tenant}/v2.0",
        )

    def keys_url(self) -> str:
        return f"{self.authority}/{self.tenant}/discovery/v2.0/keys"


class EntraTokens:
    """Implements listener.webhook.proof.Proof."""

    def __init__(
        self,
        wanted: Wanted,
        knows: Callable[[str], bool],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`knows` tells whether an application may announce anything."""
        self._wanted = wanted
        self._knows = knows
        self._keys = _Keys(wanted.keys_url(), clock)

    def caller(self, shown: Shown) -> str:
        claims = self._claims(shown.bearer)
        if claims.get("tid") != self._wanted.tenant:
            raise NotProven("The token is of another tenant.")
        application = claims.get("azp") or claims.get("appid")
        if not isinstance(application, str) or not self._knows(application):
            raise NotAllowed("The token's application is not among the callers.")
        if claims.get("scp"):
            raise NotAllowed("The token is of a user; show one of the application's own.")
        roles = claims.get("roles")
        if not isinstance(roles, list) or self._wanted.role not in roles:
            raise NotAllowed(
                f"The token's application does not have the role {self._wanted.role} here."
            )
        return application

    def _claims(self, token: str) -> dict[str, Any]:
        if not token or len(token) > _LONGEST:
            raise NotProven("Show a token of Entra ID in the header Authorization: Bearer.")
        try:
            header = jwt.get_unverified_header(token)
        except (jwt.PyJWTError, RecursionError):
            raise NotProven("The bearer token is no token of Entra ID.") from None
        key = self._keys.get(str(header.get("kid") or ""))
        try:
            claims: dict[str, Any] = jwt.decode(
                token,
                key,
                algorithms=["RS256"],
                audience=list(self._wanted.audiences),
                issuer=list(self._wanted.issuers()),
                leeway=_SKEW_SECONDS,
                options={"require": _CLAIMS},
            )
        except jwt.PyJWTError as error:
            raise NotProven(_said(error)) from None
        except (ArithmeticError, RecursionError, TypeError, ValueError):
            # A claim of another kind than the standard gives it, which the library does not expect.
            raise NotProven(_NOT_VALID) from None
        return claims


class _Keys:
    """The tenant's public keys, by their id."""

    def __init__(self, url: str, clock: Callable[[], float]) -> None:
        self._client = jwt.PyJWKClient(url, cache_jwk_set=False, timeout=_FETCH_SECONDS)
        self._clock = clock
        self._lock = threading.Lock()
        self._keys: dict[str, jwt.PyJWK] = {}
        self._asked_at = float("-inf")
        self._fetched_at = float("-inf")

    def get(self, key_id: str) -> jwt.PyJWK:
        """The key; raises NotProven where there is none, CannotTell where none is known at all."""
        with self._lock:
            now = self._clock()
            is_wanting = key_id not in self._keys or now - self._fetched_at > _OLD_SECONDS
            if is_wanting and now - self._asked_at > _PAUSE:
                self._asked_at = now
                self._fetch(now)
            if not self._keys:
                raise CannotTell("The keys of the tenant cannot be fetched now; come again.")
            key = self._keys.get(key_id)
        if key is None:
            raise NotProven("The token is signed by none of the tenant's keys.")
        return key

    def _fetch(self, now: float) -> None:
        try:
            found = self._client.get_signing_keys(refresh=True)
        except (jwt.PyJWTError, OSError, ValueError) as error:
            log.warning("webhook.keys_failed", error=type(error).__name__)
            return
        self._keys = {key.key_id: key for key in found if key.key_id}
        self._fetched_at = now


def _said(error: jwt.PyJWTError) -> str:
    """Our own words: those of the library may quote the token."""
    said: dict[type[jwt.PyJWTError], str] = {
        jwt.ExpiredSignatureError: "The token has expired.",
        jwt.InvalidAudienceError: "The token was made for another audience.",
        jwt.InvalidIssuerError: "The token was issued by somebody else than the tenant.",
        jwt.InvalidAlgorithmError: "The token is signed by another algorithm than RS256.",
        jwt.InvalidSignatureError: "The token's signature is wrong.",
    }
    return said.get(type(error), _NOT_VALID)
