"""A picture of the results, as SVG: time over the number of objects, and dollars over the interval.

Fed with the rows of a run and, for the dollars, by hark.cost; feeds bench/results. Both axes are
logarithmic. Without rows of the growth there is no first half.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from html import escape

from bench.figures import Row
from externalsecret.duration import format_duration
from externalsecret.identity import Backend
from hark.cost.compare import compare
from hark.cost.estate import Estate, Group, Terms
from hark.cost.prices import read_prices

_OBJECTS = 10_000
_INTERVALS = (10.0, 30.0, 60.0, 300.0, 900.0, 3600.0, 21_600.0, 86_400.0)
_WIDTH, _HEIGHT = 560, 400
_LEFT, _RIGHT, _TOP, _BOTTOM = 80, 20, 50, 60
_COLOURS = ("#c0392b", "#1f6f8b", "#2d7d46")
_SIZE = re.compile(r"growth, (\d+) objects")

Points = Sequence[tuple[float, float]]


@dataclass(frozen=True, slots=True)
class Panel:
    """One diagram: a line of points, all above zero, for each name."""

    title: str
    lines: Mapping[str, Points]
    ticks: Mapping[float, str]
    """On the horizontal axis."""
    unit: str
    """Of the vertical axis."""


def draw(rows: Sequence[Row]) -> str:
    """The picture."""
    panels = [panel for panel in (_growth(rows), _dollars()) if panel is not None]
    drawn = [_drawn(panel, place * _WIDTH) for place, panel in enumerate(panels)]
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{_WIDTH * len(panels)}" '
        f'height="{_HEIGHT}" font-family="sans-serif" font-size="12">'
    )
    paper = '<rect width="100%" height="100%" fill="white"/>'
    return "\n".join([head, paper, *drawn, "</svg>\n"])


def _growth(rows: Sequence[Row]) -> Panel | None:
    points = [
        (float(found[1]), row.figure)
        for row in rows
        if (found := _SIZE.fullmatch(row.scenario)) and row.name == "until the last status"
    ]
    if len(points) < 2:
        return None
    return Panel(
        "First sync of so many ExternalSecrets",
        {"until the last status": points},
        {size: f"{size:,.0f}" for size, _ in points},
        "seconds",
    )


def _dollars() -> Panel:
    group = Group(_OBJECTS, _OBJECTS, _OBJECTS)
    estate = Estate(Backend.SECRETS_MANAGER, (group,), (_OBJECTS,), _OBJECTS)
    polled, swept = [], []
    for interval in _INTERVALS:
        terms = Terms(kes_interval=interval, sweep_interval=interval)
        (comparison,) = compare([estate], terms, read_prices())
        polled.append((interval, comparison.bills[0].dollars))
        swept.append((interval, comparison.bills[-1].dollars))
    return Panel(
        f"{_OBJECTS:,} secrets of AWS Secrets Manager, each changed once a month",
        {"polled at this interval": polled, "Hark, swept at this interval": swept},
        {interval: format_duration(interval) for interval in _INTERVALS},
        "dollars a month",
    )


def _drawn(panel: Panel, offset: int) -> str:
    everything = [point for points in panel.lines.values() for point in points]
    across = _axis([x for x, _ in everything], _LEFT, _WIDTH - _RIGHT)
    lowest, highest = _decades([y for _, y in everything])
    up = _axis([lowest, highest], _HEIGHT - _BOTTOM, _TOP)
    parts = [f'<g transform="translate({offset} 0)">', _text(_LEFT, 24, panel.title, size=14)]
    for x, label in panel.ticks.items():
        parts += [
            _line(across(x), _TOP, across(x), _HEIGHT - _BOTTOM),
            _text(across(x), _HEIGHT - _BOTTOM + 18, label, anchor="middle"),
        ]
    for power in range(round(math.log10(lowest)), round(math.log10(highest)) + 1):
        y = up(10.0**power)
        parts += [
            _line(_LEFT, y, _WIDTH - _RIGHT, y),
            _text(_LEFT - 8, y + 4, f"{10.0**power:,g}", anchor="end"),
        ]
    parts.append(_text(_LEFT, _TOP - 8, panel.unit))
    for place, (name, points) in enumerate(panel.lines.items()):
        colour = _COLOURS[place]
        path = " ".join(f"{across(x):.1f},{up(y):.1f}" for x, y in points)
        parts += [
            f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>',
            _text(_LEFT + place * 220, _HEIGHT - 14, name, colour=colour),
        ]
    return "\n".join([*parts, "</g>"])


def _axis(values: Sequence[float], first: float, last: float) -> Callable[[float], float]:
    """From a value to its place, logarithmic."""
    low, high = math.log10(min(values)), math.log10(max(values))
    scale = (last - first) / ((high - low) or 1.0)
    return lambda value: first + (math.log10(value) - low) * scale


def _decades(values: Sequence[float]) -> tuple[float, float]:
    """The powers of ten around all values."""
    low, high = math.floor(math.log10(min(values))), math.ceil(math.log10(max(values)))
    return 10.0**low, 10.0 ** max(high, low + 1)


def _line(x1: float, y1: float, x2: float, y2: float) -> str:
    return f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" stroke="#ddd"/>'


def _text(
    x: float, y: float, text: str, *, anchor: str = "start", size: int = 12, colour: str = "#222"
) -> str:
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" font-size="{size}" '
        f'fill="{colour}">{escape(text)}</text>'
    )
