"""What the listener tells Prometheus. Each half of the product has one such record of counters.

Fed by listener.listen and listener.notes; feeds the registry it is given (one per process).
"""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

_SECONDS = (0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 900, 3600, 21600)


class ListenerMetrics:
    """The listener's counters, gauges and histograms, with units in their names."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.received = Counter(
            "hark_listener_messages_received",
            "Messages handed out by a source, redeliveries included.",
            ["source"],
            registry=registry,
        )
        self.acted_on = Counter(
            "hark_listener_messages_acted_on",
            "Messages that led to a note on at least one ExternalSecret.",
            ["source"],
            registry=registry,
        )
        self.ignored = Counter(
            "hark_listener_messages_ignored",
            "Messages that were understood and asked for nothing, by reason.",
            ["source", "reason"],
            registry=registry,
        )
        self.malformed = Counter(
            "hark_listener_messages_malformed",
            "Messages without a known envelope, left to the dead-letter queue.",
            ["source"],
            registry=registry,
        )
        self.faults = Counter(
            "hark_listener_messages_faults",
            "Messages with which Hark itself failed; they come again. Please report the log.",
            ["source"],
            registry=registry,
        )
        self.parked = Counter(
            "hark_listener_messages_parked",
            "Unreadable messages that come no more: refused, dropped or where dead letters are "
            "kept. SQS tells where its queue may be looked at, Pub/Sub never.",
            ["source"],
            registry=registry,
        )
        self.ack_failures = Counter(
            "hark_listener_ack_failures",
            "Messages whose acknowledgement failed; they are delivered again.",
            ["source"],
            registry=registry,
        )
        self.source_failures = Counter(
            "hark_listener_source_failures",
            "Failed calls to a source, by reason.",
            ["source", "reason"],
            registry=registry,
        )
        self.source_up = Gauge(
            "hark_listener_source_up",
            "1 while the last call to a source succeeded; 0 too while it cannot be opened.",
            ["source"],
            registry=registry,
        )
        self.last_message = Gauge(
            "hark_listener_last_message_timestamp_seconds",
            "When a source last handed out a message.",
            ["source"],
            registry=registry,
        )
        self.notes = Counter(
            "hark_listener_notes_written",
            "Notes written into the status of an ExternalSecret.",
            registry=registry,
        )
        self.notes_refused = Counter(
            "hark_listener_notes_refused",
            "Notes that the API server refused, by HTTP status.",
            ["status"],
            registry=registry,
        )
        self.notes_retried = Counter(
            "hark_listener_notes_retried",
            "Attempts to write a note that failed and are tried again.",
            registry=registry,
        )
        self.held = Gauge(
            "hark_listener_messages_held",
            "Messages received whose notes are not written yet.",
            ["source"],
            registry=registry,
        )
        self.oldest = Gauge(
            "hark_listener_oldest_unnoted_message_age_seconds",
            "Age of the oldest message in hand whose notes are not written yet; 0: there is none.",
            ["source"],
            registry=registry,
        )
        self.event_to_heard = Histogram(
            "hark_listener_event_to_heard_seconds",
            "From the time in the event to the note in the API server.",
            buckets=_SECONDS,
            registry=registry,
        )
        self.vault_looks = Counter(
            "hark_listener_vault_looks",
            "Looks at the metadata of a path in Vault, by outcome: seen, gone, denied, failed.",
            ["outcome"],
            registry=registry,
        )
        self.vault_paths = Gauge(
            "hark_listener_vault_paths",
            "Paths in Vault by what the last look showed: watched, gone, denied, failed.",
            ["state"],
            registry=registry,
        )
        self.vault_leader = Gauge(
            "hark_listener_vault_leader",
            "1 while this replica is the one that asks Vault what has changed.",
            registry=registry,
        )
        self.vault_sockets = Gauge(
            "hark_listener_vault_event_sockets",
            "Open connections to Vault's event notifications.",
            registry=registry,
        )
        self.vault_socket_failures = Counter(
            "hark_listener_vault_event_socket_failures",
            "Connections to Vault's event notifications that failed or broke, by reason.",
            ["reason"],
            registry=registry,
        )
        self.webhook_requests = Counter(
            "hark_listener_webhook_requests",
            "Requests to the webhook that were answered, by route and HTTP status.",
            ["route", "code"],
            registry=registry,
        )
        self.webhook_reload_failures = Counter(
            "hark_listener_webhook_reload_failures",
            "Files of the webhook that changed and could not be understood, by reason; what was "
            "read before is kept.",
            ["reason"],
            registry=registry,
        )
