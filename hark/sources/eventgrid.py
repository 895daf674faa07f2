"""The Event Grid subscriptions to listen to, as the environment names them.

Fed by hark.environment; feeds hark.sources.catalogue. A URL that is none, or that is not https,
ends the start, for no retry mends it. Whether topic and subscription are there is not looked at:
that may change while Hark runs. Azure is asked with the same settings and as the same kinds of
identity as key vaults are, or with an access key.
"""

from dataclasses import dataclass

from externalsecret.errors import GiveUp
from externalsecret.redacted import Redacted
from hark.environment import Environment
from hark.sources.azureidentity import azure_credential, azure_proxy
from hark.sources.plan import Surroundings
from listener.messages import azure
from listener.messages.meaning import Meaning
from listener.sources.contract import Delivery, Source
from listener.sources.subscriptionurl import (
    SUBSCRIPTION_URL_EXAMPLE,
    SubscriptionUrl,
    parse_subscription_url,
)

_NAME = "HARK_EVENTGRID_SUBSCRIPTIONS"
_KEY = "HARK_EVENTGRID_KEY"


@dataclass(frozen=True, slots=True)
class EventGridPlan:
    """One subscription. Implements hark.sources.plan.SourcePlan."""

    url: SubscriptionUrl
    key: Redacted | None = None
    """An access key of the namespace; None to show tokens."""

    @property
    def label(self) -> str:
        return self.url.label

    def open(self, surroundings: Surroundings) -> Source:
        from listener.sources.eventgrid import (  # noqa: PLC0415 - its SDK only where it is used
            open_event_grid,
        )

        environ = surroundings.environ
        credential = azure_credential(environ) if self.key is None else self.key
        return open_event_grid(self.url, credential, proxy=azure_proxy(environ))

    def parse(self, delivery: Delivery) -> Meaning:
        return azure.parse(delivery.body)


def read_plans(read: Environment) -> tuple[EventGridPlan, ...]:
    """Every subscription once. GiveUp (InvalidSetting) where one of them is none."""
    text = read.given(_KEY)
    key = Redacted(text.encode()) if text else None
    urls = read.several(_NAME)
    if "@" in read.text(_NAME):
        # As a whole: a comma in a password must not part it from the '@' that gives it away.
        urls = (read.text(_NAME),)
    try:
        parsed = tuple(dict.fromkeys(parse_subscription_url(url) for url in urls))
    except GiveUp as error:
        raise GiveUp(
            f"{_NAME}: {error} Example: {_NAME}={SUBSCRIPTION_URL_EXAMPLE}", reason=error.reason
        ) from None
    if key is not None and len({url.endpoint for url in parsed}) > 1:
        raise GiveUp(
            f"{_KEY} is a key of one namespace, but {_NAME} names several. Leave the key out and "
            "give Hark's identity the role EventGrid Data Receiver.",
            reason="InvalidSetting",
        )
    return tuple(EventGridPlan(url, key) for url in parsed)
