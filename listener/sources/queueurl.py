"""What the URL of an SQS queue says: region, account, name, and where to send requests.

Fed by a setting; feeds sqs. Pure. AWS's own hosts name their region (Amazon SQS Developer Guide,
queue identifiers; General Reference, Amazon SQS endpoints, where the legacy hosts stand). Any other
host (an emulator, a private name) is taken as the endpoint itself, and the region must come from
elsewhere. It does not look whether the queue exists.
"""

import re
import urllib.parse
from dataclasses import dataclass

from externalsecret.errors import GiveUp

_REGION = r"(?P<region>[a-z]+(?:-[a-z]+)+-\d+)"
_PUBLIC_HOST = re.compile(rf"sqs\.{_REGION}\.amazonaws\.(?:com|com\.cn|eu)")
_LEGACY_HOST = re.compile(rf"(?:{_REGION}\.)?queue\.amazonaws\.com(?:\.cn)?")
_LEGACY_REGION = "us-east-1"
# VPC endpoints, FIPS and dual-stack hosts, other partitions, and emulators that imitate them.
_HOST_WITH_REGION = re.compile(rf"(?:vpce-[a-z0-9-]+\.)?sqs(?:-fips)?\.{_REGION}\..+")
_PATH = re.compile(r"/(?P<account>\d{12})/(?P<name>[A-Za-z0-9_-]{1,80}(?:\.fifo)?)")
QUEUE_URL_EXAMPLE = "https://sqs.eu-central-1.amazonaws.com/123456789012/name"


@dataclass(frozen=True, slots=True)
class QueueUrl:
    """A queue's URL and what it says."""

    url: str
    name: str
    account: str
    region: str | None
    """None where the host does not name one."""
    endpoint: str | None
    """Where to send requests; None leaves it to the SDK, which knows AWS's public hosts."""

    @property
    def label(self) -> str:
        """The queue in logs, metrics and names of threads, where no other has its name."""
        return f"sqs:{self.name}"

    @property
    def full_label(self) -> str:
        """As `label`, for queues of one name: URLs differ in the host or the account."""
        host = self.region or urllib.parse.urlsplit(self.url).netloc
        return f"sqs:{host}/{self.account}/{self.name}"


def parse_queue_url(url: str) -> QueueUrl:
    """Take a queue's URL apart; GiveUp (InvalidSetting) if it is none."""
    # A user's name or password in a URL must not end in an error text either.
    if "@" in url:
        raise GiveUp(
            "The SQS queue URL holds an '@'. Credentials do not belong into it: give the URL as "
            f"{QUEUE_URL_EXAMPLE}, and credentials by the pod's role or the AWS_* environment.",
            reason="InvalidSetting",
        )
    try:
        parts = urllib.parse.urlsplit(url)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        raise _refusal(url) from None
    path = _PATH.fullmatch(parts.path)
    extra = parts.query or parts.fragment
    if parts.scheme not in {"http", "https"} or not host or path is None or extra:
        raise _refusal(url)
    region, endpoint = _place(host, port, parts.scheme)
    return QueueUrl(url, path["name"], path["account"], region, endpoint)


def _place(host: str, port: int | None, scheme: str) -> tuple[str | None, str | None]:
    origin = f"{scheme}://{_bracketed(host)}" + (f":{port}" if port is not None else "")
    if legacy := _LEGACY_HOST.fullmatch(host):
        return legacy["region"] or _LEGACY_REGION, None
    if public := _PUBLIC_HOST.fullmatch(host):
        return public["region"], None
    if named := _HOST_WITH_REGION.fullmatch(host):
        return named["region"], origin
    return None, origin


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host


def _refusal(url: str) -> GiveUp:
    # What stands behind a question mark may be a signature.
    shown = re.split(r"[?#]", url)[0]
    return GiveUp(
        f"{shown!r} is not the URL of an SQS queue. Give the queue's URL, not its ARN or name, as "
        f"the console and `aws sqs get-queue-url` show it: {QUEUE_URL_EXAMPLE}.",
        reason="InvalidSetting",
    )
