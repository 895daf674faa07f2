"""Every kind of source that there is.

Fed by hark.environment; feeds hark.settings with the plans of the sources that the environment
names. A new kind adds its reader here.
"""

from hark.environment import Environment
from hark.sources import eventgrid, pubsub, sqs, storagequeue, vault, webhook
from hark.sources.plan import SourcePlan

_READERS = (
    sqs.read_plans,
    pubsub.read_plans,
    eventgrid.read_plans,
    vault.read_plans,
    storagequeue.read_plans,
    webhook.read_plans,
)


def read_sources(read: Environment) -> tuple[SourcePlan, ...]:
    """All of them, in a settled order. GiveUp (InvalidSetting) where one makes no sense."""
    return tuple(plan for reader in _READERS for plan in reader(read))
