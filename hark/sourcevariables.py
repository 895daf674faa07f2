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
        "HARK_PUBSUB_SUBSCRIPTIONS",
        "",
        "Google Pub/Sub subscriptions to listen to: full names, separated by commas.",
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
    Variable(
        "HARK_VAULT_SOURCE",
        "",
        "How the listener hears of changes in Vault: poll (key-value 2 metadata) or events (Vault "
        "Enterprise's, and polling where there are none). Empty: poll if HARK_VAULT_POLL_INTERVAL "
        "is set, else not at all.",
    ),
    Variable(
        "HARK_VAULT_POLL_INTERVAL",
        "30s",
        "How often the listener looks at the metadata in Vault (1s to 1d).",
    ),
    Variable(
        "HARK_VAULT_COMPARE_INTERVAL",
        "10m",
        "The same while Vault's events are heard, which may get lost (1s to 1d).",
    ),
    Variable(
        "HARK_VAULT_EVENT_NAMESPACES",
        "",
        "Namespaces below VAULT_NAMESPACE whose events are heard too, separated by commas.",
    ),
    Variable(
        "HARK_VAULT_LISTENER_ROLE",
        "",
        "Role of the listener's own login to Vault, which needs to read metadata only.",
    ),
    Variable(
        "HARK_VAULT_LISTENER_MOUNT_POINT",
        "",
        "Mount of the auth method for that login. Empty: kubernetes.",
    ),
    Variable(
        "HARK_AZURE_STORAGE_QUEUES",
        "",
        "Azure storage queues to listen to: URLs, separated by commas.",
    ),
    Variable(
        "HARK_AZURE_STORAGE_CONNECTION_STRING",
        "",
        "Key or SAS of one storage account, where there is no managed identity. Secret.",
    ),
    Variable(
        "HARK_AZURE_STORAGE_POLL_INTERVAL",
        "5s",
        "Longest pause between two looks into an empty storage queue.",
    ),
    Variable(
        "HARK_AZURE_STORAGE_VISIBILITY_TIMEOUT",
        "1m",
        "How long a storage queue hides a message that Hark holds: the wait after a crash.",
    ),
    Variable(
        "HARK_AZURE_STORAGE_POISON_AFTER",
        "5",
        "Deliveries after which an unreadable message is moved to the queue NAME-poison.",
    ),
)
