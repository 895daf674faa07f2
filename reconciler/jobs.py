"""Jobs: which keys of an ExternalSecret need work, and what is asked about each first. Plain
functions of plain data.

Fed by the ledger, the manifest and what this process knows beside them (Known); feeds the attempt
with jobs, and reconciler.decide, which tells what an answer means for one.

    a key                                             is asked for by
    ------------------------------------------------  -----------------------------------------
    that the ledger does not have, or another spec    a read; a look where its value is in cache
    of which a refresh is asked                       a read, once
    whose note is not covered                         a read; a look where the note may be old
                                                      or names no version
    of which somebody saw another version             a read
    whose entries are wanted in any case              a read
    that expired meanwhile, as somebody saw           a look
    of an object that was suspended until now         a look

Guarantees: ids and versions decide what is covered. The event's time only decides whether a look
goes before a read, which costs a look and never an answer.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from externalsecret.ledger import Entry, Heard, Ledger, Synced, is_covered
from externalsecret.manifest import Manifest
from externalsecret.reference import Reference
from reconciler import remade
from reconciler.backends.contract import Value
from reconciler.reads import Ask, Verb
from reconciler.versions import lease_of


class Why(StrEnum):
    """What makes a key need work."""

    SPEC = "spec"
    HEARD = "heard"
    SWEEP = "sweep"
    REFRESH = "refresh"
    REPAIR = "repair"


@dataclass(frozen=True, slots=True)
class Job:
    """A key that needs work, and the next thing to ask about it."""

    reference: Reference
    why: Why
    entry: Entry
    verb: Verb
    since: float
    version: str | None = None
    value: Value | None = None
    """What was read, while a look decides whether it will do."""
    steps: int = 0

    def ask(self) -> Ask:
        # Somebody asked for a new read: an answer with the version expected is none if it is old.
        is_anew = self.why is Why.REFRESH
        return Ask(self.verb, self.reference, self.since, None if is_anew else self.version)

    def heard_version(self) -> str | None:
        return None if self.entry.heard is None else self.entry.heard.version

    def synced_version(self) -> str | None:
        return None if self.entry.synced is None else self.entry.synced.version

    def is_open(self) -> bool:
        """Whether a note may have to be served."""
        if self.why is Why.REFRESH:
            note = None if self.entry.synced is None else self.entry.synced.note
            return self.entry.heard is not None and self.entry.heard.id != note
        return self.why in {Why.SPEC, Why.HEARD}


@dataclass(frozen=True, slots=True)
class Known:
    """What this process knows beside the ledger. Times are monotonic seconds."""

    now: float
    fresh_since: float
    """An answer that began after this will do where nothing newer was announced."""
    noted: Callable[[Heard], float]
    """When this process first saw a note."""
    current: Callable[[str], str | None]
    """The version of an entry that somebody last saw to be current; "" for none."""
    has_value: Callable[[str], bool]
    """Whether a value of an entry is in the cache."""
    refresh: float | None = None
    """When this process first saw the refresh that is asked for; None: there is none."""
    confirmed: Callable[[str], float] | None = None
    """When `current` was told."""
    is_resumed: bool = False
    """Whether the object was suspended until now, and so was left out of the sweep."""
    remarked: Callable[[str], tuple[str, float] | None] | None = None
    """A word for what is to be known of an entry ("" for nothing), and when the sweep saw that."""
    was_read: Callable[[str, float], bool] = lambda _entry, _since: False
    """Whether a value of an entry is in the cache that was read since then."""


def shared_suppliers(ledger: Ledger, manifest: Manifest) -> frozenset[str]:
    """Keys that a new spec makes necessary beside those with another fingerprint.

    The order of items is in no fingerprint; it matters for names that several reads supply.
    """
    suppliers: dict[str, set[str]] = {}
    for entry in manifest.references:
        synced = ledger.entry(entry).synced
        for name in () if synced is None else synced.feeds:
            suppliers.setdefault(name, set()).add(entry)
    for item in manifest.items:
        if item.name is not None:
            suppliers.setdefault(item.name, set()).add(item.entry)
    return frozenset(
        entry for entries in suppliers.values() if len(entries) > 1 for entry in entries
    )


def find_jobs(
    ledger: Ledger, manifest: Manifest, repair: frozenset[str], known: Known
) -> list[Job]:
    """Every key that needs work, with its first step. `repair` are keys wanted in any case."""
    jobs = []
    for entry, reference in manifest.references.items():
        leaves = ledger.entry(entry)
        synced = leaves.synced
        current = known.current(entry)
        if synced is None or synced.fingerprint != manifest.fingerprint(entry):
            jobs.append(_spec_job(reference, leaves, known))
        elif known.refresh is not None:
            since = known.refresh
            if leaves.heard is not None:
                since = max(since, known.noted(leaves.heard))
            jobs.append(Job(reference, Why.REFRESH, leaves, Verb.READ, since, synced.version))
        elif not is_covered(leaves, manifest.fingerprint(entry)):
            jobs.append(_heard_job(reference, leaves, known))
        elif current is not None and not remade.is_held(synced, current):
            # Not since a moment ago: an answer from before the change may be as fresh as that.
            version = remade.expected(synced, current)
            since = known.now
            if lease_of(synced.version) is not None and known.confirmed is not None:
                # Whatever was made since then is new, and one read serves all.
                since = known.confirmed(entry)
            jobs.append(Job(reference, Why.SWEEP, leaves, Verb.READ, since, version))
        elif entry in repair:
            since = known.fresh_since
            jobs.append(Job(reference, Why.REPAIR, leaves, Verb.READ, since, synced.version))
        else:
            missed = _missed_since(entry, synced, known)
            if missed is not None:
                jobs.append(Job(reference, Why.SWEEP, leaves, Verb.LOOK, missed))
    return jobs


def _missed_since(entry: str, synced: Synced, known: Known) -> float | None:
    """Since when answers do for a key that is in step but has to be looked at; None: it need not
    be.
    """
    remarked = None if known.remarked is None else known.remarked(entry)
    if remarked is not None and remarked[0] != (synced.remark or ""):
        return remarked[1]
    # Of dynamic credentials there is nothing to look at, and a read would make new ones.
    is_missed = known.is_resumed and lease_of(synced.version) is None
    return known.fresh_since if is_missed else None


def _spec_job(reference: Reference, leaves: Entry, known: Known) -> Job:
    since = known.fresh_since
    if leaves.heard is not None:
        since = max(since, known.noted(leaves.heard))
    # The version of its note alone makes no answer good enough for a new reader: the note may be a
    # late one, and a newer one may have gone to a predecessor of the same name.
    verb = Verb.LOOK if known.has_value(reference.entry) else Verb.READ
    if known.refresh is not None and not known.was_read(reference.entry, known.refresh):
        since, verb = max(since, known.refresh), Verb.READ
    return Job(reference, Why.SPEC, leaves, verb, since)


def _heard_job(reference: Reference, leaves: Entry, known: Known) -> Job:
    heard = leaves.heard
    assert heard is not None  # noqa: S101 - without a note the key is covered
    since = known.noted(heard)
    verb = Verb.LOOK if heard.version is None or _may_be_old(leaves) else Verb.READ
    return Job(reference, Why.HEARD, leaves, verb, since, heard.version)


def _may_be_old(leaves: Entry) -> bool:
    """Whether the event happened before the last read, as far as clocks can tell.

    Events carry whole seconds. It only chooses what is asked first.
    """
    heard, synced = leaves.heard, leaves.synced
    if heard is None or synced is None:
        return False
    happened, read = seconds_of(heard.at), seconds_of(synced.at)
    return happened is not None and read is not None and happened <= int(read)


def seconds_of(at: str | None) -> float | None:
    """An RFC 3339 time in seconds since the epoch; None where it is none."""
    try:
        return None if at is None else datetime.fromisoformat(at).timestamp()
    except ValueError:
        return None
