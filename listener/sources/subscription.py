"""What the name of a Pub/Sub subscription says: project and subscription.

Fed by a setting; feeds pubsub. Pure. It does not look whether the subscription exists.

Google pages: "Guidelines to name a topic, subscription, schema, or snapshot" (Pub/Sub), "Creating
and managing projects" (ids, also those with a domain before them).
"""

import re
from dataclasses import dataclass

from externalsecret.errors import GiveUp

SUBSCRIPTION_EXAMPLE = "projects/shop-prod/subscriptions/hark"
_NAME = re.compile(
    r"projects/(?P<project>(?:[a-z0-9.-]{1,64}:)?[a-z0-9][a-z0-9-]{0,62})"
    r"/subscriptions/(?P<name>[A-Za-z][A-Za-z0-9._~+%-]{2,254})",
    re.ASCII,
)
_SHOWN = 300


@dataclass(frozen=True, slots=True)
class Subscription:
    """A subscription's full name and its parts."""

    path: str
    project: str
    name: str

    @property
    def short(self) -> str:
        """For sentences. Two projects may have a subscription of the same name."""
        return f"{self.project}/{self.name}"

    @property
    def label(self) -> str:
        """The subscription in logs, metrics and names of threads."""
        return f"pubsub:{self.short}"


def parse_subscription(text: str) -> Subscription:
    """Take a subscription's full name apart; GiveUp (InvalidSetting) if it is none."""
    found = _NAME.fullmatch(text)
    if found is None:
        shown = text if len(text) <= _SHOWN else text[:_SHOWN] + "..."
        raise GiveUp(
            f"{shown!r} is not the full name of a Pub/Sub subscription. Give the subscription's "
            "name, not its topic's, as the console and `gcloud pubsub subscriptions list` show it: "
            f"{SUBSCRIPTION_EXAMPLE}.",
            reason="InvalidSetting",
        )
    return Subscription(text, found["project"], found["name"])
