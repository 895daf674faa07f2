"""The queues to listen to, as the environment names them.

Fed by hark.environment; feeds hark.settings. A URL that is none ends the start, for no retry mends
it; one that holds a password is refused without being shown. Whether the queue is there is not
looked at: that may change while Hark runs.
"""

from typing import TYPE_CHECKING

from externalsecret.errors import GiveUp
from hark.environment import Environment

if TYPE_CHECKING:
    from listener.sources.queueurl import QueueUrl


def read_queues(read: Environment) -> tuple["QueueUrl", ...]:
    """Every queue once. GiveUp (InvalidSetting) where one of them is no queue's URL."""
    from listener.sources.queueurl import (  # noqa: PLC0415 - `hark crd` loads no half
        QUEUE_URL_EXAMPLE,
        parse_queue_url,
    )

    name = "HARK_SQS_QUEUE_URLS"
    urls = read.several(name)
    if "@" in read.text(name):
        # As a whole: a comma in a password must not part it from the '@' that gives it away.
        urls = (read.text(name),)
    try:
        return tuple(parse_queue_url(url) for url in urls)
    except GiveUp as error:
        raise GiveUp(
            f"{name}: {error} Example: {name}={QUEUE_URL_EXAMPLE}", reason=error.reason
        ) from None
