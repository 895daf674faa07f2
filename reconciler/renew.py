"""Renewal of dynamic credentials, so that what a Secret holds goes on to work.

Fed by the ledgers of all objects, in which the version of such a value is its lease
(reconciler.versions), and so also after a restart; asks the backends for more time; feeds the work
queue where credentials must be made anew.

Guarantees: a lease is renewed at two thirds of what was granted, by whoever leads. Credentials are
made anew, at once for all who share them, when Vault renews them no further (the grant falls to a
third of the first one), refuses to, or when the login ends that they hang on; always while they
still work, where the refusal came in time. Nothing is revoked: what no ledger names any more runs
out by itself.

Does not guarantee that a restart makes none anew: the login of the process that is gone was kept
alive by it alone. The lease tells when that login would have ended at the latest, as far as was
known when the credentials were made; whoever finds that time past cannot know better and reads.
"""

import threading
import time
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import structlog

from externalsecret.errors import GiveUp, HarkError, Retry, whereabouts
from externalsecret.reflect import Key
from reconciler.cache import Cache
from reconciler.fetch import Fetcher
from reconciler.jobs import seconds_of
from reconciler.metrics import ReconcilerMetrics
from reconciler.objects import Objects, Wake
from reconciler.reads import Lane, ReadKey, lane_of
from reconciler.versions import LEASE_PREFIX, Lease, lease_of

log = structlog.get_logger()

TICK = 2.0
_PART = 2 / 3
_LEAST = 1 / 3
_AGAIN = 10.0
"""Seconds until a renewal that failed in passing is tried again."""
_NOTHING = ""
"""In the cache: what was current is no more, whoever holds it must read."""
_IN_A_LEDGER = f'"version":"{LEASE_PREFIX}'.encode()


class Grant(Protocol):
    """What a renewal granted; see reconciler.backends.vaultsession."""

    @property
    def seconds(self) -> float: ...
    @property
    def token_left(self) -> float | None: ...
    @property
    def is_own(self) -> bool: ...


@runtime_checkable
class Renewing(Protocol):
    """A backend whose values may be leased."""

    def renew(self, path: str, lease_id: str) -> Grant:
        """Ask for more time. Raises Retry; GiveUp where there is none."""


@dataclass(slots=True)
class _Held:
    """A lease that ledgers name. Times are seconds since the epoch."""

    lease: Lease
    read: ReadKey
    readers: list[Key]
    due: float
    ends: float


class Renewer:
    """Renews every lease in use."""

    def __init__(
        self,
        objects: Objects,
        fetcher: Fetcher,
        cache: Cache,
        metrics: ReconcilerMetrics,
        wake: Wake,
        *,
        tend: Callable[[Collection[str]], None],
        now: Callable[[], float] = time.time,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`tend` keeps the logins alive that these leases hang on."""
        self._objects = objects
        self._fetcher = fetcher
        self._cache = cache
        self._metrics = metrics
        self._wake = wake
        self._tend = tend
        self._now = now
        self._clock = clock
        self._held: dict[str, _Held] = {}

    def run(self, stop: threading.Event, is_leader: Callable[[], bool]) -> None:
        """Renew whatever is due, while leading; for a thread of its own."""
        while not stop.wait(TICK):
            if is_leader():
                self.turn()
            else:
                self._held.clear()

    def turn(self) -> None:
        """Look at the ledgers, and renew what is due."""
        self._find()
        try:
            self._tend(self._held.keys())
        except Exception as fault:  # noqa: BLE001 - the renewals go on
            log.error("lease.fault", fault=whereabouts(fault))
        for held in [one for one in self._held.values() if one.due <= self._now()]:
            self._renew(held)

    def _find(self) -> None:
        found: dict[str, _Held] = {}
        for key in self._objects.mentioning(_IN_A_LEDGER):
            for read, lease, at in self._leases(key):
                held = found.get(lease.id) or self._held.get(lease.id)
                if held is None:
                    held = _Held(lease, read, [], at + _PART * lease.seconds, at + lease.seconds)
                if lease.id not in found:
                    held.readers.clear()
                held.readers.append(key)
                found[lease.id] = held
        self._held = found

    def _leases(self, key: Key) -> list[tuple[ReadKey, Lease, float]]:
        """The leases that an object holds, with when they were got."""
        es = self._objects.get(key)
        if es is None:
            return []
        try:
            manifest = self._objects.manifest(es)
        except GiveUp:
            return []
        found = []
        for entry, reference in manifest.references.items():
            synced = es.ledger.entry(entry).synced
            lease = None if synced is None else lease_of(synced.version)
            if synced is not None and lease is not None:
                at = seconds_of(synced.at)
                read = (lane_of(manifest, reference), entry)
                found.append((read, lease, self._now() if at is None else at))
        return found

    def _renew(self, held: _Held) -> None:
        lane, entry = held.read
        try:
            if not held.lease.renewable:
                self._make_anew(held, "Vault does not renew it")
                return
            grant = self._ask(lane, entry, held.lease)
        except Retry as error:
            self._count(lane, "failed")
            log.warning("lease.failed", entry=entry, error=str(error))
            if self._now() >= held.ends:
                self._make_anew(held, "it ended")
            else:
                held.due = self._now() + _AGAIN
        except HarkError as error:
            self._make_anew(held, str(error))
        except Exception as fault:  # noqa: BLE001 - one lease must not end the renewal of all
            log.error("lease.fault", entry=entry, fault=whereabouts(fault))
            held.due = self._now() + _AGAIN
        else:
            self._judge(held, grant)

    def _ask(self, lane: Lane, entry: str, lease: Lease) -> Grant:
        backend = self._fetcher.lane(lane).backend()
        reference = self._objects.reference((lane, entry))
        if reference is None or not isinstance(backend, Renewing):
            raise Retry("Nobody reads it at the moment.", reason="NotFound")
        return backend.renew(reference.secret.name, lease.id)

    def _judge(self, held: _Held, grant: Grant) -> None:
        """When to ask again; or that the end is near."""
        now = self._now()
        self._count(held.read[0], "renewed")
        left = grant.seconds
        token_left = grant.token_left if grant.is_own else _left(held.lease.until, now)
        if token_left is not None:
            left = min(left, token_left)
        held.ends = now + left
        held.due = now + _PART * left
        if left <= held.lease.seconds * _LEAST:
            self._make_anew(held, "Vault renews it no further")

    def _make_anew(self, held: _Held, why: str) -> None:
        """Have all who hold the lease read; the first read serves all of them."""
        lane, entry = held.read
        log.info("lease.anew", entry=entry, backend=lane.backend, why=why)
        self._count(lane, "anew")
        held.due = self._now() + max(_AGAIN, _LEAST * held.lease.seconds)
        current = lease_of(self._cache.current(held.read))
        if current is None or current.id == held.lease.id:
            self._cache.confirm(held.read, _NOTHING, self._clock())
        # Else others have new ones already, which serve whoever lags behind (being suspended).
        for key in held.readers:
            self._wake(key, True)

    def _count(self, lane: Lane, outcome: str) -> None:
        self._metrics.lease_renewals.labels(lane.backend, outcome).inc()


def _left(until: float | None, now: float) -> float | None:
    return None if until is None else until - now
