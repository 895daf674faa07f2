"""What Azure's SDK raises about an Event Grid subscription, as Retry or GiveUp with a sentence.

Used around every call of listener.sources.eventgrid. Guarantees that nothing of an answer stands in
the sentence but its status, and that no exception of the SDK, which may hold a whole answer or a
request with its key, is shown with ours.

Azure pages: "Azure Event Grid's pull delivery - Overview" (roles), REST reference "Consumer
Operations".
"""

from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus
from typing import TYPE_CHECKING

from externalsecret.errors import GiveUp, HarkError, Retry

if TYPE_CHECKING:
    from azure.core.exceptions import AzureError, HttpResponseError

_PASSING = frozenset((HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.CONFLICT))
_REACH = (
    "If this stays: check the host's name, DNS, network policies, proxy settings and private "
    "endpoints between the cluster and Event Grid."
)


@contextmanager
def translated(what: str, operation: str, role: str = "EventGrid Data Receiver") -> Iterator[None]:
    """Turn what the SDK raises inside into Retry or GiveUp about this subscription or topic."""
    # The SDK is loaded only by those who have a subscription.
    from azure.core.exceptions import AzureError, HttpResponseError  # noqa: PLC0415

    try:
        yield
    except HttpResponseError as error:
        raise _refused(error, what, operation, role) from None
    except AzureError as error:
        raise _not_sent(error, what) from None
    except (AttributeError, ValueError):
        # So the SDK says that its connections were closed by another thread.
        raise Retry(
            f"The Event Grid {what} was let go of meanwhile, or answers in another language. If "
            "this stays: look at the proxy and at what else stands between the cluster and Azure.",
            reason="QueueAway",
        ) from None


def _refused(error: "HttpResponseError", what: str, operation: str, role: str) -> HarkError:
    status = error.status_code
    if status is None or status < HTTPStatus.MULTIPLE_CHOICES:
        # A good answer that cannot be read is not Event Grid's.
        return _not_sent(error, what)
    said = f"{operation} on the Event Grid {what} failed (HTTP status {status})"
    if status == HTTPStatus.TOO_MANY_REQUESTS:
        return Retry(
            f"{said}: Azure asks to slow down. It passes by itself, or the namespace needs more "
            "throughput units.",
            reason="Throttled",
        )
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR or status in _PASSING:
        return Retry(f"{said}: Event Grid has trouble. It passes by itself.", reason="QueueAway")
    return _refused_for_good(said, status, role)


def _refused_for_good(said: str, status: int, role: str) -> GiveUp:
    if status == HTTPStatus.UNAUTHORIZED:
        return GiveUp(
            f"{said}: Event Grid does not accept the credentials. Where HARK_EVENTGRID_KEY is set, "
            "give it a current key of the namespace, and see that the namespace allows keys; else "
            "check AZURE_TENANT_ID and AZURE_CLIENT_ID.",
            reason="NoCredentials",
        )
    if status == HTTPStatus.FORBIDDEN:
        return GiveUp(
            f"{said}: Hark's identity may not do this, or not from this network. Give it the role "
            f"{role} there (it may take ten minutes to have effect), and see the "
            "network settings of the namespace.",
            reason="QueueDenied",
        )
    if status in {HTTPStatus.NOT_FOUND, HTTPStatus.GONE}:
        return GiveUp(
            f"{said}: there is no such topic or no such subscription to it. Check both names in "
            "the URL, and that the subscription's delivery mode is Queue.",
            reason="QueueMissing",
        )
    return GiveUp(
        f"{said}: Event Grid refuses the request. Check the URL of the subscription.",
        reason="QueueRefused",
    )


def _not_sent(error: "AzureError", what: str) -> Retry:
    return Retry(
        f"The Event Grid {what} cannot be reached ({type(error).__name__}). {_REACH}",
        reason="QueueAway",
    )
