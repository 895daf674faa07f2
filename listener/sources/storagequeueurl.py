"""What the URL of an Azure storage queue says: account, name, and where to send requests.

Fed by a setting; feeds storagequeue. Pure. Azure's own hosts name the account ("Storage account
endpoints", also those of other clouds); any other host (an emulator, a custom domain) is taken as
it is, with the account in the path where there are two parts. It does not look whether the queue is
there.
"""

import re
import urllib.parse
from dataclasses import dataclass

from externalsecret.errors import GiveUp

_HOST = re.compile(
    r"(?P<account>[a-z0-9]{3,24})\.(?:z\d+\.)?(?:privatelink\.)?queue\.(?:core\.windows\.net"
    r"|core\.chinacloudapi\.cn|core\.usgovcloudapi\.net|core\.cloudapi\.de|storage\.azure\.net)"
)
_PATH = re.compile(r"(?:/(?P<account>[a-z0-9]{3,24}))?/(?P<name>[a-z0-9](?:-?[a-z0-9]){2,62})/?")
POISON_SUFFIX = "-poison"
STORAGE_QUEUE_EXAMPLE = "https://account.queue.core.windows.net/name"


@dataclass(frozen=True, slots=True)
class StorageQueueUrl:
    """A queue's URL and what it says."""

    endpoint: str
    """The URL without the queue's name."""
    account: str
    name: str

    @property
    def url(self) -> str:
        return f"{self.endpoint}/{self.name}"

    @property
    def label(self) -> str:
        """The queue in logs, metrics and names of threads."""
        return f"storagequeue:{self.account}/{self.name}"


def parse_storage_queue_url(url: str) -> StorageQueueUrl:
    """Take a queue's URL apart; GiveUp (InvalidSetting) if it is none."""
    # Also what a connection string holds, which would else be shown.
    if any(sign in url for sign in "@?#;="):
        raise GiveUp(
            "The URL of the storage queue holds one of the signs @ ? # ; =. Credentials do not "
            f"belong into it: give the URL as {STORAGE_QUEUE_EXAMPLE}, and a key or a SAS by "
            "HARK_AZURE_STORAGE_CONNECTION_STRING where a managed identity is not to be had.",
            reason="InvalidSetting",
        )
    try:
        parts = urllib.parse.urlsplit(url)
        host, port = (parts.hostname or "").lower(), parts.port
    except ValueError:
        raise _refusal(url) from None
    path = _PATH.fullmatch(parts.path.lower())
    if parts.scheme not in {"http", "https"} or not host or path is None:
        raise _refusal(url)
    origin = f"{parts.scheme}://" + (f"[{host}]" if ":" in host else host)
    origin += f":{port}" if port is not None else ""
    of_azure = _HOST.fullmatch(host)
    if of_azure is not None:
        if path["account"] or parts.scheme != "https":
            raise _refusal(url)
        return StorageQueueUrl(origin, of_azure["account"], path["name"])
    if path["account"]:
        return StorageQueueUrl(f"{origin}/{path['account']}", path["account"], path["name"])
    return StorageQueueUrl(origin, host.split(".", maxsplit=1)[0], path["name"])


def _refusal(url: str) -> GiveUp:
    return GiveUp(
        f"{url!r} is not the URL of a storage queue. Give the queue's URL, not its name or "
        f"resource id, as the portal shows it: {STORAGE_QUEUE_EXAMPLE}.",
        reason="InvalidSetting",
    )
