"""Translates what Azure's SDK raises into Retry and GiveUp.

Used around every call of keyvault. Key Vault's own text stands first, because users of KES know it
from their status; what to do follows. Guarantees that no text comes from an answer that was not Key
Vault's, and that the SDK's exception, which may hold a whole answer, is not shown with ours.

Azure facts: "Azure Key Vault REST API error codes" and the codes of its inner errors; a secret that
is expired is usually given out all the same ("About secrets"), so its refusal is seldom seen.
"""

import json
import re
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from azure.core.exceptions import (
    AzureError,
    HttpResponseError,
    ServiceRequestError,
    ServiceResponseError,
)

from externalsecret.errors import GiveUp, HarkError, Retry
from reconciler.backends import reasons

_REASONS = {
    "SecretNotFound": reasons.NOT_FOUND,
    "SecretDisabled": reasons.DISABLED,
    "SecretExpired": reasons.EXPIRED,
    "SecretNotYetValid": reasons.NOT_YET_VALID,
    "ForbiddenByFirewall": reasons.BLOCKED,
    "ForbiddenByConnection": reasons.BLOCKED,
    "BadParameter": reasons.INVALID_KEY,
}
_BY_STATUS = {
    400: reasons.INVALID_KEY,
    401: reasons.NO_CREDENTIALS,
    403: reasons.DENIED,
    404: reasons.NOT_FOUND,
    408: reasons.UNAVAILABLE,
    429: reasons.THROTTLED,
}
_BY_TEXT = (
    (re.compile(r"\bdisabled secret\b", re.IGNORECASE), reasons.DISABLED),
    (re.compile(r"\bexpired secret\b", re.IGNORECASE), reasons.EXPIRED),
    (re.compile(r"\bnot yet valid\b", re.IGNORECASE), reasons.NOT_YET_VALID),
    (re.compile(r"public network access|firewall|trusted service", re.IGNORECASE), reasons.BLOCKED),
)
_PASSING = frozenset((reasons.THROTTLED, reasons.UNAVAILABLE, reasons.NO_CREDENTIALS))
_ADVICE = {
    reasons.NOT_FOUND: "Create it, correct it in the ExternalSecret, or if it was deleted bring it "
    "back: az keyvault secret recover --vault-name {vault} --name {name}",
    reasons.DENIED: "Give Hark's identity the role Key Vault Secrets User on the key vault "
    "{vault}, or, where that works with access policies, the secret permissions get and list. It "
    "may take ten minutes to have effect.",
    reasons.DISABLED: "The newest version of {subject} is disabled, or the one that is asked for: "
    "enable it, or put a new version into the vault.",
    reasons.EXPIRED: "Put a new version of {subject} into the vault, or give it a later date of "
    "expiry.",
    reasons.NOT_YET_VALID: "Wait for the activation date of {subject}, or set an earlier one.",
    reasons.BLOCKED: "Let Hark in: allow its address in the network settings of the key vault "
    "{vault}, or give the vault a private endpoint in Hark's network.",
    reasons.INVALID_KEY: "Correct {subject} in the ExternalSecret.",
    reasons.NO_CREDENTIALS: "Check that AZURE_TENANT_ID is the tenant of the key vault {vault}, "
    "and AZURE_ENVIRONMENT its cloud.",
}
_UNKNOWN_HOST = re.compile(
    r"NameResolutionError|Failed to resolve|Name or service not known|Temporary failure in name"
)
_CLOSED = "already been closed"
_SECONDS = re.compile(r"\d{1,6}(\.\d+)?")
_MOST_SECONDS = 300.0
_MOST_CHARACTERS = 700
_SERVER_ERROR = 500


@dataclass(frozen=True, slots=True)
class Target:
    """What is asked, for messages."""

    vault: str
    host: str
    name: str = ""
    proxy: str = ""
    """As AzureSettings.proxy."""

    def subject(self) -> str:
        """Such as `the secret db`; the vault where no secret is named."""
        return f"the secret {self.name}" if self.name else f"the secrets of {self.vault}"


