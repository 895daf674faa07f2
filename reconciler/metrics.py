"""What the reconciler tells Prometheus.

Fed by all of reconciler; feeds the registry it is given (one per process).
"""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from reconciler.synccalls import SyncCalls

_SECONDS = (0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 900, 3600, 21600)


class ReconcilerMetrics:
    """The reconciler's counters, gauges and histograms, with units in their names."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.sync_calls = SyncCalls()
        """Not in the registry: it writes its own lines."""
        self.value_reads = Counter(
            "hark_reconciler_value_reads",
            "Secret values read from a backend.",
            ["backend"],
            registry=registry,
        )
        self.reads_for_templates = Counter(
            "hark_reconciler_reads_for_templates",
            "Of the values read, unchanged ones that only a template needed.",
            registry=registry,
        )
        self.looks = Counter(
            "hark_reconciler_looks",
            "Looks at the versions of one secret, without its value.",
            ["backend"],
            registry=registry,
        )
        self.backend_failures = Counter(
            "hark_reconciler_backend_failures",
            "Reads and looks that failed, by reason.",
            ["backend", "reason"],
            registry=registry,
        )
        self.held_back = Counter(
            "hark_reconciler_asks_held_back",
            "Questions that wait: their key was asked for too often with nothing new to tell.",
            ["backend"],
            registry=registry,
        )
        self.reconciles = Counter(
            "hark_reconciler_reconciles",
            "ExternalSecrets dealt with, by outcome.",
            ["outcome"],
            registry=registry,
        )
        self.secret_writes = Counter(
            "hark_reconciler_secret_writes",
            "Writes of Secrets, by verb.",
            ["verb"],
            registry=registry,
        )
        self.status_writes = Counter(
            "hark_reconciler_status_writes",
            "Writes of an ExternalSecret's status.",
            registry=registry,
        )
        self.queue_length = Gauge(
            "hark_reconciler_queue_length",
            "ExternalSecrets that wait or are being worked on.",
            registry=registry,
        )
        self.found_by_sweep = Counter(
            "hark_reconciler_changes_found_by_sweep",
            "Changed versions that the sweep saw before any event told of them.",
            ["backend"],
            registry=registry,
        )
        self.unannounced = Counter(
            "hark_reconciler_changes_unannounced",
            "Changes found by the sweep that no event announced in time (HARK_UNANNOUNCED_AFTER).",
            ["backend"],
            registry=registry,
        )
        self.sweep_unanswered = Counter(
            "hark_reconciler_sweep_unanswered",
            "Keys that got no answer in a sweep and are asked for again.",
            ["backend"],
            registry=registry,
        )
        self.sweep_interval = Gauge(
            "hark_reconciler_sweep_interval_seconds",
            "The installation's sweep interval; 0 where DISABLE_POLLING switches it off.",
            registry=registry,
        )
        self.suspended = Gauge(
            "hark_reconciler_suspended",
            "ExternalSecrets that are suspended.",
            registry=registry,
        )
        self.last_sweep = Gauge(
            "hark_reconciler_last_sweep_timestamp_seconds",
            "When the last sweep of the installation ended.",
            registry=registry,
        )
        self.lease_renewals = Counter(
            "hark_reconciler_lease_renewals",
            "Leases of dynamic credentials dealt with: renewed, failed, or made anew.",
            ["backend", "outcome"],
            registry=registry,
        )
        self.heard_to_synced = Histogram(
            "hark_reconciler_heard_to_synced_seconds",
            "From the first sight of a note (at a start, of the list) to the Secret written.",
            buckets=_SECONDS,
            registry=registry,
        )
        self.event_to_synced = Histogram(
            "hark_reconciler_event_to_synced_seconds",
            "From the time in the event to the Secret written.",
            buckets=_SECONDS,
            registry=registry,
        )
