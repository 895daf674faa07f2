"""Compare: what the backend holds against what the ledgers say was synced, one lane at a time.

Used by reconciler.sweep; asks with each ExternalSecret's own identity, because no other may look.
Feeds the work queue (through the cache's current versions) and the counter of what was found.

Guarantees: metadata only, in as few calls as the API allows; a value is read only where there is no
metadata, and then by the shared flights; dynamic credentials never are. A difference counts only
after a fresh look at that one secret, since lists lag.
"""

import time
from collections.abc import Callable

import structlog

from externalsecret.errors import GiveUp, Retry
from externalsecret.identity import Backend
from externalsecret.ledger import Entry, is_covered
from externalsecret.reference import Reference
from externalsecret.reflect import Key
from reconciler import remade
from reconciler.backends.contract import CannotLook, Look, Value, Versions
from reconciler.cache import Cache
from reconciler.fetch import Fetcher
from reconciler.load import Answers
from reconciler.metrics import ReconcilerMetrics
from reconciler.objects import Objects, Wake
from reconciler.reads import Ask, Lane, ReadKey, Verb
from reconciler.remarked import is_news, word_of
from reconciler.unannounced import Unannounced
from reconciler.versions import is_incomparable, lease_of

log = structlog.get_logger()

_NOTHING = ""
"""Stands for the current version where there is none, or where nobody may know it."""
Missing = Callable[[Lane, set[str]], None]
"""Told, from another thread, which entries got no answer in the end."""


