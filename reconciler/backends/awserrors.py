"""Translates what botocore raises into Retry and GiveUp.

Used around every AWS call of the backends. AWS's own text stands first and unchanged, because users
of KES know it from their status; what to do follows. Request ids are cut, so that a text repeats
itself from try to try. Guarantees that no text comes from an answer that was not AWS's, and that
the SDK's exception, which may hold a whole answer, is not shown with ours.

AWS facts: "Common errors" and the errors of each action in the Secrets Manager, Systems Manager and
STS API references.
"""

import re
import urllib.parse
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from botocore import exceptions
from botocore.parsers import ResponseParserError

from externalsecret.errors import GiveUp, HarkError, Retry
from reconciler.backends import reasons

_REASONS = {
    "ResourceNotFoundException": reasons.NOT_FOUND,
    "ParameterNotFound": reasons.NOT_FOUND,
    "ParameterVersionNotFound": reasons.NOT_FOUND,
    "AccessDeniedException": reasons.DENIED,
    "AccessDenied": reasons.DENIED,
    "UnauthorizedOperation": reasons.DENIED,
    "OptInRequired": reasons.DENIED,
    "ThrottlingException": reasons.THROTTLED,
    "Throttling": reasons.THROTTLED,
    "TooManyRequestsException": reasons.THROTTLED,
    "RequestLimitExceeded": reasons.THROTTLED,
    "LimitExceededException": reasons.THROTTLED,
    "InternalServiceError": reasons.UNAVAILABLE,
    "InternalServerError": reasons.UNAVAILABLE,
    "InternalFailure": reasons.UNAVAILABLE,
    "ServiceUnavailable": reasons.UNAVAILABLE,
    "UnrecognizedClientException": reasons.NO_CREDENTIALS,
    "InvalidClientTokenId": reasons.NO_CREDENTIALS,
    "ExpiredToken": reasons.NO_CREDENTIALS,
    "ExpiredTokenException": reasons.NO_CREDENTIALS,
    "RequestExpired": reasons.NO_CREDENTIALS,
    "InvalidSignatureException": reasons.NO_CREDENTIALS,
    "SignatureDoesNotMatch": reasons.NO_CREDENTIALS,
    "IncompleteSignature": reasons.NO_CREDENTIALS,
    "MissingAuthenticationToken": reasons.NO_CREDENTIALS,
    "InvalidParameterException": reasons.INVALID_KEY,
    "ValidationException": reasons.INVALID_KEY,
    "ValidationError": reasons.INVALID_KEY,
    "DecryptionFailure": reasons.KMS_DENIED,
    "InvalidKeyId": reasons.KMS_DENIED,
    "InvalidFilterKey": reasons.INVALID_KEY,
    "InvalidFilterOption": reasons.INVALID_KEY,
    "InvalidFilterValue": reasons.INVALID_KEY,
}
_PASSING = frozenset(
    (reasons.THROTTLED, reasons.UNAVAILABLE, reasons.UNREACHABLE, reasons.NO_CREDENTIALS)
)
_ADVICE = {
    reasons.NOT_FOUND: "Create {subject} or that version of it, or correct it in the "
    "ExternalSecret.",
    reasons.DENIED: "Allow {operation} for {subject} in the policies of the role that reads it.",
    reasons.ROLE_DENIED: "Let the role's trust policy admit Hark's own identity, and let that "
    "identity call sts:AssumeRole; or correct spec.roleArn.",
    reasons.MARKED_FOR_DELETION: "Restore {subject}, or drop it from the ExternalSecret.",
    reasons.INVALID_KEY: "Correct {subject} in the ExternalSecret.",
    reasons.KMS_DENIED: "Allow kms:Decrypt with the key of {subject} for the role that reads it, "
    "in the role's policies and in the key's, and see that the key is enabled.",
    reasons.NO_CREDENTIALS: "Check the AWS credentials that Hark runs with, and the clock.",
}
_DELETED = re.compile(r"mark\w* (for deletion|deleted)|scheduled for deletion", re.IGNORECASE)
_KMS = re.compile(r"\bKMS\b|customer master key|ciphertext", re.IGNORECASE)
_REQUEST_ID = re.compile(r"[;,]?\s*\(?\brequest ?id\s*[:=]\s*[\w-]+\)?", re.IGNORECASE)
_SECONDS = re.compile(r"\d{1,6}(\.\d+)?")
_MOST_SECONDS = 300.0
_MOST_CHARACTERS = 1000
_SERVER_ERROR = 500
_BY_STATUS = {401: reasons.DENIED, 403: reasons.DENIED, 429: reasons.THROTTLED}
_NO_MESSAGE = frozenset(("", "null", "None", "Unknown"))


