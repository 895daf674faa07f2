"""Composes the listener: settings in, threads out. No decision is made here.

Run by `hark listen` and `hark run`.
"""

import os
import random
import threading
import time
from collections.abc import Callable, Mapping
from functools import partial

import structlog

from externalsecret.crdcheck import outdated
from externalsecret.errors import HarkError
from externalsecret.kubeevents import ObjectRef, Recorder
from externalsecret.ledger import Heard
from externalsecret.reflect import Key
from externalsecret.resource import list_paths
from hark.half import Half
from hark.settings import Settings
from hark.signals import stop_on_signals
from hark.sources.plan import SourcePlan, Surroundings
from hark.sourcevariables import MAKE_A_SOURCE
from listener.ear import Ear
from listener.hold import Hold
from listener.index import Index
from listener.listen import Listener
from listener.metrics import ListenerMetrics
from listener.notes import NoteWriter
from listener.recent import Recent
from listener.rights import may_note
from listener.sourcehealth import SourceHealth, Tell, tell_nobody
from listener.sources.contract import Source

log = structlog.get_logger()

_DRAIN_SECONDS = 10.0
_API_VERSION = "kubernetes-client.io/v1"
_REFUSED = (
    "A secret that this reads has changed, but the change could not be noted in the status, so "
    "that the Secret stays as it is until the next sweep. Let the listener patch "
    "externalsecrets/status here, and look at the admission webhooks and policies."
)


def run(settings: Settings) -> int:
    """Listen until SIGTERM; the exit code."""
    stop = threading.Event()
    stop_on_signals(stop)
    half = Half("listener", settings, stop, settings.metrics_port)
    return half.run(lambda: start(half))


def start(half: Half) -> Callable[[], None]:
    """Start listening; what to do at the end."""
    settings = half.settings
    metrics = ListenerMetrics(half.registry)
    recent = Recent()
    ended = threading.Event()

    def note_missed(key: Key, missed: Mapping[str, Heard]) -> None:
        notes.submit(key, missed, None)

    def tell_refused(key: Key, why: str) -> None:
        about = ObjectRef(*key, index.uid(key), _API_VERSION, "ExternalSecret")
        recorder.record(about, "Warning", "NoteRefused", f"{_REFUSED} {why}")

    recorder = Recorder(half.api, "hark-listener", time.time)
    index = Index(settings.defaults, settings.instance_id, recent, note_missed)
    notes = NoteWriter(
        half.api,
        metrics,
        stop=ended,
        on_reply=index.refresh,
        standing=index.standing,
        on_pruned=lambda: half.fail(outdated("status.keys.heard")),
        on_refused=tell_refused,
        may_note=lambda: may_note(half.api, settings.watched_namespaces),
    )
    for path in list_paths(settings.watched_namespaces):
        half.reflect(path, index)
    for number in range(settings.workers):
        half.spawn(f"notes-{number}", notes.run)
    ear = Ear(
        index,
        recent,
        notes,
        metrics,
        half.is_fresh,
        half.stop,
        tell=tell_nobody if settings.pod is None else _teller(recorder, settings.pod),
    )
    if not settings.sources:
        log.warning(
            "listener.deaf",
            advice="No source is set, so no change is heard, and Secrets follow with the "
            f"reconciler's sweep alone. To listen set one of {', '.join(MAKE_A_SOURCE)}; which one "
            "is for which cloud stands in docs/sources/README.md.",
        )
    surroundings = Surroundings(
        api=half.api,
        index=index,
        metrics=metrics,
        environ=os.environ,
        namespace=settings.namespace,
        identity=settings.identity,
        stop=half.stop,
        spawn=half.spawn,
    )
    opened: list[tuple[Source, Hold]] = []
    for plan in settings.sources:
        opening = partial(_listen, plan, half, ear, surroundings, opened)
        half.spawn(f"opening {plan.label}", opening, until_stop=False)
    half.await_lists()

    def end() -> None:
        deadline = time.monotonic() + _DRAIN_SECONDS
        for _, hold in opened:
            hold.close(max(0.0, deadline - time.monotonic()))
        for source, _ in opened:
            source.close()
        ended.set()
        notes.wake()

    return end


def _teller(recorder: Recorder, pod: ObjectRef) -> Tell:
    """Says it in an Event on the Pod that this is."""

    def tell(reason: str, message: str, *, is_bad: bool) -> None:
        recorder.record(pod, "Warning" if is_bad else "Normal", reason, message)

    return tell


def _listen(
    plan: SourcePlan,
    half: Half,
    ear: Ear,
    surroundings: Surroundings,
    opened: list[tuple[Source, Hold]],
) -> None:
    """Open one source, then listen to it until the stop: by threads that, started again after a
    fault, go on with the same source and with what is held of it.
    """
    health = SourceHealth(plan.label, ear.metrics, ear.tell)
    source = _open(plan, half, health, surroundings)
    if source is None:
        return
    hold = Hold(source, ear.metrics)
    opened.append((source, hold))
    half.spawn(f"hold {source.name}", hold.run)
    try:
        half.spawn(f"source {source.name}", Listener(source, plan.parse, hold, ear, health).run)
    except Exception:
        # The thread starts again with a new hold; what this one holds comes back by itself.
        hold.close(0.0)
        raise


def _open(
    plan: SourcePlan, half: Half, health: SourceHealth, surroundings: Surroundings
) -> Source | None:
    """The opened source; tried until it can be opened. None when stopped before."""
    wait = 1.0
    while not half.stop.is_set():
        try:
            return plan.open(surroundings)
        except HarkError as error:
            health.failed(error)
            delay = wait * random.uniform(0.5, 1.0)  # noqa: S311 - jitter needs no secrecy
            log.warning(
                "source.failed", source=plan.label, error=str(error), retry_in=round(delay, 1)
            )
            half.stop.wait(delay)
            wait = min(60.0, wait * 2)
    return None
