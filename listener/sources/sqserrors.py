"""What a failed call to SQS means for the listener.

Fed by sqs, which wraps each call in `translated`; feeds Retry or GiveUp with a sentence. The
codes are those of the Amazon SQS API Reference (errors of each action, common errors). SQS names
most errors twice, as QueueDoesNotExist and AWS.SimpleQueueService.NonExistentQueue, and which one
the SDK shows depends on its version, so both are known here. Only codes and names go into a
sentence, never what a reply says.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus
from typing import TYPE_CHECKING

from externalsecret.errors import GiveUp, HarkError, Retry

if TYPE_CHECKING:
    from botocore.exceptions import BotoCoreError, ClientError

_MISSING = frozenset(("QueueDoesNotExist", "NonExistentQueue", "InvalidAddress"))
_THROTTLED = frozenset(
    (
        "KmsThrottled",
        "OverLimit",
        "RequestLimitExceeded",
        "RequestThrottled",
        "Throttling",
        "ThrottlingException",
        "TooManyRequestsException",
    )
)
_CREDENTIALS = frozenset(
    (
        "ExpiredToken",
        "ExpiredTokenException",
        "IncompleteSignature",
        "InvalidAccessKeyId",
        "InvalidClientTokenId",
        "InvalidSignatureException",
        "MissingAuthenticationToken",
        "RequestExpired",
        "SignatureDoesNotMatch",
        "UnrecognizedClientException",
    )
)
_AWAY = frozenset(("InternalError", "InternalFailure", "RequestTimeout", "ServiceUnavailable"))
_DENIED_STATUSES = frozenset((HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN))
_CREDENTIALS_ADVICE = (
    "Check the role of Hark's ServiceAccount (EKS Pod Identity or IRSA), or the AWS_* environment."
)


@contextmanager
def translated(queue: str) -> Iterator[None]:
    """Turn what the SDK raises inside into Retry or GiveUp about this queue."""
    # The SDK is loaded only by those who have an SQS queue: it takes 34 MiB.
    from botocore.exceptions import BotoCoreError, ClientError  # noqa: PLC0415

    try:
        yield
    except ClientError as error:
        raise _refused(error, queue) from error
    except BotoCoreError as error:
        raise _not_sent(error, queue) from error


def _refused(error: "ClientError", queue: str) -> HarkError:
    code = error.response.get("Error", {}).get("Code", "")
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    operation = error.operation_name
    word = _last_word(code)
    said = f"{operation} on the SQS queue {queue} failed ({code or status})"
    if word in _THROTTLED or status == HTTPStatus.TOO_MANY_REQUESTS:
        return Retry(f"{said}: AWS asks to slow down. It passes by itself.", reason="Throttled")
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR or word in _AWAY:
        return Retry(f"{said}: SQS has trouble. It passes by itself.", reason="QueueAway")
    if operation.startswith("AssumeRole"):
        return GiveUp(
            f"{operation} failed ({code or status}), so there are no credentials for the SQS queue "
            f"{queue}. Check that the role exists and trusts Hark's ServiceAccount.",
            reason="NoCredentials",
        )
    return _refused_for_good(said, code=code, status=status, operation=operation)


def _refused_for_good(said: str, *, code: str, status: int, operation: str) -> HarkError:
    word = _last_word(code)
    if word in _MISSING:
        return GiveUp(
            f"{said}: there is no such queue. Check region, account and name in the queue URL, and "
            "that the stack that makes the queue is installed.",
            reason="QueueMissing",
        )
    if word in _CREDENTIALS:
        return GiveUp(
            f"{said}: AWS does not accept the credentials. {_CREDENTIALS_ADVICE} Where they are "
            "right, compare the node's clock.",
            reason="NoCredentials",
        )
    if code.upper().startswith("KMS"):
        return GiveUp(
            f"{said}: the queue's KMS key cannot be used. Allow kms:Decrypt on it to Hark's role, "
            "and see that it is enabled.",
            reason="QueueDenied",
        )
    if "AccessDenied" in word or status in _DENIED_STATUSES:
        return GiveUp(
            f"{said}: Hark's role may not do this. Allow it sqs:ReceiveMessage, sqs:DeleteMessage, "
            "sqs:ChangeMessageVisibility and sqs:GetQueueAttributes on the queue.",
            reason="QueueDenied",
        )
    return GiveUp(
        f"{said}: SQS refuses the request. Look {code or status} up under {operation} in the "
        "Amazon SQS API Reference, and check the queue URL.",
        reason="QueueRefused",
    )


def _not_sent(error: "BotoCoreError", queue: str) -> HarkError:
    from botocore import exceptions as sdk  # noqa: PLC0415 - as in `translated`

    what = type(error).__name__
    if isinstance(error, (sdk.NoCredentialsError, sdk.PartialCredentialsError)):
        return GiveUp(
            f"There are no AWS credentials for the SQS queue {queue} ({what}). "
            f"{_CREDENTIALS_ADVICE}",
            reason="NoCredentials",
        )
    if isinstance(error, (sdk.CredentialRetrievalError, sdk.MetadataRetrievalError)):
        return Retry(
            f"AWS gave no credentials for the SQS queue {queue} just now ({what}). If this stays: "
            f"{_CREDENTIALS_ADVICE}",
            reason="NoCredentials",
        )
    if isinstance(error, (sdk.HTTPClientError, sdk.ConnectionError)):
        return Retry(
            f"The SQS queue {queue} cannot be reached ({what}). If this stays: check DNS, network "
            "policies, proxy settings and VPC endpoints between the cluster and SQS.",
            reason="QueueAway",
        )
    return GiveUp(
        f"The AWS SDK cannot make a request for the SQS queue {queue} ({what}). Check the queue "
        "URL and the AWS_* environment.",
        reason="InvalidSetting",
    )


def _last_word(code: str) -> str:
    return code.rsplit(".", maxsplit=1)[-1]
