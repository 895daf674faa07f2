"""What the text of a version tells beyond being equal to another.

Fed by the backends, which write such texts, and by the ledger, in which they outlive the process;
feeds reconciler.decide, the sweep and the renewal of leases. Two kinds are special, both Vault's:

    lease:<id>|<seconds>|<renewable>|<until>   dynamic credentials: each read makes new ones
    digest:<process>:<digest>                  a value without a version

A digest is keyed with a secret of the process, so that nobody can try values against it; that of
another process tells nothing.

Guarantees: plain functions that never raise, whatever stands in a ledger.
"""

from dataclasses import dataclass

LEASE_PREFIX = "lease:"
_DIGEST_PREFIX = "digest:"
_FIELDS = 4


@dataclass(frozen=True, slots=True)
class Lease:
    """For how long dynamic credentials are good. `seconds` is what was granted when they were
    made; `until` when the login ends that they were made with (seconds since the epoch), None for
    never.
    """

    id: str
    seconds: float
    renewable: bool
    until: float | None

    def version(self) -> str:
        """The text for the ledger."""
        until = "" if self.until is None else f"{self.until:.0f}"
        return f"{LEASE_PREFIX}{self.id}|{self.seconds:.0f}|{self.renewable:d}|{until}"


def lease_of(version: str | None) -> Lease | None:
    """The lease that a version tells of; None where it is another version."""
    if version is None or not version.startswith(LEASE_PREFIX):
        return None
    parts = version.removeprefix(LEASE_PREFIX).rsplit("|", _FIELDS - 1)
    if len(parts) != _FIELDS:
        return None
    try:
        until = float(parts[3]) if parts[3] else None
        return Lease(parts[0], float(parts[1]), parts[2] == "1", until)
    except ValueError:
        return None


def digest_version(process: str, digest: str) -> str:
    """The version of a value that its system counts no versions of."""
    return f"{_DIGEST_PREFIX}{process}:{digest}"


def is_unannounceable(version: str) -> bool:
    """Whether no announcement can ever name this version: whatever is read is what was meant."""
    return version.startswith((LEASE_PREFIX, _DIGEST_PREFIX))


def is_incomparable(one: str | None, other: str | None) -> bool:
    """Whether a difference between two versions tells nothing: digests of two processes."""
    return _process(one) != "" and _process(other) != "" and _process(one) != _process(other)


def _process(version: str | None) -> str:
    if version is None or not version.startswith(_DIGEST_PREFIX):
        return ""
    return version.removeprefix(_DIGEST_PREFIX).partition(":")[0]
