"""Pace: what an ExternalSecret says of when it is looked at: `spec.suspend`, `spec.sweepInterval`.

Fed by raw specs; feeds the reconcile story (a suspended object is left alone, what makes no sense
is said) and reconciler.paces, which tells the sweep whose turn it is. A pure function of the spec.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from externalsecret.duration import format_duration, parse_duration
from externalsecret.errors import GiveUp

LEAST = 10.0
"""Seconds; a shorter interval of one object would be polling, and dear."""
MOST = 30 * 86400.0
_DEAR = 60.0
_MONTH = 30 * 86400.0
_EXAMPLE = "Write for example spec.sweepInterval: 30m, or leave it out."


@dataclass(frozen=True, slots=True)
class Pace:
    """When an object's keys are looked at."""

    is_suspended: bool = False
    interval: float | None = None
    """Seconds between sweeps of its keys; None: that of the whole installation."""

    def warning(self, keys: int) -> str:
        """What is to be said of an interval that is dear for so many keys; "" for others."""
        if self.interval is None or self.interval >= _DEAR:
            return ""
        rounds = round(_MONTH / self.interval)
        return (
            f"spec.sweepInterval {format_duration(self.interval)} makes about {rounds * keys:,} "
            f"calls a month to look at {keys} key{'s' * (keys != 1)}. Announced changes need no "
            "short interval; give it a minute or more if that is not what you want."
        )


def read_pace(spec: Mapping[str, Any]) -> Pace:
    """Understand a spec's pace. Raises GiveUp (InvalidSpec)."""
    suspend = spec.get("suspend")
    if suspend is not None and not isinstance(suspend, bool):
        raise _invalid("spec.suspend is neither true nor false; write one of the two.")
    return Pace(suspend is True, _interval(spec.get("sweepInterval")))


def _interval(given: Any) -> float | None:
    if given is None:
        return None
    if not isinstance(given, str):
        raise _invalid(f"spec.sweepInterval is no text. {_EXAMPLE}")
    try:
        seconds = parse_duration(given)
    except ValueError as error:
        raise _invalid(f"spec.sweepInterval {error}. {_EXAMPLE}") from None
    if not LEAST <= seconds <= MOST:
        least, most = format_duration(LEAST), format_duration(MOST)
        raise _invalid(f"spec.sweepInterval is not between {least} and {most}. {_EXAMPLE}")
    return seconds


def _invalid(sentence: str) -> GiveUp:
    return GiveUp(sentence, reason="InvalidSpec")
