"""Figures and their goals: percentiles, rows, the table, the file of results.

Fed by the scenarios; feeds the terminal, bench/results/ and the exit code.
"""

from __future__ import annotations

import json
import math
import os
import platform
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

RESULTS = Path(__file__).parent / "results"


@dataclass(frozen=True, slots=True)
class Row:
    """One figure. A goal is the most that it may be; None: shown without a verdict."""

    scenario: str
    name: str
    figure: float
    unit: str
    goal: float | None = None

    @property
    def verdict(self) -> str:
        if self.goal is None:
            return ""
        return "ok" if self.figure <= self.goal else "BEYOND"


def percentile(values: Sequence[float], share: float) -> float:
    """The value that `share` (0 to 1) of all values do not exceed (nearest rank)."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, max(0, math.ceil(len(ordered) * share) - 1))]


def table(rows: Sequence[Row]) -> str:
    """All rows as text."""
    lines = [("scenario", "figure", "", "unit", "goal", "verdict")]
    for row in rows:
        goal = "" if row.goal is None else f"<= {row.goal:g}"
        lines.append((row.scenario, row.name, f"{row.figure:.2f}", row.unit, goal, row.verdict))
    widths = [max(len(line[column]) for line in lines) for column in range(len(lines[0]))]
    return "\n".join(
        "  ".join(
            cell.rjust(width) if place == 2 else cell.ljust(width)
            for place, (cell, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in lines
    )


def store(rows: Sequence[Row], definitions: str, *, quick: bool) -> Path:
    """Write what was measured, and on what, to a file of its own; its path."""
    at = datetime.now(UTC)
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / f"{at:%Y%m%d-%H%M%S}{'-quick' if quick else ''}.json"
    content = {
        "at": at.isoformat(timespec="seconds"),
        "quick": quick,
        "machine": {
            "cpus": os.cpu_count(),
            "load": os.getloadavg(),
            "python": platform.python_version(),
            "system": platform.platform(),
        },
        "definitions": definitions.splitlines(),
        "rows": [{**asdict(row), "verdict": row.verdict} for row in rows],
    }
    path.write_text(json.dumps(content, indent=1) + "\n")
    return path
