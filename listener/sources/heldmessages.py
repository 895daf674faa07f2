"""HeldMessages: which receipt each message of a storage queue has now.

Used by storagequeue. Each extension gives a message another receipt, while the listener knows it by
the one that it came with. Messages that were let go without a word are forgotten once the queue
hands them to others anyway, so that memory stays bounded.
"""

import threading
from collections.abc import Callable
from dataclasses import dataclass, field


@dataclass(slots=True)
class HeldMessage:
    """One message that is ours; its lock orders the calls about it."""

    id: str
    pop_receipt: str
    until: float
    """When the queue hands it to others, on the clock of HeldMessages."""
    content: str = field(default="", repr=False)
    """As it came, where it is to be moved should nobody be able to read it."""
    lock: threading.Lock = field(default_factory=threading.Lock, repr=False)


class HeldMessages:
    """The messages of one source, by the receipt that its Delivery has."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._held: dict[str, HeldMessage] = {}

    def __len__(self) -> int:
        return len(self._held)

    def keep(self, message: HeldMessage) -> str:
        """Remember a message that just came; gives its receipt for the Delivery."""
        receipt = f"{message.id}/{message.pop_receipt}"
        with self._lock:
            self._held[receipt] = message
        return receipt

    def get(self, receipt: str) -> HeldMessage | None:
        """The message, where it is still ours."""
        with self._lock:
            return self._held.get(receipt)

    def forget(self, receipt: str) -> None:
        """It is done with."""
        with self._lock:
            self._held.pop(receipt, None)

    def forget_overdue(self) -> None:
        """Forget what others were handed meanwhile."""
        now = self._clock()
        with self._lock:
            overdue = [receipt for receipt, one in self._held.items() if one.until < now]
            for receipt in overdue:
                del self._held[receipt]
