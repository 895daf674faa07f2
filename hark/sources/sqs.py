"""The SQS queues to listen to, as the environment names them.

Fed by hark.environment; feeds hark.sources.catalogue. A URL that is none ends the start, for no
retry mends it; one that holds a password is refused without being shown. Whether the queue is there
is not looked at: that may change while Hark runs.
"""

from collections import Counter
from dataclasses import dataclass

from externalsecret.errors import GiveUp
from hark.environment import Environment
from hark.sources.plan import Surroundings
from listener.messages import aws
from listener.messages.meaning import Meaning
from listener.sources.contract import Delivery, Source
from listener.sources.queueurl import QUEUE_URL_EXAMPLE, QueueUrl, parse_queue_url

_NAME = "HARK_SQS_QUEUE_URLS"


@dataclass(frozen=True, slots=True)
class SqsPlan:
    """One queue. Implements hark.sources.plan.SourcePlan."""

    queue: QueueUrl
    label: str

    def open(self, surroundings: Surroundings) -> Source:  # noqa: ARG002 - it needs nothing of it
        from listener.sources.sqs import open_sqs  # noqa: PLC0415 - its SDK only where it is used

        return open_sqs(self.queue.url, name=self.label)

    def parse(self, delivery: Delivery) -> Meaning:
        return aws.parse(delivery.body, delivery.origin)


def read_plans(read: Environment) -> tuple[SqsPlan, ...]:
    """Every queue once. GiveUp (InvalidSetting) where one of them is no queue's URL."""
    urls = read.several(_NAME)
    if "@" in read.text(_NAME):
        # As a whole: a comma in a password must not part it from the '@' that gives it away.
        urls = (read.text(_NAME),)
    try:
        queues = [parse_queue_url(url) for url in urls]
    except GiveUp as error:
        raise GiveUp(
            f"{_NAME}: {error} Example: {_NAME}={QUEUE_URL_EXAMPLE}", reason=error.reason
        ) from None
    often = Counter(queue.label for queue in queues)
    return tuple(
        SqsPlan(queue, queue.label if often[queue.label] == 1 else queue.full_label)
        for queue in queues
    )
