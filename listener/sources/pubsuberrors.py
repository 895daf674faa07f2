"""What a failed call to Pub/Sub means for the listener.

Fed by pubsub, which wraps each call in `translated`; feeds Retry or GiveUp with a sentence. Only
codes and names go into a sentence, never what a reply says.

Google pages: "Pub/Sub error codes", "Troubleshooting a pull subscription"; gRPC status codes;
google.rpc.ErrorInfo.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from externalsecret.errors import GiveUp, HarkError, Retry
from listener.sources.subscription import Subscription

if TYPE_CHECKING:
    from google.api_core.exceptions import GoogleAPICallError

_AWAY = frozenset(
    ("UNAVAILABLE", "DEADLINE_EXCEEDED", "INTERNAL", "ABORTED", "CANCELLED", "UNKNOWN")
)
_CREDENTIALS_ADVICE = (
    "Check the Google credentials of Hark's listener: workload identity, or "
    "GOOGLE_APPLICATION_CREDENTIALS."
)
# What gRPC says where credentials could not be had before a call.
_NO_TOKEN = "metadata from plugin"  # noqa: S105 - a part of a sentence


@contextmanager
def translated(subscription: Subscription) -> Iterator[None]:
    """Turn what the SDK raises inside into Retry or GiveUp about this subscription."""
    # The SDK is loaded only by those who have a subscription.
    from google.api_core.exceptions import GoogleAPICallError  # noqa: PLC0415
    from google.auth.exceptions import GoogleAuthError  # noqa: PLC0415

    try:
        yield
    except GoogleAPICallError as error:
        raise _refused(error, subscription) from None
    except GoogleAuthError as error:
        raise Retry(
            f"There are no Google credentials for the Pub/Sub subscription {subscription.short} "
            f"({type(error).__name__}). {_CREDENTIALS_ADVICE}",
            reason="NoCredentials",
        ) from None
    except ValueError as error:
        if "closed channel" not in str(error):
            raise
        raise Retry(
            f"The connection to the Pub/Sub subscription {subscription.short} was closed.",
            reason="QueueAway",
        ) from None


def refused_ids(error: "GoogleAPICallError") -> frozenset[str]:
    """The ack ids that a call failed for while it worked for the others; empty where it failed as
    a whole.
    """
    told = error.metadata or {}
    return frozenset(
        ack_id for ack_id, why in told.items() if str(why).startswith(("PERMANENT_", "TRANSIENT_"))
    )


def _status_of(error: "GoogleAPICallError") -> str:
    """The name of the gRPC status, such as NOT_FOUND; UNKNOWN where there is none."""
    status = error.grpc_status_code
    return "UNKNOWN" if status is None else str(status.name)


def _refused(error: "GoogleAPICallError", subscription: Subscription) -> HarkError:
    code = _status_of(error)
    said = f"A call to the Pub/Sub subscription {subscription.short} failed ({code})"
    if code in _AWAY and _NO_TOKEN in str(error.message):
        return Retry(
            f"{said}: Google gave no token just now. If this stays: {_CREDENTIALS_ADVICE}",
            reason="NoCredentials",
        )
    if code == "RESOURCE_EXHAUSTED":
        return Retry(
            f"{said}: Google asks to slow down. It passes by itself; if it does not, look at the "
            "project's Pub/Sub quotas.",
            reason="Throttled",
        )
    if code in _AWAY:
        return Retry(
            f"{said}: Pub/Sub has trouble or cannot be reached. If this stays: check DNS, network "
            "policies, https_proxy and no_proxy between the cluster and pubsub.googleapis.com.",
            reason="QueueAway",
        )
    return _refused_for_good(said, code, error, subscription)


def _refused_for_good(
    said: str, code: str, error: "GoogleAPICallError", subscription: Subscription
) -> HarkError:
    if error.reason == "SERVICE_DISABLED":
        return GiveUp(
            f"{said}: the Pub/Sub API is off. Enable pubsub.googleapis.com in the project "
            f"{subscription.project}.",
            reason="QueueDenied",
        )
    if error.reason == "ACCESS_TOKEN_SCOPE_INSUFFICIENT":
        return GiveUp(
            f"{said}: the nodes' tokens are not good for Pub/Sub. Give the nodes the OAuth scope "
            "cloud-platform, or use workload identity.",
            reason="QueueDenied",
        )
    if code == "NOT_FOUND":
        return GiveUp(
            f"{said}: there is no such subscription. Create it, or correct project and name. One "
            "that nobody pulled from for 31 days is deleted by Google unless it never expires.",
            reason="QueueMissing",
        )
    if code == "PERMISSION_DENIED":
        return GiveUp(
            f"{said}: Hark's Google identity may not do this. Give it the role Pub/Sub Subscriber "
            "(roles/pubsub.subscriber) on the subscription, and see that it is there: Google does "
            "not always tell.",
            reason="QueueDenied",
        )
    if code == "UNAUTHENTICATED":
        return GiveUp(
            f"{said}: Google does not accept the credentials. {_CREDENTIALS_ADVICE} Where they are "
            "right, compare the node's clock.",
            reason="NoCredentials",
        )
    return GiveUp(
        f"{said}: Pub/Sub refuses the request. See that it is a pull subscription, neither "
        "pushed nor exported, and that its topic is still there.",
        reason="QueueRefused",
    )
