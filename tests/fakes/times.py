"""When was swept, in memory and in full."""

from collections import defaultdict


class Times:
    """A SweepTimes that remembers every sweep, by interval."""

    def __init__(self) -> None:
        self.of: defaultdict[float | None, list[float]] = defaultdict(list)

    def last_sweep(self, own: float | None = None) -> float | None:
        return self.of[own][-1] if self.of[own] else None

    def record_sweep(self, epoch: float, own: float | None = None) -> None:
        self.of[own].append(epoch)
