"""Lets the reconciler work: settings in, threads out. No decision is made here.

Run by `hark reconcile` and `hark run`; the parts are those of hark.assembly.
"""

import threading
import time
from collections.abc import Callable

import structlog

from externalsecret.duration import format_duration
from externalsecret.kubeapi import connect
from externalsecret.kubeevents import ObjectRef, Recorder
from externalsecret.lease import Lease
from externalsecret.resource import API_VERSION, KIND, ExternalSecret
from hark.assembly import assemble
from hark.ending import wind_down
from hark.half import Half
from hark.settings import Settings
from hark.signals import stop_on_signals
from reconciler.objects import Objects
from reconciler.renew import Renewer
from reconciler.sweep import Sweeper
from reconciler.swept import Swept
from reconciler.tidy import keep_tidy
from reconciler.workqueue import WorkQueue

log = structlog.get_logger()

LEASE = "hark-reconciler"
"""Whoever holds it leads."""
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
    # A connection of its own: one slow answer must not cost the lead.
    lease_api = connect(settings.kubeconfig, connections=2, timeout=_LEASE_TIMEOUT)
    swept = Swept(time.time)
    lease = Lease(lease_api, settings.namespace, settings.identity, name=LEASE, record=swept)
    is_leader = lease.is_leader if settings.leader_election else lambda: True
    parts = assemble(half, is_leader)
    objects, sync_calls = parts.objects, parts.metrics.sync_calls
    sync_calls.served = lambda: objects.keys() if is_leader() else ()
    half.expositions.append(sync_calls.exposition)
    parts.watch(half)
    released = threading.Event()
    if settings.leader_election:
        half.spawn("lease", lambda: lease.run(released.wait), until_stop=False)
    if half.await_lists():
        half.spawn("leading", lambda: _follow(half, objects, parts.queue, is_leader))
        for number in range(settings.workers):
            half.spawn(f"worker-{number}", parts.reconciler.work)
        half.spawn("tidy", lambda: keep_tidy(objects, parts.fetcher, parts.cache, half.stop))
        # Even without a sweep of the installation: objects may ask for one of their own.
        sweeper = Sweeper(
            objects,
            parts.fetcher,
            parts.cache,
            parts.metrics,
            parts.wake,
            interval=settings.sweep_interval,
            times=swept,
            asked=swept.asked,
            announced_within=settings.unannounced_after,
            tell=lambda es, entry: _tell_unannounced(parts.recorder, settings, es, entry),
        )
        renewer = Renewer(
            objects,
            parts.fetcher,
            parts.cache,
            parts.metrics,
            parts.wake,
            tend=parts.access.vault.tend,
        )
        half.spawn("renew", lambda: renewer.run(half.stop, is_leader))
        half.spawn("sweep", lambda: sweeper.run(half.stop, is_leader))

    def end() -> None:
        parts.queue.close()
        wind_down(half, released, parts.close)

    return end


def _tell_unannounced(
    recorder: Recorder, settings: Settings, es: ExternalSecret, entry: str
) -> None:
    about = ObjectRef(*es.key, es.uid, API_VERSION, KIND)
    within = format_duration(settings.unannounced_after)
    message = (
        f"The sweep found a change of {entry} that no event announced within {within}. Check the "
        "rules and the queue that bring its events; until then its changes come with the sweep."
    )
    recorder.record(about, "Warning", "ChangeNotAnnounced", message)


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
