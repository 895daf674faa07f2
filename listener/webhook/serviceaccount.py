"""Proof of a caller by the token of a Kubernetes ServiceAccount, which the API server judges.

Fed by tokens of pods in this cluster (a projected volume with our audience); asks TokenReview,
which needs a right of its own (externalsecret/definitions/tokenreview-rights.yaml). A caller is
`namespace/name`.

Guarantees: a token without our audience is refused, even one that is good for the API server
itself. Only a token that says it is of an allowed ServiceAccount is shown to the API server, so
that strangers cannot keep it busy; what it says counts for nothing else. However many such tokens
are forged, whoever was good a moment ago need not wait for them. A verdict is kept for a few
seconds, by the token's digest; so long a token that was revoked still passes.

Kubernetes pages: "TokenReview" (a server that does not know audiences answers without any),
"Managing Service Accounts".
"""

import base64
import hashlib
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import structlog

from externalsecret.errors import HarkError
from listener.messages.meaning import Malformed
from listener.messages.untrusted import json_object, text_of
from listener.webhook.proof import CannotTell, NotAllowed, NotProven, Shown

log = structlog.get_logger()

REVIEWS = "/apis/authentication.k8s.io/v1/tokenreviews"
_PREFIX = "system:serviceaccount:"
_KEPT_SECONDS = 10.0
_MOST_KEPT = 1_000
_LONGEST = 16_384
_PARTS = 3
_MOST_ASKED = 4
_ASK_SECONDS = 5.0


class Asks(Protocol):
    """What is needed of the API server; externalsecret.kubeapi.KubeApi does it."""

    def request(self, method: str, path: str, *, body: Any = None) -> Any:
        """Call it; raises HarkError."""


@dataclass(frozen=True, slots=True)
class _Verdict:
    caller: str
    """ "" where the token is not good."""
    until: float


class ServiceAccounts:
    """Implements listener.webhook.proof.Proof."""

    def __init__(
        self,
        api: Asks,
        audience: str,
        knows: Callable[[str], bool],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`knows` tells whether `namespace/name` may announce anything."""
        self._api = api
        self._audience = audience
        self._knows = knows
        self._clock = clock
        self._lock = threading.Lock()
        # Apart, so that a flood of forged tokens holds up nobody who was good a moment ago.
        self._good: OrderedDict[bytes, _Verdict] = OrderedDict()
        self._bad: OrderedDict[bytes, _Verdict] = OrderedDict()
        self._asking = threading.BoundedSemaphore(_MOST_ASKED)
        self._asking_again = threading.BoundedSemaphore(_MOST_ASKED)

    def caller(self, shown: Shown) -> str:
        claimed = _claimed(shown.bearer)
        if not self._knows(claimed):
            raise NotAllowed("This ServiceAccount is not among the callers who may announce here.")
        if self._verdict(shown.bearer) != claimed:
            raise NotProven(
                "The API server does not take this token, or it was not made for our audience, "
                f"{self._audience}."
            )
        return claimed

    def _verdict(self, token: str) -> str:
        digest = hashlib.sha256(token.encode("utf-8", "backslashreplace")).digest()
        with self._lock:
            good = self._good.get(digest)
            known = good or self._bad.get(digest)
            if known is not None and known.until > self._clock():
                return known.caller
        caller = self._ask(token, self._asking if good is None else self._asking_again)
        with self._lock:
            self._good.pop(digest, None)
            kept = self._good if caller else self._bad
            kept[digest] = _Verdict(caller, self._clock() + _KEPT_SECONDS)
            kept.move_to_end(digest)
            while len(kept) > _MOST_KEPT:
                kept.popitem(last=False)
        return caller

    def _ask(self, token: str, asking: threading.BoundedSemaphore) -> str:
        review = {
            "apiVersion": "authentication.k8s.io/v1",
            "kind": "TokenReview",
            "spec": {"token": token, "audiences": [self._audience]},
        }
        if not asking.acquire(timeout=_ASK_SECONDS):
            raise CannotTell("Too many tokens are being checked; come again.")
        try:
            reply = self._api.request("POST", REVIEWS, body=review)
        except HarkError as error:
            log.warning("webhook.review_failed", error=str(error))
            raise CannotTell(
                "The Kubernetes API server cannot be asked about this token, or does not let Hark "
                "ask; come again."
            ) from None
        finally:
            asking.release()
        return self._judged((reply or {}).get("status") or {})

    def _judged(self, status: dict[str, Any]) -> str:
        user = str((status.get("user") or {}).get("username") or "")
        is_good = status.get("authenticated") is True and user.startswith(_PREFIX)
        if not is_good or self._audience not in (status.get("audiences") or []):
            return ""
        return user.removeprefix(_PREFIX).replace(":", "/")


def _claimed(token: str) -> str:
    """Whom the token says it is of, `namespace/name`; believed by nobody."""
    parts = token.split(".")
    subject = ""
    if len(token) <= _LONGEST and len(parts) == _PARTS:
        try:
            claims = base64.urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4))
            subject = text_of(json_object(claims.decode()), "sub")
        except (ValueError, Malformed):
            subject = ""
    if not subject.startswith(_PREFIX):
        raise NotProven(
            "Show the token of a Kubernetes ServiceAccount in the header Authorization: Bearer."
        )
    return subject.removeprefix(_PREFIX).replace(":", "/")