class Comparison:
    """Compares versions, and has the readers of what differs look."""

    def __init__(
        self,
        objects: Objects,
        fetcher: Fetcher,
        cache: Cache,
        metrics: ReconcilerMetrics,
        wake: Wake,
        *,
        unannounced: Unannounced,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._objects = objects
        self._fetcher = fetcher
        self._cache = cache
        self._metrics = metrics
        self._wake = wake
        self._unannounced = unannounced
        self._clock = clock

    def compare(self, lane: Lane, entries: list[str], missing: Missing) -> set[str]:
        """Compare these; those that got no answer. Raises HarkError where none could be had.

        `missing` may be told of more, whose values had to be read.
        """
        references = []
        for entry in entries:
            reference = self._objects.reference((lane, entry))
            if reference is not None and not self._is_leased((lane, entry)):
                references.append(reference)
        if not references:
            return set()
        backend = self._fetcher.lane(lane).backend()
        seen = backend.sweep(references)
        doubtful = [one for one in references if self._differs((lane, one.entry), seen[one.entry])]
        fresh = backend.look(doubtful) if doubtful else {}
        for reference in doubtful:
            self._take(lane, reference, fresh[reference.entry])
        unseen = [
            one
            for one in references
            if isinstance(seen[one.entry], CannotLook) and self._may_be_read((lane, one.entry))
        ]
        self._read_unseen(lane, unseen, missing)
        looks = {**seen, **fresh}
        return {one.entry for one in references if isinstance(looks[one.entry], Retry)}

    def refuse(self, lane: Lane, entries: list[str]) -> None:
        """The whole system refuses us; why is said by the reads that follow."""
        for entry in entries:
            if not self._is_leased((lane, entry)):
                self._change((lane, entry), _NOTHING)

    def _differs(self, read: ReadKey, seen: Look) -> bool:
        """Whether a reader's Secret may hold something else than what was seen."""
        if isinstance(seen, GiveUp):
            return True
        if not isinstance(seen, Versions):
            return False
        if seen.gone or self._is_given_up(read):
            return True
        return bool(self._behind(read, seen)[0] or self._unaware(read, seen))

    def _versions(self, read: ReadKey) -> list[str]:
        """What the readers synced."""
        objects = [self._objects.get(key) for key in self._objects.readers(read)]
        leaves = [es.ledger.entry(read[1]).synced for es in objects if es is not None]
        return [synced.version for synced in leaves if synced is not None and synced.version]

    def _is_leased(self, read: ReadKey) -> bool:
        """Whether these are dynamic credentials: they do not change, and a read makes new ones."""
        return any(lease_of(version) is not None for version in self._versions(read))

    def _may_be_read(self, read: ReadKey) -> bool:
        """Whether a read is known to make nothing: what lies in Vault shows with the first one."""
        return read[0].backend is not Backend.VAULT or bool(self._versions(read))

    def _is_given_up(self, read: ReadKey) -> bool:
        """Whether an earlier sweep found that there is nothing to be had."""
        return self._cache.current(read) == _NOTHING

    def _behind(self, read: ReadKey, seen: Versions) -> tuple[dict[Key, str | None], str]:
        """The readers that synced another version, with the note that each has; and that version,
        told as exactly as all of them need it.
        """
        behind: dict[Key, str | None] = {}
        told = seen.current or _NOTHING
        reference = self._objects.reference(read)
        for key in self._objects.readers(read):
            es = self._objects.get(key)
            if es is None or self._objects.is_suspended(key):
                continue
            leaves = es.ledger.entry(read[1])
            if leaves.synced is None or reference is None:
                continue
            lacking = remade.lacks(reference, leaves.synced, seen)
            if lacking is not None:
                behind[key] = None if leaves.heard is None else leaves.heard.id
                told = max(told, lacking, key=len)
        return behind, told

    def _take(self, lane: Lane, reference: Reference, seen: Look) -> None:
        """A difference, looked at afresh."""
        read = (lane, reference.entry)
        if isinstance(seen, Versions) and not seen.gone:
            if seen.current is not None:
                self._take_version(lane, reference, seen)
            return
        if isinstance(seen, GiveUp) or (isinstance(seen, Versions) and seen.gone):
            # What it is that stands in the way is said by the read that follows.
            self._change(read, _NOTHING)

    def _take_version(self, lane: Lane, reference: Reference, seen: Versions) -> None:
        read = (lane, reference.entry)
        behind, told = self._behind(read, seen)
        if behind and all(is_incomparable(one, told) for one in self._versions(read)):
            # After a restart nobody can tell whether it changed: it is written, and not counted.
            self._change(read, told)
        elif behind:
            self._found_change(lane, reference, told, behind)
        elif self._is_given_up(read):
            # It is back as it was: whoever complains may stop.
            self._change(read, told)
        unaware = self._unaware(read, seen)
        if unaware:
            self._cache.remark(read, word_of(seen.remark) or "", self._clock())
        for key in unaware:
            self._wake(key, False)

    def _unaware(self, read: ReadKey, seen: Versions) -> list[Key]:
        """The readers that synced this version and told their users something else of it."""
        found = []
        for key in self._objects.readers(read):
            es = self._objects.get(key)
            synced = None if es is None else es.ledger.entry(read[1]).synced
            is_held = synced is not None and synced.version == seen.current
            if is_held and is_news(synced, seen.remark) and not self._objects.is_suspended(key):
                found.append(key)
        return found

    def _found_change(
        self, lane: Lane, reference: Reference, current: str, behind: dict[Key, str | None]
    ) -> None:
        """Count it once, although its readers may need longer than until the next sweep; not for
        those who have heard of a change and could not serve it yet.
        """
        if not self._change((lane, reference.entry), current):
            return
        unaware = {
            key: note for key, note in behind.items() if not self._waits(key, reference.entry)
        }
        if not unaware:
            return
        log.info("sweep.found", key=reference.key, backend=lane.backend, objects=len(unaware))
        self._metrics.found_by_sweep.labels(lane.backend).inc()
        self._unannounced.await_note(lane, reference.entry, unaware)

    def _waits(self, key: Key, entry: str) -> bool:
        """Whether this reader has a note that was not served yet."""
        es = self._objects.get(key)
        leaves = Entry() if es is None else es.ledger.entry(entry)
        fingerprint = None if leaves.synced is None else leaves.synced.fingerprint
        return fingerprint is not None and not is_covered(leaves, fingerprint)

    def _change(self, read: ReadKey, current: str) -> bool:
        """Have the readers look if this is news; whether it was."""
        is_news = self._cache.confirm(read, current)
        for key in self._objects.readers(read) if is_news else ():
            self._wake(key, False)
        return is_news

    def _read_unseen(self, lane: Lane, references: list[Reference], missing: Missing) -> None:
        """Where there is no metadata only the value tells."""
        since = self._clock()
        asks = [Ask(Verb.READ, reference, since) for reference in references]
        if asks:
            self._fetcher.submit(lane, asks, lambda found: self._take_values(lane, found, missing))

    def _take_values(self, lane: Lane, answers: Answers, missing: Missing) -> None:
        unanswered = {slot[1] for slot, one in answers.items() if isinstance(one.result, Retry)}
        if unanswered:
            self._metrics.sweep_unanswered.labels(lane.backend).inc(len(unanswered))
            log.warning("sweep.incomplete", backend=lane.backend, unanswered=len(unanswered))
            missing(lane, unanswered)
        for (_, entry), answer in answers.items():
            read = (lane, entry)
            result = answer.result
            reference = self._objects.reference(read)
            if reference is None:
                continue
            if isinstance(result, GiveUp):
                self._change(read, _NOTHING)
            elif isinstance(result, Value):
                seen = Versions(result.version, {}, "", remark=result.remark)
                self._take_version(lane, reference, seen)
