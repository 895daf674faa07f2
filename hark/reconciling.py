"""Composes the reconciler: settings in, threads out. No decision is made here.

Run by `hark reconcile` and `hark run`.
"""

import os
import threading
import time
from collections.abc import Callable

import structlog

from externalsecret.kubeapi import connect
from externalsecret.kubeevents import Recorder
from externalsecret.kubeone import OneObject
from externalsecret.resource import MANAGED_LABEL, MANAGED_VALUE, list_paths
from hark.ending import wind_down
from hark.half import Half
from hark.settings import Settings
from hark.signals import stop_on_signals
from reconciler.apply import SecretWriter
from reconciler.backends.contract import Backend
from reconciler.backends.opening import open_backend, read_access
from reconciler.backoff import Backoff
from reconciler.cache import Cache
from reconciler.evaluate import Evaluator
from reconciler.fetch import Fetcher
from reconciler.guard import Guard
from reconciler.lease import Lease
from reconciler.live import LiveSecrets
from reconciler.metrics import ReconcilerMetrics
from reconciler.namespaces import Namespaces
from reconciler.objects import Objects
from reconciler.permissions import Permissions, PermissionSettings
from reconciler.reads import Lane
from reconciler.reconcile import Parts, Reconciler
from reconciler.renew import Renewer
from reconciler.rereads import Rereads
from reconciler.scripts import FOLDER_VARIABLE, load_scripts, places
from reconciler.sweep import Sweeper
from reconciler.swept import Swept
from reconciler.template import template_engine
from reconciler.tidy import keep_tidy
from reconciler.workqueue import WorkQueue

log = structlog.get_logger()

_GLANCE = 0.2
_LEASE_TIMEOUT = 4.0


def run(settings: Settings) -> int:
    """Reconcile until SIGTERM; the exit code."""
    stop = threading.Event()
    stop_on_signals(stop)
    half = Half("reconciler", settings, stop, settings.metrics_port)
    return half.run(lambda: start(half))


def start(half: Half) -> Callable[[], None]:
    """Start reconciling; what to do at the end."""
    settings = half.settings
    metrics = ReconcilerMetrics(half.registry)
    queue = WorkQueue()
    metrics.queue_length.set_function(lambda: len(queue))

    def wake(key: tuple[str, str], urgent: bool) -> None:  # noqa: FBT001 - the shape of Wake
        queue.add(key, urgent=urgent)

    def wake_all_of(namespace: str) -> None:
        # The objects come later: they know the guard, which knows the namespaces.
        objects.wake_all_of(namespace)

    recorder = Recorder(half.api, "hark-reconciler", time.time)
    permissions = _permissions(settings)
    namespaces = Namespaces(permissions, recorder, wake_all_of)
    guard = Guard(namespaces, Permissions(permissions), settings.defaults)
    objects = Objects(settings.defaults, settings.instance_id, wake, guard=guard)
    metrics.suspended.set_function(objects.suspended)
    live = LiveSecrets(wake)
    # A connection of its own: one slow answer must not cost the lead.
    lease_api = connect(settings.kubeconfig, connections=2, timeout=_LEASE_TIMEOUT)
    lease = Lease(lease_api, settings.namespace, settings.identity)
    is_leader = lease.is_leader if settings.leader_election else lambda: True
    metrics.sync_calls.served = lambda: objects.keys() if is_leader() else ()
    half.expositions.append(metrics.sync_calls.exposition)
    cache = Cache(settings.cache_bytes)
    access = read_access(os.environ)

    def open_lane(lane: Lane) -> Backend:
        return open_backend(lane.backend, lane.identity, lane.scope, access)

    fetcher = Fetcher(open_lane, cache, metrics)
    scripts = places({**os.environ, FOLDER_VARIABLE: settings.scripts})
    evaluator = Evaluator(template_engine(lambda: load_scripts(scripts)))
    reconciler = Reconciler(
        Parts(
            half.api,
            queue,
            objects,
            live,
            fetcher,
            cache,
            SecretWriter(half.api, live, metrics),
            evaluator,
            Rereads(settings.reread_delays),
            Backoff(),
            recorder,
            metrics,
            guard,
            is_leader,
            service_account_tokens=settings.service_account_tokens,
        )
    )
    _watch(half, objects, live)
    _watch_namespaces(half, namespaces)
    released = threading.Event()
    if settings.leader_election:
        half.spawn("lease", lambda: lease.run(released.wait), until_stop=False)
    if half.await_lists():
        half.spawn("leading", lambda: _follow(half, objects, queue, is_leader))
        for number in range(settings.workers):
            half.spawn(f"worker-{number}", reconciler.work)
        half.spawn("tidy", lambda: keep_tidy(objects, fetcher, cache, half.stop))
        # Even without a sweep of the installation: objects may ask for one of their own.
        sweeper = Sweeper(
            objects,
            fetcher,
            cache,
            metrics,
            wake,
            interval=settings.sweep_interval,
            times=lease if settings.leader_election else Swept(time.time),
        )
        renewer = Renewer(objects, fetcher, cache, metrics, wake, tend=access.vault.tend)
        half.spawn("renew", lambda: renewer.run(half.stop, is_leader))
        half.spawn("sweep", lambda: sweeper.run(half.stop, is_leader))

    def end() -> None:
        queue.close()

        def close() -> None:
            evaluator.close()
            guard.close()
            access.close()

        wind_down(half, released, close)

    return end


def _permissions(settings: Settings) -> PermissionSettings:
    return PermissionSettings(
        naming_annotation=settings.naming_annotation,
        role_annotation=settings.role_annotation,
        enforced=settings.annotations_enforced,
        whole=settings.permitted_full_match,
    )


def _watch(half: Half, objects: Objects, live: LiveSecrets) -> None:
    namespaces = half.settings.watched_namespaces
    for path in list_paths(namespaces):
        half.reflect(path, objects)
    places = [f"/api/v1/namespaces/{name}/secrets" for name in namespaces]
    for path in places or ["/api/v1/secrets"]:
        half.reflect(
            path,
            live,
            label_selector=f"{MANAGED_LABEL}={MANAGED_VALUE}",
            metadata_only=True,
        )


def _watch_namespaces(half: Half, namespaces: Namespaces) -> None:
    names = half.settings.watched_namespaces
    for name in names:
        # By itself, for which a Role in this namespace suffices: lists are of the whole cluster.
        path = f"/api/v1/namespaces/{name}"
        half.reflect(path, namespaces, metadata_only=True, api=OneObject(half.api))
    if not names:
        half.reflect("/api/v1/namespaces", namespaces, metadata_only=True)


def _follow(half: Half, objects: Objects, queue: WorkQueue, is_leader: Callable[[], bool]) -> None:
    """Look at every object whenever this replica begins to lead."""
    led = False
    while not half.stop.wait(_GLANCE):
        leads = is_leader()
        if leads and not led:
            log.info("leading.begun", objects=len(objects))
            for key in objects.keys():  # noqa: SIM118 - not a dictionary
                queue.add(key, urgent=False)
        led = leads
