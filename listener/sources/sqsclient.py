"""The boto3 client for one SQS queue: where it sends, how long it waits, how often it tries.

Fed by a queue's URL and settings; feeds sqs. Credentials come from wherever the SDK finds them
(pod identity, IRSA, environment). No call is made here. boto3 is loaded at the first call of
`make_client`, so that those who have no SQS queue need neither the package nor its 34 MiB.
"""

import os
from typing import TYPE_CHECKING

from externalsecret.errors import GiveUp
from listener.sources.queueurl import QueueUrl
from listener.sources.sqserrors import translated

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient

_CONNECT_SECONDS = 5
_READ_MARGIN_SECONDS = 10
# The listener's loop backs off by itself; the SDK only mends what a second try mends.
_CALLS_PER_REQUEST = 2


def make_client(
    queue: QueueUrl, region: str | None, endpoint_url: str | None, wait_seconds: int
) -> "SQSClient":
    """Make a client, which threads may share; GiveUp (InvalidSetting, MissingPart) if impossible.

    The region is the URL's own, else the argument's, else AWS_REGION, else what the SDK finds.
    """
    try:
        import boto3  # noqa: PLC0415 - see the module's docstring
        from botocore.config import Config  # noqa: PLC0415
    except ImportError as error:
        raise GiveUp(
            "SQS needs boto3. Install Hark with its extra 'aws'.", reason="MissingPart"
        ) from error
    config = Config(
        connect_timeout=_CONNECT_SECONDS,
        # A long poll that is answered at its very end must not look like a dead line.
        read_timeout=wait_seconds + _READ_MARGIN_SECONDS,
        retries={"mode": "standard", "total_max_attempts": _CALLS_PER_REQUEST},
        tcp_keepalive=True,
    )
    endpoint = endpoint_url or queue.endpoint
    with translated(queue.name):
        session = boto3.Session()
        where = _region(queue, region) or os.environ.get("AWS_REGION") or session.region_name
        if not where:
            raise GiveUp(
                f"The queue URL {queue.url} does not name its region. Set AWS_REGION.",
                reason="InvalidSetting",
            )
        try:
            return session.client("sqs", region_name=where, endpoint_url=endpoint, config=config)
        except ValueError as error:
            # The SDK checks the endpoint's form, and says so in this way.
            raise GiveUp(
                f"Neither region {where!r} nor endpoint {endpoint!r} may be malformed: the AWS SDK "
                f"refuses one of them for the queue {queue.name}.",
                reason="InvalidSetting",
            ) from error


def _region(queue: QueueUrl, region: str | None) -> str | None:
    if region and queue.region and region != queue.region:
        raise GiveUp(
            f"The queue URL {queue.url} is in {queue.region}, but its region is set to {region}. "
            "Leave the setting out.",
            reason="InvalidSetting",
        )
    return queue.region or region