@contextmanager
def translated(target: Target) -> Iterator[None]:
    """Raise Retry or GiveUp for what the SDK raises inside."""
    try:
        yield
    except HttpResponseError as error:
        raise _from_answer(error, target) from None
    except (ServiceRequestError, ServiceResponseError) as error:
        raise _unreachable(error, target) from None
    except AzureError as error:
        raise Retry(
            f"The key vault {target.vault} could not be asked ({type(error).__name__}).",
            reason=reasons.UNAVAILABLE,
        ) from None
    except ValueError as error:
        if _CLOSED in str(error):
            raise Retry(
                f"The key vault {target.vault} was let go of meanwhile; it is read again shortly.",
                reason=reasons.UNAVAILABLE,
            ) from None
        # It would take the challenge of a stranger for Key Vault's, and bring him a token.
        raise Retry(
            f"What answers at {target.host} is no key vault of this cloud: check AZURE_ENVIRONMENT "
            "and AZURE_KEY_VAULT_DNS_SUFFIX, and what stands before it.",
            reason=reasons.UNREACHABLE,
        ) from None
    except AttributeError:
        # Known of azure-keyvault-secrets 4.12: a client has no token for an instant while the
        # vault refuses the former one of another thread.
        raise Retry(
            f"The key vault {target.vault} wants a new token; it is read again shortly.",
            reason=reasons.UNAVAILABLE,
        ) from None


def _from_answer(error: HttpResponseError, target: Target) -> HarkError:
    status = int(error.status_code or 0)
    answer = _answer(error)
    code, said = _code_of(answer), _said(answer)
    reason = _reason(code, said, status)
    advice = _ADVICE.get(reason, "").format(
        subject=target.subject(), vault=target.vault, name=target.name or "NAME"
    )
    if not said:
        said = f"{target.host} answered with HTTP status {status}."
    if target.name and target.name not in said:
        said = f"{said} ({target.subject()} of the key vault {target.vault})."
    message = f"{said} {advice}".strip()
    if reason in _PASSING:
        return Retry(message, reason=reason, after=_retry_after(error))
    return GiveUp(message, reason=reason)


def _answer(error: HttpResponseError) -> Mapping[str, Any]:
    """Key Vault's error object; empty when the answer is not Key Vault's."""
    try:
        answer = json.loads(error.response.text()) if error.response is not None else {}
        found = answer["error"]
    except (ValueError, KeyError, TypeError, AzureError):
        return {}
    return found if isinstance(found, dict) else {}


def _code_of(answer: Mapping[str, Any]) -> str:
    inner = answer.get("innererror") or answer.get("innerError")
    if isinstance(inner, dict) and inner.get("code"):
        return str(inner["code"])
    return str(answer.get("code") or "")


def _said(answer: Mapping[str, Any]) -> str:
    return " ".join(str(answer.get("message") or "").split())[:_MOST_CHARACTERS]


def _reason(code: str, said: str, status: int) -> str:
    if code in _REASONS:
        return _REASONS[code]
    if status >= _SERVER_ERROR:
        return reasons.UNAVAILABLE
    if status == 403:  # noqa: PLR2004 - older answers have no inner code
        for pattern, reason in _BY_TEXT:
            if pattern.search(said):
                return reason
    return _BY_STATUS.get(status, reasons.REFUSED)


def _unreachable(error: AzureError, target: Target) -> Retry:
    proxy = _proxy_of(target)
    through = f" through the proxy at {proxy}" if proxy else ""
    if _UNKNOWN_HOST.search(str(error)) and not proxy:
        message = (
            f"There is no host {target.host}: create the key vault {target.vault} or correct "
            "spec.keyVaultName; if it has a private endpoint, check its private DNS zone."
        )
    else:
        message = (
            f"The key vault {target.vault} did not answer at {target.host}{through} "
            f"({type(error).__name__}): check spec.keyVaultName, the network and the proxy."
        )
    return Retry(message, reason=reasons.UNREACHABLE)


def _proxy_of(target: Target) -> str:
    """Host and port of the proxy on the way, without the password that its URL may hold."""
    if urllib.request.proxy_bypass(target.host):
        return ""
    url = target.proxy or urllib.request.getproxies().get("https", "")
    try:
        parts = urlsplit(url if "://" in url else f"http://{url}")
        port = parts.port
    except ValueError:
        return "an address that is none"
    host = parts.hostname or ""
    return f"{host}:{port}" if host and port else host


def _retry_after(error: HttpResponseError) -> float | None:
    # Every response has headers; the SDK's type of it does not say so.
    headers: Mapping[str, str] = getattr(error.response, "headers", {})
    named = headers.get("Retry-After", "")
    return min(float(named), _MOST_SECONDS) if _SECONDS.fullmatch(named) else None
