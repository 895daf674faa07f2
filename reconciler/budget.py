"""Budget: how often one key may be asked for without anything new in the answers.

Fed by reconciler.lane with calls and what they brought; tells it which keys have to wait. So a
flood of notes about a secret that does not change, or that somebody forges, cannot make a bill: the
further calls wait, and all who wait share one.

Guarantees: ten calls at once and ten a minute are free for each key and verb, and a call that
brought a new version, or a first one, costs nothing; other keys never wait. Memory is bounded by
the keys that were asked for in the last minute. Not thread-safe: the lane's lock guards it.
"""

from dataclasses import dataclass

from reconciler.load import Slot

CALLS = 10
PERIOD = 60.0
"""Seconds in which so many calls are given back."""
_PRUNED_AT = 1000


@dataclass(slots=True)
class _Account:
    spent: float = 0.0
    at: float = 0.0
    version: str | None = None

    def left(self, now: float) -> float:
        return CALLS - max(0.0, self.spent - (now - self.at) * CALLS / PERIOD)


class Budget:
    """What each slot of one lane has spent. Times are monotonic seconds."""

    def __init__(self) -> None:
        self._accounts: dict[Slot, _Account] = {}
        self._prune_at = _PRUNED_AT

    def wait(self, slot: Slot, now: float) -> float:
        """Seconds until a call for this slot may go; not above zero when it may."""
        account = self._accounts.get(slot)
        if account is None:
            return 0.0
        return (1.0 - account.left(now)) * PERIOD / CALLS

    def spend(self, slot: Slot, now: float) -> None:
        """A call goes."""
        if len(self._accounts) >= self._prune_at:
            self._prune(now)
        account = self._accounts.setdefault(slot, _Account())
        account.spent = CALLS - account.left(now) + 1.0
        account.at = now

    def brought(self, slot: Slot, version: str | None) -> None:
        """What the call told; None where it told no version."""
        account = self._accounts.get(slot)
        if account is not None and version is not None and version != account.version:
            account.spent = max(0.0, account.spent - 1.0)
            account.version = version

    def _prune(self, now: float) -> None:
        """Forget who has spent nothing in a minute."""
        self._accounts = {
            slot: account for slot, account in self._accounts.items() if account.left(now) < CALLS
        }
        self._prune_at = max(_PRUNED_AT, 2 * len(self._accounts))
