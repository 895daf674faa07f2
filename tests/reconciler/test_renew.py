"""Dynamic credentials are renewed, made anew in time, and never by the sweep."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import pytest
from prometheus_client import CollectorRegistry

from externalsecret.dialect.contract import Defaults
from externalsecret.errors import GiveUp, HarkError, Retry
from externalsecret.manifest import read_manifest
from externalsecret.reference import Reference
from fakes.resources import Clock, raw
from reconciler.backends.contract import CannotLook, Look, Read, Versions
from reconciler.backends.vaultsession import Granted
from reconciler.cache import Cache
from reconciler.compare import Comparison
from reconciler.fetch import Fetcher
from reconciler.jobs import Known, find_jobs
from reconciler.lane import LaneWork
from reconciler.metrics import ReconcilerMetrics
from reconciler.objects import Objects
from reconciler.reads import Verb, lane_of
from reconciler.renew import Renewer
from reconciler.unannounced import Unannounced
from reconciler.versions import Lease, digest_version, is_incomparable, lease_of

DEFAULTS = Defaults()
NOW = datetime(2026, 1, 1, tzinfo=UTC).timestamp()
SPEC = {
    "backendType": "vault",
    "vaultRole": "app",
    "kvVersion": 1,
    "data": [{"key": "database/creds/app", "name": "password", "property": "password"}],
}
MANIFEST = read_manifest(SPEC, DEFAULTS)
(ENTRY,) = MANIFEST.references
READ = (lane_of(MANIFEST, MANIFEST.references[ENTRY]), ENTRY)
LEASE = Lease("database/creds/app/1", 3600, renewable=True, until=None)


class Leasing:
    """A backend that grants what a test says."""

    batch_size = 20

    def __init__(self) -> None:
        self.grant: Granted | HarkError = Granted(3600, True, None, True)
        self.renewed: list[tuple[str, str]] = []
        self.reads = 0

    def renew(self, path: str, lease_id: str) -> Granted:
        self.renewed.append((path, lease_id))
        if isinstance(self.grant, HarkError):
            raise self.grant
        return self.grant

    def read(self, references: Sequence[Reference]) -> Mapping[str, Read]:
        self.reads += len(references)
        return {}

    def look(self, references: Sequence[Reference]) -> Mapping[str, Look]:
        return {one.entry: CannotLook("no") for one in references}

    sweep = look

    def close(self) -> None: ...


@dataclass
class World:
    """Two objects that hold credentials of one lease, and whoever renews it."""

    clock: Clock
    backend: Leasing
    objects: Objects
    cache: Cache
    renewer: Renewer
    comparison: Comparison
    woken: list[tuple[str, str]]
    tended: list[set[str]]
    metrics: ReconcilerMetrics
    registry: CollectorRegistry

    def hold(self, version: str | None, *names: str) -> None:
        for number, name in enumerate(names):
            leaf = {
                "version": version,
                "at": "2026-01-01T00:00:00Z",
                "fingerprint": MANIFEST.fingerprint(ENTRY),
                "feeds": ["password"],
            }
            status = {"uid": "u1", "keys": {ENTRY: {"synced": leaf}}}
            at = 10 * int(self.clock.seconds - NOW + 1) + number
            self.objects.replace(raw(name, wanted=SPEC, status=status, version=at))

    def at(self, seconds: float) -> None:
        self.clock.seconds = NOW + seconds
        self.renewer.turn()


@pytest.fixture
def world() -> World:
    clock, backend, cache = Clock(NOW), Leasing(), Cache(10_000)
    woken: list[tuple[str, str]] = []
    tended: list[set[str]] = []

    def wake(key: tuple[str, str], _urgent: bool) -> None:  # noqa: FBT001 - as Wake
        woken.append(key)

    def tend(leases: Collection[str]) -> None:
        tended.append(set(leases))

    def start(_lane: LaneWork, _name: str) -> None: ...

    objects = Objects(DEFAULTS, "", wake)
    registry = CollectorRegistry()
    metrics = ReconcilerMetrics(registry)
    fetcher = Fetcher(lambda _lane: backend, cache, metrics, clock=clock, start=start)
    renewer = Renewer(objects, fetcher, cache, metrics, wake, tend=tend, now=clock)
    unannounced = Unannounced(objects, metrics, clock)
    comparison = Comparison(
        objects, fetcher, cache, metrics, wake, unannounced=unannounced, clock=clock
    )
    made = World(
        clock,
        backend,
        objects,
        cache,
        renewer,
        comparison,
        woken,
        tended,
        metrics,
        registry,
    )
    made.hold(LEASE.version(), "shop", "shelf")
    return made


def test_a_lease_is_renewed_once_for_all_at_two_thirds(world: World) -> None:
    world.at(2399)
    assert world.backend.renewed == []
    world.at(2401)
    assert world.backend.renewed == [("database/creds/app", LEASE.id)]
    assert world.tended[-1] == {LEASE.id}
    assert world.woken == []
    world.at(2401 + 2399)
    assert len(world.backend.renewed) == 1
    world.at(2401 + 2401)
    assert len(world.backend.renewed) == 2


def test_after_a_restart_the_ledger_tells_of_the_lease(world: World) -> None:
    world.at(9000)
    assert world.backend.renewed == [("database/creds/app", LEASE.id)]


def test_what_is_renewed_no_further_is_made_anew_for_all_before_it_ends(world: World) -> None:
    world.backend.grant = Granted(1000, True, None, True)
    world.at(2401)
    assert sorted(world.woken) == [("team", "shelf"), ("team", "shop")]
    assert world.cache.current(READ) == ""


@pytest.mark.parametrize("grant", [GiveUp("lease not found", reason="InvalidKey")])
def test_what_vault_refuses_to_renew_is_made_anew(world: World, grant: HarkError) -> None:
    world.backend.grant = grant
    world.at(2401)
    assert world.cache.current(READ) == ""
    world.at(2403)
    assert len(world.backend.renewed) == 1


def test_what_cannot_be_renewed_is_made_anew_at_two_thirds_without_asking(world: World) -> None:
    lasting = Lease("database/creds/app/2", 3600, renewable=False, until=None)
    world.hold(None, "shelf")
    world.clock.seconds += 1
    world.hold(lasting.version(), "shop", "shelf")
    world.at(2401)
    assert world.backend.renewed == []
    assert world.cache.current(READ) == ""


def test_a_failure_that_passes_is_tried_again_until_the_credentials_end(world: World) -> None:
    world.backend.grant = Retry("sealed", reason="BackendUnavailable")
    world.at(2401)
    world.at(2405)
    assert len(world.backend.renewed) == 1
    world.at(2412)
    assert len(world.backend.renewed) == 2
    assert world.woken == []
    world.at(3601)
    assert world.cache.current(READ) == ""


def test_credentials_are_made_anew_before_the_login_ends_that_they_hang_on(world: World) -> None:
    world.backend.grant = Granted(3600, True, 900, True)
    world.at(2401)
    assert world.cache.current(READ) == ""


def test_a_login_of_another_process_counts_as_ended_when_it_was_last_known_to(
    world: World,
) -> None:
    old = Lease("database/creds/app/3", 3600, renewable=True, until=NOW + 5000)
    world.clock.seconds += 1
    world.hold(old.version(), "shop", "shelf")
    world.backend.grant = Granted(3600, True, None, False)
    world.at(2403)
    assert world.cache.current(READ) is None
    world.at(2403 + 1735)
    assert world.cache.current(READ) == ""


def test_what_nobody_holds_any_more_is_left_to_run_out(world: World) -> None:
    for name in ("shop", "shelf"):
        world.objects.remove(raw(name, wanted=SPEC, version=1000))
    world.at(2401)
    assert world.backend.renewed == []
    assert world.tended[-1] == set()


def test_the_sweep_makes_no_credentials(world: World) -> None:
    assert world.comparison.compare(READ[0], [ENTRY], lambda _lane, _entries: None) == set()
    assert world.backend.reads == 0
    world.clock.seconds += 1
    world.hold(None, "shop", "shelf")
    assert world.comparison.compare(READ[0], [ENTRY], lambda _lane, _entries: None) == set()
    assert world.backend.reads == 0


def test_a_digest_of_another_process_is_no_change_that_was_found(world: World) -> None:
    world.clock.seconds += 1
    world.hold(digest_version("old", "1"), "shop", "shelf")
    version = digest_version("new", "2")
    lane, reference = READ[0], MANIFEST.references[ENTRY]
    world.comparison._take_version(lane, reference, Versions(version, {}, ""))
    assert world.cache.current(READ) == version
    sample = "hark_reconciler_changes_found_by_sweep_total"
    assert not world.registry.get_sample_value(sample, {"backend": "vault"})


@pytest.mark.parametrize(
    "lease",
    [
        LEASE,
        Lease("a|b@c", 60, renewable=False, until=1234),
        Lease("x", 0, renewable=True, until=0),
    ],
)
def test_a_lease_is_read_from_the_text_that_it_wrote(lease: Lease) -> None:
    assert lease_of(lease.version()) == lease


@pytest.mark.parametrize("text", [None, "", "3@2026", "lease:", "lease:x|y|1|", "lease:x|1|1"])
def test_another_text_is_no_lease(text: str | None) -> None:
    assert lease_of(text) is None


def test_only_digests_of_two_processes_are_incomparable() -> None:
    one, other = digest_version("a", "1"), digest_version("b", "1")
    assert is_incomparable(one, other)
    assert not is_incomparable(one, digest_version("a", "2"))
    assert not is_incomparable(one, "3@x")
    assert not is_incomparable(None, one)


def test_who_lags_behind_has_nothing_made_anew_for_the_others(world: World) -> None:
    newer = Lease("database/creds/app/2", 3600, renewable=True, until=None).version()
    world.cache.confirm(READ, newer)
    world.backend.grant = GiveUp("over", reason="LeaseEnded")
    world.at(2401)
    assert world.woken == [("team", "shop"), ("team", "shelf")]
    assert world.cache.current(READ) == newer


def test_credentials_made_since_they_were_called_for_serve_every_reader(world: World) -> None:
    world.backend.grant = GiveUp("over", reason="LeaseEnded")
    world.at(2401)
    es = world.objects.get(("team", "shop"))
    assert es is not None
    told = world.cache.confirmed(READ)
    known = Known(
        now=told + 5.0,
        fresh_since=told,
        noted=lambda _heard: told,
        current=lambda _entry: world.cache.current(READ),
        confirmed=lambda _entry: world.cache.confirmed(READ),
        has_value=lambda _entry: False,
    )
    (job,) = find_jobs(es.ledger, MANIFEST, frozenset(), known)
    assert told > 0
    assert (job.verb, job.since, job.version) == (Verb.READ, told, None)
