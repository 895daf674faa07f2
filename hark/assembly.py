"""Assembly: the parts of a reconciler, put together. No decision is made here.

Made from the settings of a half; let work by hark.reconciling, and by hark.diff, which lets the
same parts work without writing anything.
"""

import os
import time
from collections.abc import Callable
from dataclasses import dataclass

from externalsecret.kubeevents import Recorder
from externalsecret.kubeone import OneObject
from externalsecret.reflect import Key
from externalsecret.resource import MANAGED_LABEL, MANAGED_VALUE, list_paths
from hark.half import Half
from hark.settings import Settings
from reconciler.apply import SecretWriter
from reconciler.backends.contract import Backend
from reconciler.backends.opening import Access, open_backend, read_access
from reconciler.backoff import Backoff
from reconciler.cache import Cache
from reconciler.evaluate import Evaluator
from reconciler.fetch import Fetcher
from reconciler.guard import Guard
from reconciler.live import LiveSecrets
from reconciler.metrics import ReconcilerMetrics
from reconciler.namespaces import Namespaces
from reconciler.objects import Objects, Wake
from reconciler.parts import Ended, Parts, nobody_asks
from reconciler.permissions import Permissions, PermissionSettings
from reconciler.reads import Lane
from reconciler.reconcile import Reconciler
from reconciler.rereads import Rereads
from reconciler.scripts import FOLDER_VARIABLE, load_scripts, places
from reconciler.template import template_engine
from reconciler.workqueue import WorkQueue


@dataclass(frozen=True, slots=True)
class Assembly:
    """The parts that whoever lets them work has to do with."""

    queue: WorkQueue
    wake: Wake
    objects: Objects
    live: LiveSecrets
    namespaces: Namespaces
    cache: Cache
    fetcher: Fetcher
    metrics: ReconcilerMetrics
    access: Access
    reconciler: Reconciler
    recorder: Recorder
    close: Callable[[], None]
    """Let go of engines, clients and connections; waits for no call."""

    def watch(self, half: Half) -> None:
        """Watch what the parts must know of the cluster."""
        names = half.settings.watched_namespaces
        for path in list_paths(names):
            half.reflect(path, self.objects)
        places = [f"/api/v1/namespaces/{name}/secrets" for name in names]
        for path in places or ["/api/v1/secrets"]:
            half.reflect(
                path,
                self.live,
                label_selector=f"{MANAGED_LABEL}={MANAGED_VALUE}",
                metadata_only=True,
            )
        for name in names:
            # By itself, for which a Role in this namespace suffices: lists are of the whole
            # cluster.
            path = f"/api/v1/namespaces/{name}"
            half.reflect(path, self.namespaces, metadata_only=True, api=OneObject(half.api))
        if not names:
            half.reflect("/api/v1/namespaces", self.namespaces, metadata_only=True)


def assemble(
    half: Half,
    may_write: Callable[[], bool],
    *,
    is_wanted: Callable[[Key], bool] = lambda _key: True,
    ended: Ended = nobody_asks,
) -> Assembly:
    """The parts for a half, none of which does anything yet.

    Only wanted objects are ever looked at; `ended` is told how each pass over one ended. Raises
    GiveUp (InvalidSetting) where the environment makes no sense to a backend.
    """
    settings = half.settings
    metrics = ReconcilerMetrics(half.registry)
    queue = WorkQueue()
    metrics.queue_length.set_function(lambda: len(queue))

    def wake(key: Key, urgent: bool) -> None:  # noqa: FBT001 - the shape of Wake
        if is_wanted(key):
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
            may_write,
            service_account_tokens=settings.service_account_tokens,
            ended=ended,
        )
    )

    def close() -> None:
        evaluator.close()
        guard.close()
        access.close()

    return Assembly(
        queue,
        wake,
        objects,
        live,
        namespaces,
        cache,
        fetcher,
        metrics,
        access,
        reconciler,
        recorder,
        close,
    )


def _permissions(settings: Settings) -> PermissionSettings:
    return PermissionSettings(
        naming_annotation=settings.naming_annotation,
        role_annotation=settings.role_annotation,
        enforced=settings.annotations_enforced,
        whole=settings.permitted_full_match,
    )
