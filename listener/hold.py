"""Hold: the deliveries that were received and are not finished, kept ours until they are.

Fed by listener.listen; feeds the source with acknowledgements and extensions from one thread.
Finished deliveries are acknowledged in batches that form while the last call is under way.

Guarantees: a delivery is acknowledged only after `finish`; one that is let go (`drop`) comes back
by itself. As long as the thread runs, what is held is not delivered to others. An acknowledgement
that fails is counted and costs a redelivery, nothing else.
"""

import threading
import time
from collections.abc import Callable, Sequence

import structlog

from externalsecret.errors import HarkError
from listener.metrics import ListenerMetrics
from listener.sources.contract import Delivery, Source

log = structlog.get_logger()

_MOST_AT_ONCE = 100
"""Acknowledgements between two looks at whether an extension is due: a slow source takes many
calls for them, and what is held meanwhile must not run out of its time.
"""


class Hold:
    """What is held of one source."""

    def __init__(
        self,
        source: Source,
        metrics: ListenerMetrics,
        *,
        clock: Callable[[], float] = time.monotonic,
        now: Callable[[], float] = time.time,
    ) -> None:
        """`clock` counts seconds, `now` is the time of day by which queues tell `sent_at`."""
        self._source = source
        self._metrics = metrics
        self._clock = clock
        self._now = now
        self._changed = threading.Condition()
        self._held: dict[str, Delivery] = {}
        self._unnoted: dict[str, float] = {}
        """Since when, by the time of day."""
        self._finished: list[Delivery] = []
        self._closed = False
        self._extend_at = clock() + source.extend_every
        metrics.oldest.labels(source.name).set_function(self.oldest)

    def __len__(self) -> int:
        return len(self._held)

    def oldest(self) -> float:
        """Seconds since the queue took the oldest message that is not noted yet (since we took it,
        where the queue does not say); 0 where there is none.
        """
        with self._changed:
            since = min(self._unnoted.values(), default=None)
        return 0.0 if since is None else max(0.0, self._now() - since)

    def take(self, deliveries: Sequence[Delivery]) -> None:
        """Hold these from now on."""
        with self._changed:
            self._held.update((delivery.receipt, delivery) for delivery in deliveries)
            now = self._now()
            self._unnoted.update((one.receipt, one.sent_at or now) for one in deliveries)
            # The source may have learned just now how long it hides messages.
            self._extend_at = min(self._extend_at, self._clock() + self._source.extend_every)
            self._tell()

    def finish(self, deliveries: Sequence[Delivery]) -> None:
        """All that these announced is noted, or asks for nothing: acknowledge them."""
        with self._changed:
            self._finished.extend(deliveries)
            for delivery in deliveries:
                self._unnoted.pop(delivery.receipt, None)
            self._changed.notify()

    def drop(self, deliveries: Sequence[Delivery]) -> None:
        """Hold these no longer and do not acknowledge them."""
        with self._changed:
            for delivery in deliveries:
                self._held.pop(delivery.receipt, None)
                self._unnoted.pop(delivery.receipt, None)
            self._tell()

    def close(self, patience: float) -> None:
        """Wait up to so many seconds until nothing is held any more, then let `run` end."""
        with self._changed:
            self._changed.wait_for(lambda: not self._held, timeout=patience)
            self._closed = True
            self._changed.notify_all()

    def run(self) -> None:
        """Acknowledge and extend until closed; for a thread of its own."""
        while self.work_once():
            pass

    def work_once(self) -> bool:
        """Wait until something is finished or an extension is due, and see to it; False when
        closed.
        """
        with self._changed:
            while not self._has_work():
                self._changed.wait(self._extend_at - self._clock())
            finished = self._finished[:_MOST_AT_ONCE]
            del self._finished[:_MOST_AT_ONCE]
            is_last = self._closed and not self._finished
        try:
            if self._clock() >= self._extend_at and not self._closed:
                # First: what runs out of its time while others are acknowledged comes again.
                self._extend({delivery.receipt for delivery in finished})
        finally:
            # Whatever happened: nobody else knows any more that these are finished.
            if finished:
                self._acknowledge(finished)
        return not is_last

    def _has_work(self) -> bool:
        return self._closed or bool(self._finished) or self._clock() >= self._extend_at

    def _acknowledge(self, finished: list[Delivery]) -> None:
        try:
            failed: Sequence[Delivery] = self._source.ack(finished)
        except HarkError as error:
            log.warning("ack.failed", source=self._source.name, error=str(error))
            failed = finished
        finally:
            # Whatever happened: what is not deleted shall come again, not be kept for ever.
            self.drop(finished)
        self._metrics.ack_failures.labels(self._source.name).inc(len(failed))

    def _extend(self, ending: set[str]) -> None:
        """Extend all that is held but what is acknowledged next."""
        with self._changed:
            held = [one for receipt, one in self._held.items() if receipt not in ending]
        self._extend_at = self._clock() + self._source.extend_every
        if not held:
            return
        try:
            self._source.extend(held)
        except HarkError as error:
            log.warning("extend.failed", source=self._source.name, error=str(error))

    def _tell(self) -> None:
        self._metrics.held.labels(self._source.name).set(len(self._held))
        self._changed.notify_all()
