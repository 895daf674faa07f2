"""Translates what Google's SDK raises into Retry and GiveUp.

Used around every Google call of the backends. Google's own text stands first and unchanged, because
users know it and search for it; what to do follows. Guarantees that no text comes from an answer
that was not Google's (a proxy's page), nor from an answer that could not be understood, which may
hold a value; and that the SDK's exception, which may hold a whole answer, is not shown with ours.

Google facts: "Error model" of the API design guide (google.rpc.Code, ErrorInfo, RetryInfo);
"Troubleshooting" of the Secret Manager documentation.
"""

import re
import urllib.parse
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http import HTTPStatus
from typing import Any

import requests
from google.api_core.exceptions import GoogleAPICallError
from google.auth import exceptions as auth
from google.protobuf.json_format import ParseError

from externalsecret.errors import GiveUp, HarkError, Retry
from reconciler.backends import reasons

_REASONS = {
    "NOT_FOUND": reasons.NOT_FOUND,
    "PERMISSION_DENIED": reasons.DENIED,
    "UNAUTHENTICATED": reasons.NO_CREDENTIALS,
    "RESOURCE_EXHAUSTED": reasons.THROTTLED,
    "INVALID_ARGUMENT": reasons.INVALID_KEY,
    "OUT_OF_RANGE": reasons.INVALID_KEY,
    "UNAVAILABLE": reasons.UNAVAILABLE,
    "DEADLINE_EXCEEDED": reasons.UNAVAILABLE,
    "INTERNAL": reasons.UNAVAILABLE,
    "ABORTED": reasons.UNAVAILABLE,
    "CANCELLED": reasons.UNAVAILABLE,
    "UNKNOWN": reasons.UNAVAILABLE,
}
_BY_STATUS = {401: reasons.NO_CREDENTIALS, 403: reasons.DENIED, 429: reasons.THROTTLED}
_PASSING = frozenset((reasons.THROTTLED, reasons.UNAVAILABLE, reasons.NO_CREDENTIALS))
_ADVICE = {
    reasons.NOT_FOUND: "Create {subject} or that version of it, or correct key, version, projectId "
    "or location in the ExternalSecret.",
    reasons.DENIED: "Give Hark's Google identity the role Secret Manager Secret Accessor "
    "(roles/secretmanager.secretAccessor) on {subject} or its project.",
    reasons.API_DISABLED: "Enable the Secret Manager API (secretmanager.googleapis.com) in that "
    "project.",
    reasons.SCOPE_MISSING: "Give the nodes the OAuth scope cloud-platform, or use workload "
    "identity.",
    reasons.DISABLED: "Enable that version of {subject}, or add a new one. Google's latest is the "
    "newest version, even where it is disabled.",
    reasons.DESTROYED: "Add a new version of {subject}, or choose another one by data[].version. "
    "Google's latest is the newest version, even where it is destroyed.",
    reasons.INVALID_KEY: "Correct {subject} in the ExternalSecret.",
    reasons.KMS_DENIED: "See that the key of {subject} is enabled and that Secret Manager's own "
    "service account may decrypt with it.",
    reasons.NO_CREDENTIALS: "Check the Google credentials that Hark runs with: workload identity "
    "or GOOGLE_APPLICATION_CREDENTIALS, and the clock.",
}
_BY_INFO = {
    "SERVICE_DISABLED": reasons.API_DISABLED,
    "ACCESS_TOKEN_SCOPE_INSUFFICIENT": reasons.SCOPE_MISSING,
}
_KMS = re.compile(r"\bKMS\b|cryptoKey", re.IGNORECASE)
_STATE = re.compile(r"\b(DISABLED|DESTROYED)\b")
_SECONDS = re.compile(r"(\d{1,6}(?:\.\d+)?)s?", re.ASCII)
_MOST_SECONDS = 300.0
_MOST_CHARACTERS = 1000


@contextmanager
def translated(subject: str) -> Iterator[None]:
    """Raise Retry or GiveUp for what the SDK raises inside; `subject` names what is asked for."""
    try:
        yield
    except GoogleAPICallError as error:
        raise _from_answer(error, subject) from None
    except (auth.GoogleAuthError, requests.RequestException) as error:
        raise _from_sdk(error, subject) from None
    except (ParseError, AttributeError, TypeError, ValueError):
        # The SDK takes for granted that JSON is Google's, even the JSON of an error.
        raise foreign(subject) from None


