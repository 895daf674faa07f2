"""Decides what an answer means: the next step of a job, or its end. Plain functions of plain data.

Fed by the jobs (reconciler.jobs) and the backends' answers; feeds the attempt with verdicts.

    begins with   and finds                                       goes on with, or ends as
    ------------  ----------------------------------------------  ------------------------
    a look        what the Secret holds is current                Covered
    a look        the same, but the note names no version         Later, once or twice; a read of
                                                                  it where it may be made anew
    a look        something else is current                       a read of it
    a read        the version that was announced or expected      Settled
    a read        another version                                 a look
    a look after  what was read is current                        Settled
    a look after  something else is current                       a read of it
    any           the announced version is not there yet          Later

Guarantees: versions decide what is covered; no clock is read. A job ends after a few steps,
whatever is answered. Does not decide how often an announced version is looked for.
"""

from dataclasses import dataclass, field, replace

from externalsecret.errors import GiveUp, HarkError
from externalsecret.identity import Backend
from externalsecret.reference import Reference
from reconciler import remade
from reconciler.backends.contract import CannotLook, Remark, Value, Versions
from reconciler.jobs import Job, Why
from reconciler.reads import Answer, Verb
from reconciler.supply import Missing
from reconciler.versions import is_unannounceable

PENDING_LABEL = "AWSPENDING"
_COUNTING = frozenset((Backend.PARAMETER_STORE, Backend.GCP_SECRET_MANAGER, Backend.VAULT))
MOST_STEPS = 4
"""Looks and reads that one pass spends on one key before it waits."""


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
    remark: Remark | None = None
    """What is to be known of it now."""


@dataclass(frozen=True, slots=True)
class Failed:
    """Neither value nor versions could be had."""

    error: HarkError


@dataclass(frozen=True, slots=True)
class Later:
    """The announced version is not to be seen yet."""

    is_doubt: bool = False
    """Nothing differs, but the note names no version: the look may have been an old answer."""
    remark: Remark | None = None
    """As of what is covered."""


Verdict = Settled | Covered | Failed | Later


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
    is_remade = job.value is None and _is_remade(job, seen)
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
        return Later(is_doubt=True, remark=seen.remark)
    return Covered(began, seen.remark) if superseded else Later(remark=seen.remark)


def _is_remade(job: Job, seen: Versions) -> bool:
    """Whether the version seen is, or may be, another one than was read under its number."""
    if job.is_open() and job.heard_version() is None:
        return remade.may_be_remade(job.entry.synced, seen)
    return remade.is_remade(job.entry.synced, seen)


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
