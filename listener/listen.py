"""The listener's story: receive, parse, match, note, acknowledge.

Fed by one source of messages and the index; feeds the ledger (each message through listener.hear
and listener.notes) and then the source with acknowledgements (through listener.hold).

Guarantees: a message is acknowledged only after every ExternalSecret that it concerns carries the
note, or when it concerns none. It receives only while the index is fresh and notes can be written;
meanwhile it keeps what it holds. A message that nobody can read is left to the dead-letter queue
and never stops its neighbours. Nothing here ends the process: a failing source is tried again with
backoff. It does not guarantee that a message is handled once: it may come again, and then costs
nothing.
"""

import random
from collections.abc import Sequence
from dataclasses import replace

import structlog

from externalsecret.errors import HarkError, Retry, whereabouts
from listener.ear import Ear
from listener.hear import Fate, Hearer, Parse
from listener.hold import Hold
from listener.sourcehealth import SourceHealth
from listener.sources.contract import Delivery, Source

log = structlog.get_logger()

MOST_HELD = 500
"""Messages in hand at once per source: what a crash makes the queue deliver again."""
_LONGEST_BACKOFF = 30.0
_LONGEST_FAULT = 600.0
_LONGEST_ASKED = 300.0
"""So long at most a source may have us wait by its Retry-After."""
_PAUSE = 0.2
_FAULT = "A fault of Hark itself, which its log tells, keeps messages from being received."
_HEAD_START = 0.001


class Listener:
    """One source, listened to until the stop."""

    def __init__(
        self,
        source: Source,
        parse: Parse,
        hold: Hold,
        ear: Ear,
        health: SourceHealth | None = None,
    ) -> None:
        """`health` knows how the source fared while it was opened."""
        self._source = source
        self._hold = hold
        self._health = health or SourceHealth(source.name, ear.metrics, ear.tell)
        self._hearer = Hearer(source, parse, hold, ear)
        self._ear = ear

    def run(self) -> None:
        """Receive for ever; for a thread of its own."""
        while not self._ear.stop.is_set():
            if not self._may_receive():
                self._ear.stop.wait(_PAUSE)
                continue
            try:
                deliveries = self._source.receive()
            except HarkError as error:
                if not self._ear.stop.is_set():
                    self._complain(error)
                continue
            except Exception as fault:  # noqa: BLE001 - its text may quote what was received
                log.error("source.fault", source=self._source.name, fault=whereabouts(fault))
                self._complain(Retry(_FAULT, reason="Fault"))
                continue
            self._health.worked()
            self.take(deliveries)
            if deliveries:
                # One thread runs at a time: the notes shall be on the wire before the next receive
                # is prepared.
                self._ear.stop.wait(_HEAD_START)

    def take(self, deliveries: Sequence[Delivery]) -> None:
        """Deal with messages that were just received."""
        if not deliveries:
            return
        name = self._source.name
        self._ear.metrics.received.labels(name).inc(len(deliveries))
        self._ear.metrics.last_message.labels(name).set(self._ear.now())
        # Without the body, of which nothing is needed once it was parsed: hundreds may be held.
        held = [replace(delivery, body="") for delivery in deliveries]
        self._hold.take(held)
        if not self._await_fresh():
            self._hand_back(held, 0.0)
            return
        sorted_out: dict[Fate, list[Delivery]] = {fate: [] for fate in Fate}
        for delivery, slim in zip(deliveries, held, strict=True):
            sorted_out[self._hearer.hear(delivery, slim)].append(slim)
        if sorted_out[Fate.FINISHED]:
            self._hold.finish(sorted_out[Fate.FINISHED])
        if sorted_out[Fate.UNREADABLE]:
            self._reject(sorted_out[Fate.UNREADABLE])
        for delivery in sorted_out[Fate.FAULT]:
            self._hand_back([delivery], min(_LONGEST_FAULT, 10.0 * 2**delivery.attempts))

    def _reject(self, deliveries: Sequence[Delivery]) -> None:
        self._hold.drop(deliveries)
        try:
            parked = self._source.reject(deliveries)
        except HarkError as error:
            log.warning("reject.failed", source=self._source.name, error=str(error))
        except Exception as fault:  # noqa: BLE001 - the neighbours are dealt with all the same
            log.error("reject.fault", source=self._source.name, fault=whereabouts(fault))
        else:
            self._ear.metrics.parked.labels(self._source.name).inc(parked)

    def _await_fresh(self) -> bool:
        """Wait while the watch is down, which it may have become during a long poll; False when
        stopped.
        """
        while not self._ear.stop.is_set():
            if self._ear.is_fresh():
                return True
            self._ear.stop.wait(_PAUSE)
        return False

    def _hand_back(self, deliveries: Sequence[Delivery], after: float) -> None:
        """Let others have after these seconds what came while we were stopping, or what we cannot
        cope with.
        """
        self._hold.drop(deliveries)
        try:
            self._source.retry(deliveries, after)
        except HarkError as error:
            log.warning("retry.failed", source=self._source.name, error=str(error))
        except Exception as fault:  # noqa: BLE001 - as above
            log.error("retry.fault", source=self._source.name, fault=whereabouts(fault))

    def _may_receive(self) -> bool:
        return (
            self._ear.is_fresh() and not self._ear.notes.is_stuck() and len(self._hold) < MOST_HELD
        )

    def _complain(self, error: HarkError) -> None:
        failures = self._health.failed(error)
        delay = min(_LONGEST_BACKOFF, 0.5 * 2 ** min(failures, 10))
        delay *= random.uniform(0.5, 1.0)  # noqa: S311 - jitter needs no secrecy
        if isinstance(error, Retry):
            delay = max(delay, min(_LONGEST_ASKED, error.after or 0.0))
        log.warning(
            "source.failed", source=self._source.name, error=str(error), retry_in=round(delay, 1)
        )
        self._ear.stop.wait(delay)