def foreign(subject: str) -> Retry:
    """An answer that somebody else gave."""
    return Retry(
        f"The answer for {subject} is not Secret Manager's: check the endpoint, and any proxy in "
        "between.",
        reason=reasons.UNAVAILABLE,
    )


def disabled(subject: str, version: str) -> GiveUp:
    """Why a version that is listed cannot be read."""
    advice = _ADVICE[reasons.DISABLED].format(subject=subject)
    return GiveUp(f"Version {version} of {subject} is disabled. {advice}", reason=reasons.DISABLED)


def destroyed(subject: str, version: str) -> GiveUp:
    """Why a version that is listed can never be read again."""
    advice = _ADVICE[reasons.DESTROYED].format(subject=subject)
    return GiveUp(
        f"Version {version} of {subject} is destroyed. {advice}", reason=reasons.DESTROYED
    )


def _from_answer(error: GoogleAPICallError, subject: str) -> HarkError:
    status = int(error.code or 0)
    said = _said(error)
    code, message = str(said.get("status") or ""), " ".join(str(said.get("message") or "").split())
    details = [one for one in said.get("details") or () if isinstance(one, dict)]
    reason = _reason(code, message, status, details)
    if not code:
        # Not Google's own answer: its text is nobody's business.
        message = f"HTTP {status} in place of Secret Manager's answer for {subject}."
    advice = _ADVICE.get(reason, "").format(subject=subject)
    text = f"{message[:_MOST_CHARACTERS]} {advice}".strip()
    if reason in _PASSING:
        return Retry(text, reason=reason, after=_retry_after(error, details))
    return GiveUp(text, reason=reason)


def _said(error: GoogleAPICallError) -> Mapping[str, Any]:
    """The error as Google's JSON has it; empty where the answer is none."""
    try:
        body = error.response.json()
    except (AttributeError, ValueError):
        return {}
    said = body.get("error") if isinstance(body, dict) else None
    return said if isinstance(said, dict) else {}


def _reason(code: str, said: str, status: int, details: list[dict[str, Any]]) -> str:
    infos = {str(one.get("reason")) for one in details}
    found = next((_BY_INFO[info] for info in infos if info in _BY_INFO), None)
    if found is not None:
        return found
    if code == "FAILED_PRECONDITION":
        return _precondition(said)
    reason = _REASONS.get(code) or _BY_STATUS.get(status)
    if reason is None and status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return reasons.UNAVAILABLE
    return reason or reasons.REFUSED


def _precondition(said: str) -> str:
    state = _STATE.search(said)
    if _KMS.search(said):
        return reasons.KMS_DENIED
    if state is None:
        return reasons.REFUSED
    return reasons.DISABLED if state[1] == "DISABLED" else reasons.DESTROYED


def _retry_after(error: GoogleAPICallError, details: list[dict[str, Any]]) -> float | None:
    asked = [str(one.get("retryDelay")) for one in details if one.get("retryDelay")]
    headers = getattr(error.response, "headers", {})
    asked.append(str(headers.get("Retry-After", "")))
    found = [match[1] for text in asked if (match := _SECONDS.fullmatch(text))]
    return min(_MOST_SECONDS, max(map(float, found))) if found else None


def _from_sdk(error: Exception, subject: str) -> HarkError:
    kind = type(error).__name__
    if isinstance(error, requests.RequestException):
        return _unreachable(kind, _host(error))
    if isinstance(error, auth.TransportError):
        return _unreachable(kind, "")
    return Retry(
        f"Google credentials cannot be had ({kind}). {_ADVICE[reasons.NO_CREDENTIALS]}".replace(
            "{subject}", subject
        ),
        reason=reasons.NO_CREDENTIALS,
    )


def _unreachable(kind: str, host: str) -> Retry:
    at = f" at {host}" if host else ""
    return Retry(
        f"Google did not answer ({kind}{at}): check spec.location, the endpoint, the proxy and the "
        "network in between.",
        reason=reasons.UNREACHABLE,
    )


def _host(error: requests.RequestException) -> str:
    url = getattr(error.request, "url", None) or ""
    return urllib.parse.urlsplit(str(url)).hostname or ""
