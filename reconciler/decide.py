"""Decides what a key needs and what an answer means. Plain functions of plain data.

Fed by the ledger, the manifest and the backends' answers; feeds the reconcile story.

    begins with   and finds                                       goes on with, or ends as
    ------------  ----------------------------------------------  ------------------------
    a look        what the Secret holds is current                Covered
    a look        the same, but the note names no version         Later, once or twice
    a look        something else is current                       a read of it
    a read        the version that was announced or expected      Settled
    a read        another version                                 a look
    a look after  what was read is current                        Settled
    a look after  something else is current                       a read of it
    any           the announced version is not there yet          Later

Guarantees: ids and versions decide what is covered. The event's time only decides whether a look
goes before a read, which costs a look and never an answer.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum

from externalsecret.errors import GiveUp, HarkError
from externalsecret.identity import Backend
from externalsecret.ledger import Entry, Heard, Ledger, is_covered
from externalsecret.manifest import Manifest
from externalsecret.reference import Reference
from reconciler import remade
from reconciler.backends.contract import CannotLook, Value, Versions
from reconciler.reads import Answer, Ask, Verb
from reconciler.supply import Missing
from reconciler.versions import is_unannounceable, lease_of

PENDING_LABEL = "AWSPENDING"
_COUNTING = frozenset((Backend.PARAMETER_STORE, Backend.GCP_SECRET_MANAGER, Backend.VAULT))
MOST_STEPS = 4
"""Looks and reads that one pass spends on one key before it waits."""


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
class Absent:
    """In place of a value: there is none, and every item that wants it is optional."""

    resource: str
    value: Missing = field(default_factory=Missing)
    version: str = ""
    """Unlike every version that a backend has."""
    remark: None = None


@dataclass(frozen=True, slots=True)
class Settled:
    """A value to write. `covers` tells whether the note that was heard is served by it."""

    value: Value | Absent
    covers: bool = True
    began: float = 0.0
    """When the call that told so began, monotonic seconds."""


@dataclass(frozen=True, slots=True)
class Covered:
    """The Secret holds what is current already: only the ledger has to say so."""

    began: float = 0.0


@dataclass(frozen=True, slots=True)
class Failed:
    """Neither value nor versions could be had."""

    error: HarkError


@dataclass(frozen=True, slots=True)
class Later:
    """The announced version is not to be seen yet."""

    is_doubt: bool = False
    """Nothing differs, but the note names no version: the look may have been an old answer."""


Verdict = Settled | Covered | Failed | Later


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
    is_resumed: bool = False
    """Whether the object was suspended until now, and so was left out of the sweep."""


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
            jobs.append(Job(reference, Why.SWEEP, leaves, Verb.READ, known.now, version))
        elif entry in repair:
            since = known.fresh_since
            jobs.append(Job(reference, Why.REPAIR, leaves, Verb.READ, since, synced.version))
        elif known.is_resumed and lease_of(synced.version) is None:
            # Of dynamic credentials there is nothing to look at, and a read would make new ones.
            jobs.append(Job(reference, Why.SWEEP, leaves, Verb.LOOK, known.fresh_since))
    return jobs


def advance(job: Job, answer: Answer) -> Job | Verdict:
    """The next step of a job, or its end."""
    result = answer.result
    if isinstance(result, HarkError):
        return Failed(result)
    if job.steps >= MOST_STEPS:
        if job.value is None or not job.is_open():
            return Later()
        return Settled(job.value, covers=False)
    job = replace(job, steps=job.steps + 1)
    if isinstance(result, Value):
        return _after_read(job, result, answer.began)
    if isinstance(result, CannotLook):
        return _without_look(job, answer.began)
    return _after_look(job, result, answer.began)


def with_value(job: Job, after: Job | Verdict) -> Job | Verdict:
    """What follows where the value itself is wanted: the Secret may have lost it."""
    if not isinstance(after, Covered | Later) or job.steps >= MOST_STEPS:
        return after
    version = job.synced_version()
    return replace(job, verb=Verb.READ, version=version, steps=job.steps + 1)


def _spec_job(reference: Reference, leaves: Entry, known: Known) -> Job:
    since = known.fresh_since
    if leaves.heard is not None:
        since = max(since, known.noted(leaves.heard))
    # The version of its note alone makes no answer good enough for a new reader: the note may be a
    # late one, and a newer one may have gone to a predecessor of the same name.
    verb = Verb.LOOK if known.has_value(reference.entry) else Verb.READ
    if known.refresh is not None:
        since, verb = max(since, known.refresh), Verb.READ
    return Job(reference, Why.SPEC, leaves, verb, since)


def _heard_job(reference: Reference, leaves: Entry, known: Known) -> Job:
    heard = leaves.heard
    assert heard is not None  # noqa: S101 - without a note the key is covered
    since = known.noted(heard)
    verb = Verb.LOOK if heard.version is None or _may_be_old(leaves) else Verb.READ
    return Job(reference, Why.HEARD, leaves, verb, since, heard.version)


def _after_read(job: Job, value: Value, began: float) -> Job | Verdict:
    announced = job.heard_version() if job.is_open() else None
    expected = announced or job.version
    if expected is None or is_version(job.reference, expected, value.version):
        # A refresh reads where a note without version would have had the answer doubted.
        is_doubt = job.why is Why.REFRESH and job.is_open() and announced is None
        return Settled(value, covers=not is_doubt, began=began)
    return replace(job, verb=Verb.LOOK, since=began, version=None, value=value)


def _after_look(job: Job, seen: Versions, began: float) -> Job | Verdict:
    if seen.gone:
        return Failed(GiveUp(seen.gone, reason=seen.gone_reason))
    holds = job.synced_version() if job.value is None else job.value.version
    is_remade = job.value is None and remade.is_remade(job.entry.synced, seen)
    if is_remade or seen.current is None or seen.current != holds:
        # Of what was made anew no answer from before will do, although it bears the same version.
        version = None if is_remade and seen.current == holds else seen.current
        return replace(job, verb=Verb.READ, since=began, version=version, value=None)
    superseded = not job.is_open() or _was_superseded(job, seen)
    if job.value is not None:
        return Settled(job.value, superseded, began)
    if job.why is Why.SPEC:
        return replace(job, verb=Verb.READ, since=began, version=seen.current)
    if job.is_open() and job.heard_version() is None:
        return Later(is_doubt=True)
    return Covered(began) if superseded else Later()


def _without_look(job: Job, began: float) -> Job | Verdict:
    if job.value is not None:
        return Settled(job.value, covers=False)
    return replace(job, verb=Verb.READ, since=began)


def _was_superseded(job: Job, seen: Versions) -> bool:
    """Whether the announced version is there, and has had its time.

    One that is not listed yet, or only pending, shows that the look was older than the event.
    Parameter Store, Google and Vault count their versions; an announcement knows the count alone.
    """
    announced = job.heard_version()
    if announced is None:
        return True
    if job.reference.secret.backend in _COUNTING:
        return _number(announced) <= _number(seen.current)
    return announced in seen.known and PENDING_LABEL not in seen.known[announced]


def is_version(reference: Reference, announced: str, version: str) -> bool:
    """Whether a version is the announced one. Events of Parameter Store and Vault name a number,
    their versions are `number@modified`. Where no announcement can name the version, whatever was
    read after it is what it spoke of: dynamic credentials must not be made again and again.
    """
    if is_unannounceable(version):
        return True
    if reference.secret.backend in _COUNTING and "@" not in announced:
        return version.partition("@")[0] == announced
    return version == announced


def _number(version: str | None) -> int:
    number = (version or "").partition("@")[0]
    return int(number) if number.isascii() and number.isdecimal() else 0


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
