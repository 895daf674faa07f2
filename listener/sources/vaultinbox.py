"""Inbox: a queue in memory that behaves as a cloud's does, for what no queue keeps.

Filled by the looks at Vault and by its event notifications; feeds listener.sources.vault. What was
handed out and not acknowledged is hidden for a while and then handed out again, ever later, so that
a note that is refused neither gets lost nor makes a loop.

Guarantees: one id stands in it once; bounded: what does not fit is refused, and found by the next
comparison. Does not survive the process: whoever fills it compares with the ledgers afterwards.
"""

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from listener.sources.contract import Delivery, Origin

MOST = 2_000
_HIDDEN = 30.0
_LONGEST_HIDDEN = 600.0


@dataclass(slots=True)
class _Item:
    body: str
    attributes: Mapping[str, str]
    sent_at: float
    serial: int
    visible_at: float
    attempts: int = 0


class Inbox:
    """Messages that wait or are in hand. Threads share it."""

    def __init__(
        self,
        *,
        hidden: float = _HIDDEN,
        clock: Callable[[], float] = time.monotonic,
        now: Callable[[], float] = time.time,
    ) -> None:
        """`hidden`: seconds until what was handed out once comes again."""
        self._hidden = hidden
        self._clock = clock
        self._now = now
        self._changed = threading.Condition()
        self._items: OrderedDict[str, _Item] = OrderedDict()
        self._serial = 0

    def __len__(self) -> int:
        return len(self._items)

    def put(self, identity: str, body: str, attributes: Mapping[str, str] | None = None) -> bool:
        """Take a message in, unless it is there already; False where there is no room."""
        with self._changed:
            if identity in self._items:
                return True
            if len(self._items) >= MOST:
                return False
            self._serial += 1
            self._items[identity] = _Item(
                body, attributes or {}, self._now(), self._serial, self._clock()
            )
            self._changed.notify_all()
            return True

    def take(self, most: int, patience: float = 0.0) -> list[Delivery]:
        """Hand out up to so many; wait up to `patience` seconds for the first."""
        with self._changed:
            deadline = self._clock() + patience
            while not (due := self._due(most)):
                left = min([deadline, *(item.visible_at for item in self._items.values())])
                if self._clock() >= deadline or not self._changed.wait(
                    max(0.0, left - self._clock())
                ):
                    due = self._due(most)
                    break
            return [self._hand_out(identity) for identity in due]

    def drop(self, deliveries: Sequence[Delivery]) -> list[Delivery]:
        """These are done with; gives those that are not known, or were handed out again since."""
        unknown: list[Delivery] = []
        with self._changed:
            for delivery in deliveries:
                identity = self._identity(delivery)
                if identity is None:
                    unknown.append(delivery)
                else:
                    del self._items[identity]
        return unknown

    def hide(self, deliveries: Sequence[Delivery], seconds: float) -> None:
        """Hand these out again after so many seconds, and not before."""
        with self._changed:
            for delivery in deliveries:
                identity = self._identity(delivery)
                if identity is not None:
                    self._items[identity].visible_at = self._clock() + seconds
            self._changed.notify_all()

    def extend(self, deliveries: Sequence[Delivery]) -> None:
        """These are still worked on."""
        self.hide(deliveries, self._hidden)

    def clear(self) -> None:
        """Forget everything."""
        with self._changed:
            self._items.clear()

    def _due(self, most: int) -> list[str]:
        now = self._clock()
        return [name for name, item in self._items.items() if item.visible_at <= now][:most]

    def _hand_out(self, identity: str) -> Delivery:
        item = self._items[identity]
        item.attempts += 1
        hidden = min(_LONGEST_HIDDEN, self._hidden * 2 ** min(item.attempts - 1, 10))
        item.visible_at = self._clock() + hidden
        return Delivery(
            item.body,
            f"{item.serial}/{item.attempts}:{identity}",
            item.attempts,
            item.sent_at,
            Origin(),
            item.attributes,
        )

    def _identity(self, delivery: Delivery) -> str | None:
        """The item of a receipt, if it is that of the last time that it was handed out."""
        handed_out, _, identity = delivery.receipt.partition(":")
        item = self._items.get(identity)
        if item is None or handed_out != f"{item.serial}/{item.attempts}":
            return None
        return identity
