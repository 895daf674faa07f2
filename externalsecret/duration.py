"""Durations as people write them in settings: 6h, 30m, 1m30s, 500ms.

Pure; feeds hark.settings and what an ExternalSecret says of its own pace. A number without a unit
is refused, because people mean different ones.
"""

import re

_UNITS = {"d": 86400.0, "h": 3600.0, "m": 60.0, "s": 1.0, "ms": 0.001}
_PART = re.compile(r"(\d{1,9}(?:\.\d{1,9})?)(ms|d|h|m|s)", re.ASCII)


def parse_duration(text: str) -> float:
    """Seconds. Raises ValueError with what is wrong, to be completed by the setting's name."""
    place = 0
    seconds = 0.0
    last = float("inf")
    stripped = text.strip()
    while place < len(stripped):
        part = _PART.match(stripped, place)
        if part is None or _UNITS[part[2]] >= last:
            break
        last = _UNITS[part[2]]
        seconds += float(part[1]) * last
        place = part.end()
    if not stripped or place < len(stripped):
        raise ValueError("is no duration; write it with units (d, h, m, s, ms), the greatest first")
    return seconds


def format_duration(seconds: float) -> str:
    """The shortest text that `parse_duration` reads back, exact to the millisecond."""
    left = round(seconds * 1000)
    parts = []
    for unit, size in _UNITS.items():
        count, left = divmod(left, round(size * 1000))
        if count:
            parts.append(f"{count}{unit}")
    return "".join(parts) or "0s"
