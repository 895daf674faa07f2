"""What a failed call to a storage queue means for the listener.

Fed by storagequeue, which wraps each call in `translated`; feeds Retry or GiveUp with a sentence,
and MessageGone. Only codes go into a sentence, never what an answer says, and the SDK's exception,
which holds a whole answer, is not shown with ours.

Azure pages: "Common REST API error codes" and "Queue Storage error codes".
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus
from xml.etree.ElementTree import ParseError

from azure.core.exceptions import (
    AzureError,
    DecodeError,
    HttpResponseError,
    ServiceRequestError,
    ServiceResponseError,
)

from externalsecret.errors import GiveUp, HarkError, Retry

QUEUE_MISSING = "QueueMissing"

_GONE = frozenset(("MessageNotFound", "PopReceiptMismatch"))
_MISSING = frozenset(("QueueNotFound", "QueueBeingDeleted", "QueueDisabled"))
_AWAY = frozenset(("InternalError", "OperationTimedOut"))
_THROTTLED = frozenset(("ServerBusy", "AccountBeingThrottled"))
_BLOCKED = frozenset(("AuthorizationFailure", "AuthorizationSourceIPMismatch"))
_CODE = re.compile(r"[A-Za-z]{1,60}")
_IDENTITY = (
    "Give Hark's identity the role Storage Queue Data Contributor on the queue (or Storage Queue "
    "Data Message Processor, and Sender on its poison queue). It may take ten minutes to have "
    "effect."
)


class MessageGone(Exception):
    """The message is not ours any more: deleted, expired, or handed out anew."""


@contextmanager
def translated(queue: str) -> Iterator[None]:
    """Turn what the SDK raises inside into Retry, GiveUp or MessageGone."""
    try:
        yield
    except (DecodeError, ParseError):
        raise Retry(
            f"What answers for the storage queue {queue} is no storage queue: check the URL, and "
            "what stands before it.",
            reason="QueueAway",
        ) from None
    except HttpResponseError as error:
        raise _refused(error, queue) from None
    except (ServiceRequestError, ServiceResponseError) as error:
        raise Retry(
            f"The storage queue {queue} cannot be reached ({type(error).__name__}). If this stays: "
            "check DNS, network policies, proxy settings and private endpoints between the cluster "
            "and the storage account.",
            reason="QueueAway",
        ) from None
    except (AzureError, ValueError) as error:
        # ValueError: of a client that was closed meanwhile.
        raise Retry(
            f"The storage queue {queue} could not be asked ({type(error).__name__}).",
            reason="QueueAway",
        ) from None


def _refused(error: HttpResponseError, queue: str) -> HarkError | MessageGone:
    status = int(error.status_code or 0)
    code = _code(error)
    said = f"The storage queue {queue} refused ({code or status})"
    if code in _GONE:
        return MessageGone()
    if code in _THROTTLED or status == HTTPStatus.TOO_MANY_REQUESTS:
        return Retry(f"{said}: Azure asks to slow down. It passes by itself.", reason="Throttled")
    if (
        code in _AWAY
        or status >= HTTPStatus.INTERNAL_SERVER_ERROR
        or status == HTTPStatus.REQUEST_TIMEOUT
    ):
        return Retry(f"{said}: Azure has trouble. It passes by itself.", reason="QueueAway")
    return _refused_for_good(said, code, status)


def _refused_for_good(said: str, code: str, status: int) -> HarkError:
    if code in _MISSING or status == HTTPStatus.NOT_FOUND:
        return GiveUp(
            f"{said}: there is no such queue. Check account and name in its URL, and that it was "
            "made.",
            reason=QUEUE_MISSING,
        )
    if code in _BLOCKED:
        return GiveUp(
            f"{said}: either the storage account's network settings keep Hark out, or its identity "
            f"may not do this. Allow Hark's address or make a private endpoint. {_IDENTITY}",
            reason="QueueDenied",
        )
    if status == HTTPStatus.UNAUTHORIZED or code == "AuthenticationFailed":
        return GiveUp(
            f"{said}: Azure does not accept the credentials. Check AZURE_TENANT_ID and "
            "AZURE_ENVIRONMENT, or the key or SAS in HARK_AZURE_STORAGE_CONNECTION_STRING. Where "
            "they are right, compare the node's clock.",
            reason="NoCredentials",
        )
    if code == "KeyBasedAuthenticationNotPermitted":
        return GiveUp(
            f"{said}: the storage account takes no keys. Leave "
            f"HARK_AZURE_STORAGE_CONNECTION_STRING out. {_IDENTITY}",
            reason="QueueDenied",
        )
    if status == HTTPStatus.FORBIDDEN:
        return GiveUp(f"{said}: Hark may not do this. {_IDENTITY}", reason="QueueDenied")
    return GiveUp(
        f"{said}. Look {code or status} up under the error codes of Azure's Queue Storage, and "
        "check the queue's URL.",
        reason="QueueRefused",
    )


def _code(error: HttpResponseError) -> str:
    code = getattr(error, "error_code", None)
    text = str(getattr(code, "value", code) or "")
    return text if _CODE.fullmatch(text) else ""
