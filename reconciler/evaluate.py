"""Evaluates templates, one after another, in turns between namespaces.

Fed by the reconcile story with a template and all entries of its Secret; feeds it with the template
evaluated, or with why it cannot be. The worker goes on meanwhile: a template that takes its full
time holds up other templates and nothing else.

Guarantees: the engine's process and the thread that speaks with it start with the first template
that has an expression, so that others cost nothing. `done` is called once, from that thread.
Namespaces take turns: before a template is evaluated, each other namespace that waits too gets at
most two of its own done, and each ends within the engine's Limits.
"""

import threading
from collections.abc import Callable, Mapping
from typing import Any

import structlog

from externalsecret.errors import GiveUp, HarkError, whereabouts
from externalsecret.redacted import Redacted
from externalsecret.reflect import Key
from reconciler.template import Engine, render_template
from reconciler.workqueue import WorkQueue

log = structlog.get_logger()

Made = Mapping[str, Any] | HarkError
Done = Callable[[Made], None]


class Evaluator:
    """The one user of the template engine."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._queue = WorkQueue()
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._waiting: dict[Key, tuple[Mapping[str, Any], Mapping[str, Redacted], Done]] = {}

    def submit(
        self, key: Key, template: Mapping[str, Any], data: Mapping[str, Redacted], done: Done
    ) -> None:
        """Have a template evaluated for the object `key`, which has none in work."""
        with self._lock:
            self._waiting[key] = (template, data, done)
            if self._thread is None:
                self._thread = threading.Thread(target=self._work, name="templates", daemon=True)
                self._thread.start()
        self._queue.add(key, urgent=True)

    def close(self) -> None:
        """End the thread and the engine's process; what waits is dropped."""
        self._queue.close()
        self._engine.close()

    def _work(self) -> None:
        while (key := self._queue.take()) is not None:
            if not isinstance(key, tuple):
                raise TypeError("nobody resumes anything in this queue")
            with self._lock:
                template, data, done = self._waiting.pop(key)
            # Before `done`: it may lead to the next template of the same object.
            self._queue.done(key)
            done(self._made(key, template, data))

    def _made(self, key: Key, template: Mapping[str, Any], data: Mapping[str, Redacted]) -> Made:
        try:
            return render_template(template, data, self._engine)
        except HarkError as error:
            return error
        except Exception as fault:  # noqa: BLE001 - its text is not logged: it might quote a value
            log.error("template.fault", object="/".join(key), fault=whereabouts(fault))
            return GiveUp(
                "spec.template cannot be evaluated: Hark has a fault; its log tells where.",
                reason="InternalFault",
            )
