"""The Pub/Sub subscriptions to listen to, as the environment names them.

Fed by hark.environment; feeds hark.sources.catalogue. A name that is none ends the start, for no
retry mends it. Whether the subscription is there is not looked at: that may change while Hark runs.
"""

from dataclasses import dataclass

from externalsecret.errors import GiveUp
from hark.environment import Environment
from hark.sources.plan import Surroundings
from listener.messages import google
from listener.messages.meaning import Meaning
from listener.sources.contract import Delivery, Source
from listener.sources.subscription import SUBSCRIPTION_EXAMPLE, Subscription, parse_subscription

_NAME = "HARK_PUBSUB_SUBSCRIPTIONS"


@dataclass(frozen=True, slots=True)
class PubSubPlan:
    """One subscription. Implements hark.sources.plan.SourcePlan."""

    subscription: Subscription

    @property
    def label(self) -> str:
        return self.subscription.label

    def open(self, surroundings: Surroundings) -> Source:  # noqa: ARG002 - it needs nothing of it
        from listener.sources.pubsub import open_pubsub  # noqa: PLC0415 - as SqsPlan.open

        return open_pubsub(self.subscription.path)

    def parse(self, delivery: Delivery) -> Meaning:
        return google.parse(delivery.body, delivery.attributes)


def read_plans(read: Environment) -> tuple[PubSubPlan, ...]:
    """Every subscription once. GiveUp (InvalidSetting) where one of them is no full name."""
    try:
        return tuple(PubSubPlan(parse_subscription(path)) for path in read.several(_NAME))
    except GiveUp as error:
        raise GiveUp(
            f"{_NAME}: {error} Example: {_NAME}={SUBSCRIPTION_EXAMPLE}", reason=error.reason
        ) from None
