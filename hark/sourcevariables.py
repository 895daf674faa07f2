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
    Variable(
        "HARK_WEBHOOK_PORT",
        "",
        "Port of the webhook, to which Event Grid and pipelines post changes; 0 takes a free one. "
        "Empty: there is no webhook.",
    ),
    Variable(
        "HARK_WEBHOOK_AUTH",
        "",
        "How callers of the webhook prove who they are: secret, token-review (a Kubernetes "
        "ServiceAccount) or entra.",
    ),
    Variable(
        "HARK_WEBHOOK_CALLERS",
        "",
        "File that says which caller may announce what; read again when it changes.",
    ),
    Variable(
        "HARK_WEBHOOK_SECRETS",
        "",
        "secret: folder with a file for each caller that holds his shared secret, or two.",
    ),
    Variable(
        "HARK_WEBHOOK_AUDIENCE",
        "",
        "token-review: the audience that tokens must have. entra: one or several, separated by "
        "commas.",
    ),
    Variable("HARK_WEBHOOK_TENANT", "", "entra: id of the tenant whose tokens are taken."),
    Variable(
        "HARK_WEBHOOK_ROLE",
        "AzureEventGridSecureWebhookSubscriber",
        "entra: role that a caller's application must have.",
    ),
    Variable(
        "HARK_WEBHOOK_EVENTGRID_SUBSCRIPTIONS",
        "",
        "Event Grid subscriptions that may post, by name, separated by commas. Empty: none.",
    ),
    Variable(
        "HARK_WEBHOOK_ORIGINS",
        "eventgrid.azure.net",
        "Who may ask by the handshake of CloudEvents whether the webhook takes events.",
    ),
    Variable(
        "HARK_WEBHOOK_TLS_CERT",
        "",
        "Certificate of the webhook with its chain, as PEM; read again when it changes. Empty: "
        "plain HTTP, for an ingress in front.",
    ),
    Variable("HARK_WEBHOOK_TLS_KEY", "", "Its key, as PEM without a password."),
    Variable(
        "HARK_WEBHOOK_MAX_BODY",
        "1Mi",
        "Largest body that the webhook reads (1Ki to 64Mi).",
    ),
)

MAKE_A_SOURCE = (
    "HARK_SQS_QUEUE_URLS",
    "HARK_PUBSUB_SUBSCRIPTIONS",
    "HARK_AZURE_STORAGE_QUEUES",
    "HARK_EVENTGRID_SUBSCRIPTIONS",
    "HARK_VAULT_SOURCE",
    "HARK_WEBHOOK_PORT",
)
"""Whoever sets one of them has a source; the others say more of it."""
