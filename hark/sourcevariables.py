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
    Variable(
        "HARK_EVENTGRID_SUBSCRIPTIONS",
        "",
        "Event Grid subscriptions to listen to, separated by commas: "
        "https://HOST/topics/TOPIC/subscriptions/SUBSCRIPTION with the namespace's HTTP hostname.",
    ),
    Variable(
        "HARK_EVENTGRID_KEY",
        "",
        "An access key of that namespace. Empty: log in to Azure, as for key vaults.",
    ),
)
