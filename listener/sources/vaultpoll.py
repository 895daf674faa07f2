"""Looks at the metadata of every path in Vault that an ExternalSecret reads, round after round.

Fed by the index with paths and ledgers, and by its own login at Vault (Eyes) with what lies there;
feeds listener.sources.vault with what differs. One look a path however many read it, some at the
same time; the first key-value engine, which has no metadata, and dynamic credentials are left to
the reconciler.

Guarantees: a path that may not be looked at is counted, and said once to each of its readers, not
every round. Where Vault itself is away, or refuses the login, it raises, and where a whole round
got no answer it begins another as soon as its caller has waited. Paths that get no answer while
others do are counted, and looked at in the next round. Does not remember what it told: the ledgers
know, or the message comes again.
"""

import random
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from datetime import UTC, datetime

from externalsecret.dialect.vault import V2
from externalsecret.errors import GiveUp, HarkError, Retry
from externalsecret.identity import Backend
from externalsecret.reference import Reference
from externalsecret.reflect import Key
from listener.index import Index
from listener.metrics import ListenerMetrics
from listener.sources.vaultnews import Eyes, News, Sight, Unseen, news_of

BATCH = 32
_SPREAD = 0.1
_DENIED = (
    "A path in Vault that this reads cannot be watched, so that its changes are found by the sweep "
    "alone. Allow the listener's role to read its metadata, or correct the key."
)

Tell = Callable[[Key, str, str], None]
"""Says something about an ExternalSecret: its key, a reason, a sentence."""


class VaultPoll:
    """The rounds. Threads may share it; one looks at a time."""

    def __init__(
        self,
        eyes: Eyes,
        index: Index,
        metrics: ListenerMetrics,
        tell: Tell,
        *,
        clock: Callable[[], float] = time.monotonic,
        now: Callable[[], float] = time.time,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self._eyes = eyes
        self._index = index
        self._metrics = metrics
        self._tell = tell
        self._clock = clock
        self._now = now
        self._jitter = jitter
        self._lock = threading.RLock()
        self._open: deque[Reference] = deque()
        self._began = float("-inf")
        self._spread = 1.0
        self._is_hasty = False
        self._has_answer = False
        """Whether anything was answered in this round."""
        self._states: dict[str, str] = {}
        self._told: set[tuple[Key, str]] = set()
        self._empty: set[tuple[Key, str]] = set()
        """Readers that had synced nothing when they were last looked for."""

    def begin_anew(self) -> None:
        """Forget the rounds so far: another replica may have looked meanwhile."""
        with self._lock:
            self._open.clear()
            self._states.clear()
            self._told.clear()
            self._empty.clear()
            self._count()
            self._is_hasty = True

    def hasten(self) -> None:
        """Compare everything as soon as this round is over."""
        self._is_hasty = True

    def wait_for(self, interval: float) -> float:
        """Seconds until something is to be looked at, if rounds begin at this interval."""
        if self._open or self._is_hasty:
            return 0.0
        return max(0.0, self._began + interval * self._spread - self._clock())

    def look(self) -> list[News]:
        """The next few paths. Raises HarkError where Vault cannot be asked at all."""
        with self._lock:
            return self._look()

    def _look(self) -> list[News]:
        if not self._open:
            self._begin()
        batch = [self._open.popleft() for _ in range(min(BATCH, len(self._open)))]
        looks = self._eyes.look(batch) if batch else {}
        failures = [look for look in looks.values() if isinstance(look, HarkError)]
        for reference in batch:
            if isinstance(looks[reference.entry], HarkError):
                self._states[reference.entry] = "failed"
        self._count()
        self._metrics.vault_looks.labels("failed").inc(len(failures))
        self._has_answer = self._has_answer or len(failures) < len(batch)
        if batch and len(failures) == len(batch):
            if not self._has_answer:
                self._is_hasty = self._is_hasty or not self._open
                raise _told_as_ours(_longest(failures))
            if len(batch) == BATCH:
                raise _told_as_ours(_longest(failures))
        found: list[News] = []
        for reference in batch:
            look = looks[reference.entry]
            if not isinstance(look, HarkError):
                found.extend(self._take(reference, look))
        self._count()
        return found

    def _begin(self) -> None:
        self._is_hasty = False
        self._has_answer = False
        self._began = self._clock()
        self._spread = 1.0 + _SPREAD * (self._jitter() * 2.0 - 1.0)
        wanted: dict[tuple[str, str], Reference] = {}
        for reference in self._index.references(Backend.VAULT):
            if reference.scope == V2:
                wanted.setdefault((reference.secret.name, reference.selector.value), reference)
        self._open.extend(wanted.values())
        self._forget_the_gone()
        known = {reference.entry for reference in self._open}
        self._states = {entry: state for entry, state in self._states.items() if entry in known}

    def _forget_the_gone(self) -> None:
        """Objects come and go; only what is read now may be remembered."""
        places = {
            (reader.key, reference.entry)
            for reference in self._open
            for reader in self._index.readers(reference)
        }
        self._told &= places
        self._empty &= places

    def _take(self, reference: Reference, look: Sight | Unseen) -> list[News]:
        readers = self._index.readers(reference)
        if isinstance(look, Unseen):
            self._say(reference, "denied")
            for reader in readers:
                if (reader.key, reference.entry) not in self._told:
                    self._told.add((reader.key, reference.entry))
                    self._tell(reader.key, "VaultPathNotWatched", f"{_DENIED} {look.message}")
            return []
        self._say(reference, "gone" if look.is_gone else "watched")
        self._told -= {(reader.key, reference.entry) for reader in readers}
        at = datetime.fromtimestamp(self._now(), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        lingering = {
            reader.key for reader in readers if (reader.key, reference.entry) in self._empty
        }
        for reader in readers:
            place = (reader.key, reference.entry)
            (self._empty.discard if reader.synced else self._empty.add)(place)
        news = news_of(reference, look, readers, lingering, at)
        return [] if news is None else [news]

    def _say(self, reference: Reference, state: str) -> None:
        self._metrics.vault_looks.labels("seen" if state == "watched" else state).inc()
        self._states[reference.entry] = state

    def _count(self) -> None:
        states = list(self._states.values())
        for state in ("watched", "gone", "denied", "failed"):
            self._metrics.vault_paths.labels(state).set(states.count(state))


def _longest(failures: Sequence[HarkError]) -> HarkError:
    """The one that asks for the longest wait."""
    return max(failures, key=lambda one: (one.after or 0.0) if isinstance(one, Retry) else 0.0)


def _told_as_ours(error: HarkError) -> HarkError:
    said = f"The metadata in Vault cannot be looked at. {error.message}"
    if isinstance(error, Retry):
        return Retry(said, reason=error.reason, after=error.after)
    return GiveUp(said, reason=error.reason)
