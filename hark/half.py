"""Half: what both halves of Hark are as a process: a connection, threads that do not die, probes
and metrics.

Made by hark.listening and hark.reconciling, which fill it; run by them or, both in one process, by
hark.running.

Guarantees: a thread that fails is logged and started again, so nothing stops silently; liveness
fails when a thread is dead nevertheless. The definition of ExternalSecret is checked before
anything is written: a missing one is waited for, one that would drop the ledger ends the process
with the command that mends it.

Readiness speaks of the cluster alone. A queue that is missing or denied, or any other source that
fails, is tried again with backoff and shows in metrics (hark_listener_source_up) and logs: it makes
no half unready and never ends the process. An unready pod holds up a rollout, and with it the very
change that would mend the queue, while the other sources, and the sweep, go on working.
"""

import threading
import time
from collections.abc import Callable

import structlog

from externalsecret.crdcheck import check_ledger_schema
from externalsecret.errors import GiveUp, HarkError, Retry, whereabouts
from externalsecret.kubeapi import KubeApi, connect
from externalsecret.reflect import Reflector, Sink
from hark.health import health_app, make_registry
from hark.serve import Served
from hark.settings import Settings

log = structlog.get_logger()

_RESTART_SECONDS = 1.0
_LONGEST_WAIT = 10.0


class Half:
    """One half while it runs."""

    def __init__(self, name: str, settings: Settings, stop: threading.Event, port: int) -> None:
        """`port` for probes and metrics; 0 takes a free one."""
        self.name = name
        self.settings = settings
        self.stop = stop
        self.api: KubeApi = connect(settings.kubeconfig, connections=settings.workers + 8)
        self.registry = make_registry()
        self.expositions: list[Callable[[], str]] = []
        """Further lines for Prometheus, of what writes its own."""
        self.reflectors: list[Reflector] = []
        self.failure: HarkError | None = None
        """Why this half ends although nobody asked it to."""
        self._port = port
        self._threads: list[threading.Thread] = []
        self._all: list[threading.Thread] = []
        self._is_started = False

    def fail(self, error: HarkError) -> None:
        """End the process with this sentence."""
        self.failure = error
        self.stop.set()

    def spawn(self, name: str, target: Callable[[], None], *, until_stop: bool = True) -> None:
        """Run something in a thread of its own; again, should it raise."""

        def guarded() -> None:
            while True:
                try:
                    target()
                except Exception as fault:  # noqa: BLE001 - its text may quote what it worked on
                    log.error("thread.fault", thread=name, fault=whereabouts(fault))
                else:
                    return
                if self.stop.wait(_RESTART_SECONDS):
                    return

        thread = threading.Thread(target=guarded, name=f"{self.name}-{name}", daemon=True)
        thread.start()
        self._all.append(thread)
        if until_stop:
            self._threads.append(thread)

    def join(self, prefix: str, deadline: float) -> None:
        """Wait for threads of this name until the deadline (monotonic seconds)."""
        for thread in self._all:
            if thread.name.startswith(f"{self.name}-{prefix}"):
                thread.join(max(0.0, deadline - time.monotonic()))

    def reflect(
        self,
        path: str,
        sink: Sink,
        *,
        label_selector: str = "",
        metadata_only: bool = False,
        api: KubeApi | None = None,
    ) -> Reflector:
        """List and watch something from now on; through another `api` than the half's own."""
        reflector = Reflector(
            api or self.api,
            path,
            sink,
            stop=self.stop,
            label_selector=label_selector,
            metadata_only=metadata_only,
        )
        self.reflectors.append(reflector)
        self.spawn(f"watch {path}", reflector.run)
        return reflector

    def is_fresh(self) -> bool:
        """Whether every watch is open and speaks."""
        return all(reflector.is_fresh() for reflector in self.reflectors)

    def await_lists(self) -> bool:
        """Wait until everything was listed once; False when stopped meanwhile."""
        for reflector in self.reflectors:
            while not reflector.synced.wait(0.1):
                if self.stop.is_set():
                    return False
        return True

    def run(self, start: Callable[[], Callable[[], None]]) -> int:
        """Check the cluster, `start`, and wait for the stop; the process's exit code.

        `start` returns what is to be done at the end.
        """
        app = health_app(
            self.registry, alive=self._dead, ready=self._unready, expositions=self.expositions
        )
        with Served(app, self._port) as served:
            log.info("half.starting", half=self.name, port=served.port)
            for warning in self.settings.warnings:
                log.warning("setting.warning", half=self.name, warning=warning)
            self._await_definition()
            if not self.stop.is_set():
                end = start()
                self._is_started = True
                log.info("half.started", half=self.name)
                self.stop.wait()
                log.info("half.stopping", half=self.name)
                end()
        if self.failure is not None:
            log.error("half.failed", half=self.name, error=str(self.failure))
            return 1
        return 0

    def _await_definition(self) -> None:
        failures = 0
        while not self.stop.is_set():
            try:
                check_ledger_schema(self.api)
            except Retry as error:
                failures += 1
                log.warning("definition.waiting", error=str(error))
                self.stop.wait(min(_LONGEST_WAIT, 0.5 * 2 ** min(failures, 5)))
            except GiveUp as error:
                self.fail(error)
            else:
                return

    def _dead(self) -> list[str]:
        dead = [thread.name for thread in self._threads if not thread.is_alive()]
        if self.stop.is_set():
            return []
        return [f"The thread {name} has ended; this process must be restarted." for name in dead]

    def _unready(self) -> list[str]:
        troubles = [trouble for one in self.reflectors if (trouble := one.trouble())]
        if not self._is_started:
            return [
                "Still starting: the cluster's definition of ExternalSecret or a list is awaited.",
                *troubles,
            ]
        if not self.is_fresh():
            return ["A watch is down: the API server does not answer, or refuses.", *troubles]
        return []