@contextmanager
def translated(subject: str) -> Iterator[None]:
    """Raise Retry or GiveUp for what the SDK raises inside; `subject` names what is asked for."""
    try:
        yield
    except exceptions.ClientError as error:
        raise _from_answer(error, subject) from None
    except exceptions.BotoCoreError as error:
        raise _from_sdk(error, subject) from None
    except ResponseParserError:
        raise Retry(
            "The AWS endpoint gave an answer that is not AWS's: check the endpoint and what "
            "stands before it.",
            reason=reasons.UNAVAILABLE,
        ) from None


def parameter_not_found(subject: str) -> GiveUp:
    """What KES's users read where AWS says nothing more."""
    return GiveUp(f"ParameterNotFound: {subject} could not be found.", reason=reasons.NOT_FOUND)


def _from_answer(error: exceptions.ClientError, subject: str) -> HarkError:
    answer: Mapping[str, Any] = error.response
    code = str(answer.get("Error", {}).get("Code", ""))
    said = _clean(str(answer.get("Error", {}).get("Message", "")))
    about: Mapping[str, Any] = answer.get("ResponseMetadata", {})
    status = int(about.get("HTTPStatusCode") or 0)
    if code == "ParameterNotFound" and said in _NO_MESSAGE:
        return parameter_not_found(subject)
    if not code or (code.isascii() and code.isdecimal()) or said.startswith("<"):
        said = f"The AWS endpoint answered {error.operation_name} with HTTP status {status}."
    elif said in _NO_MESSAGE:
        said = f"{code} at {error.operation_name}."
    reason = _reason(code, said, status, error.operation_name)
    advice = _ADVICE.get(reason, "").format(
        subject=subject, operation=f"the action {error.operation_name}"
    )
    message = f"{said} {advice}".strip()
    if reason in _PASSING:
        return Retry(message, reason=reason, after=_retry_after(about.get("HTTPHeaders", {})))
    return GiveUp(message, reason=reason)


def _reason(code: str, said: str, status: int, operation: str) -> str:
    reason = _REASONS.get(code) or _BY_STATUS.get(status)
    if reason is None and status >= _SERVER_ERROR:
        return reasons.UNAVAILABLE
    if operation == "AssumeRole" and reason in {reasons.DENIED, reasons.INVALID_KEY}:
        return reasons.ROLE_DENIED
    if code == "InvalidRequestException" and _DELETED.search(said):
        return reasons.MARKED_FOR_DELETION
    if reason == reasons.DENIED and _KMS.search(said):
        return reasons.KMS_DENIED
    return reason or reasons.REFUSED


def _from_sdk(error: exceptions.BotoCoreError, subject: str) -> HarkError:
    kind = type(error).__name__
    if isinstance(error, exceptions.ParamValidationError):
        said = _clean(str(error))
        advice = (
            " Correct spec.roleArn, which is like arn:aws:iam::123456789012:role/app."
            if "RoleArn" in said
            else ""
        )
        return GiveUp(f"AWS cannot be asked for {subject}: {said}{advice}", reason="InvalidKey")
    if isinstance(error, exceptions.NoRegionError | exceptions.InvalidRegionError):
        return GiveUp(
            "The region is no AWS region: correct spec.region or AWS_REGION.",
            reason=reasons.INVALID_REGION,
        )
    if isinstance(
        error,
        exceptions.NoCredentialsError
        | exceptions.PartialCredentialsError
        | exceptions.CredentialRetrievalError,
    ):
        return Retry(
            f"AWS credentials cannot be had ({kind}). {_ADVICE[reasons.NO_CREDENTIALS]}",
            reason=reasons.NO_CREDENTIALS,
        )
    if isinstance(error, exceptions.ConnectionError | exceptions.HTTPClientError):
        return Retry(
            f"AWS did not answer ({kind}{_host(error)}): check the region, the endpoint and the "
            "network in between.",
            reason=reasons.UNREACHABLE,
        )
    return Retry(f"The AWS SDK could not ask for {subject} ({kind}).", reason=reasons.UNAVAILABLE)


def _host(error: exceptions.BotoCoreError) -> str:
    host = urllib.parse.urlsplit(str(error.kwargs.get("endpoint_url") or "")).hostname
    return f" at {host}" if host else ""


def _clean(text: str) -> str:
    return " ".join(_REQUEST_ID.sub("", text).split())[:_MOST_CHARACTERS]


def _retry_after(headers: Mapping[str, str]) -> float | None:
    named = headers.get("retry-after", "")
    return min(float(named), _MOST_SECONDS) if _SECONDS.fullmatch(named) else None
