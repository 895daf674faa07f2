"""Translates what Vault answers, and what its SDK raises, into Retry and GiveUp.

Fed by vaultwire, vaultlogin and vault. Vault's first error stands first and unchanged, or `Status
404`, because users of kubernetes-external-secrets know both from their status; what to do follows.
Guarantees that nothing of an answer but its `errors` and `warnings` is shown, and those no longer
than a sentence or two; Vault puts no values there.

Vault facts: "HTTP status codes" and "Error response" of the HTTP API page; 412 tells that a node
has not caught up yet, 472 and 473 that it is a standby, 503 that it is sealed.
"""

import re
from collections.abc import Mapping
from typing import Any

from externalsecret.errors import GiveUp, HarkError, Retry
from reconciler.backends import reasons

_BAD_REQUEST = 400
_MISSING = 404
_SEALED = 503
_SERVER_ERROR = 500
_PASSING = frozenset((412, 425, 472, 473))
_UPGRADING = re.compile(r"upgrading from non-versioned", re.IGNORECASE)
_SECONDS = re.compile(r"\d{1,6}(\.\d+)?")
_MOST_SECONDS = 300.0
_MOST_CHARACTERS = 500


def said_by(answer: Mapping[str, Any] | None) -> str:
    """The first error, or else the first warning, of an answer; "" where there is none."""
    for name in ("errors", "warnings"):
        found = None if answer is None else answer.get(name)
        if isinstance(found, list) and found and isinstance(found[0], str):
            return " ".join(found[0].split())[:_MOST_CHARACTERS]
    return ""


def refusal(
    status: int, answer: Mapping[str, Any] | None, subject: str, headers: Mapping[str, str]
) -> HarkError:
    """What an answer that is no success means for `subject`, which names what was asked for."""
    said = _ended(said_by(answer))
    if status == 429:  # noqa: PLR2004 - HTTP's own number
        said = said or "Vault limits how often it is asked."
        return Retry(said, reason=reasons.THROTTLED, after=_retry_after(headers))
    if status == _SEALED:
        said = said or "Vault is sealed or in maintenance."
        unsealed = f"{said} It must be unsealed."
        return Retry(unsealed, reason=reasons.UNAVAILABLE, after=_retry_after(headers))
    if status in _PASSING or status >= _SERVER_ERROR or _UPGRADING.search(said):
        said = said or f"Vault answered with HTTP status {status}."
        return Retry(said, reason=reasons.UNAVAILABLE, after=_retry_after(headers))
    if status == _MISSING:
        return GiveUp(
            f"Status 404: {said + ' ' if said else ''}There is no {subject} in Vault. Create it, "
            "or correct it in the ExternalSecret.",
            reason=reasons.NOT_FOUND,
        )
    if status in {401, 403}:
        return GiveUp(
            f"{said or 'permission denied.'} Allow read for {subject} in the policies of the Vault "
            "role that reads it.",
            reason=reasons.DENIED,
        )
    said = said or f"Vault answered with HTTP status {status}."
    return GiveUp(
        f"{said} {subject[0].upper()}{subject[1:]} cannot be read like that: correct it in the "
        "ExternalSecret.",
        reason=reasons.INVALID_KEY if status == _BAD_REQUEST else reasons.REFUSED,
    )


def login_refused(
    status: int, answer: Mapping[str, Any] | None, who: str, headers: Mapping[str, str]
) -> HarkError:
    """Why a login failed; `who` tells the role and where it was tried."""
    if status < _SERVER_ERROR and status != 429 and status not in _PASSING:  # noqa: PLR2004
        said = _ended(said_by(answer)) or f"Status {status}."
        return GiveUp(
            f"{said} Vault refused the login of {who}: correct spec.vaultRole and "
            "spec.vaultMountPoint, or let that role admit Hark's own identity.",
            reason=reasons.ROLE_DENIED,
        )
    return refusal(status, answer, who, headers)


def unreachable(host: str, kind: str) -> Retry:
    """No answer came, or none could come; `kind` is the class of what the SDK raised."""
    more = ", and that VAULT_CACERT names the authority of its certificate" if "SSL" in kind else ""
    return Retry(
        f"Vault did not answer at {host} ({kind}): check VAULT_ADDR and the network in between"
        f"{more}.",
        reason=reasons.UNREACHABLE,
    )


def foreign(host: str) -> Retry:
    """An answer that is not Vault's."""
    return Retry(
        f"What answered at {host} is not Vault: check VAULT_ADDR and what stands before it.",
        reason=reasons.UNAVAILABLE,
    )


def _ended(said: str) -> str:
    return said if not said or said.endswith((".", "!", "?")) else f"{said}."


def _retry_after(headers: Mapping[str, str]) -> float | None:
    named = headers.get("Retry-After", "")
    return min(float(named), _MOST_SECONDS) if _SECONDS.fullmatch(named) else None
