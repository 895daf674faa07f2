"""The environment variables that name the listener's sources: name, default, meaning.

Part of the table in hark.variables; each is read by the module of its source in hark.sources.
"""

from hark.variable import Variable

SOURCE_VARIABLES = (
    Variable(
        "HARK_SQS_QUEUE_URLS",
        "",
        "Queues to listen to: SQS URLs, separated by commas.",
    ),
)
