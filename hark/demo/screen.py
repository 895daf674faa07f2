"""What the demo prints: steps, sentences and tables, 100 columns wide, on standard output.

Fed by the acts; values never come here: the acts show names, lengths and versions.
"""

import textwrap
import time
from collections.abc import Sequence

_WIDTH = 100
_INDENT = "   "


class Screen:
    """One run's screen."""

    def __init__(self) -> None:
        self._began = time.monotonic()

    def step(self, number: int, title: str) -> None:
        """Begin a step; the time is that since the start of the demo."""
        print(f"\n[{time.monotonic() - self._began:5.1f} s] {number}. {title}", flush=True)

    def say(self, sentence: str) -> None:
        """A sentence, wrapped."""
        filled = textwrap.fill(
            sentence,
            _WIDTH,
            initial_indent=_INDENT,
            subsequent_indent=_INDENT,
            break_long_words=False,
            break_on_hyphens=False,
        )
        print(filled, flush=True)

    def show(self, line: str) -> None:
        """A line as it stands, to be copied."""
        print(f"{_INDENT}  {line}", flush=True)

    def table(self, rows: Sequence[Sequence[str]]) -> None:
        """Columns; the first row is the head, the first column is text, all others are numbers."""
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        for row in rows:
            first, *others = (
                cell.ljust(width) if place == 0 else cell.rjust(width)
                for place, (cell, width) in enumerate(zip(row, widths, strict=True))
            )
            self.show("  ".join((first, *others)).rstrip())

    def done(self) -> None:
        print(f"\n[{time.monotonic() - self._began:5.1f} s] Everything came as told.", flush=True)
