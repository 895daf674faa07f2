"""The tables of our pages as data, for tests that hold the pages true.

A cell is plain text or code in backticks. In code `␊`, `␉` and `␍` stand for a line feed, a tab and
a carriage return, `␣` for a space that would not be seen, and `\\|` for a bar. What stands behind
the word bytes is hexadecimal.
"""

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
DOCS = ROOT / "docs"

Row = dict[str, str]
"""A cell by the head of its column."""

_BAR = re.compile(r"(?<!\\)\|")
_MARKS = str.maketrans({"␊": "\n", "␉": "\t", "␍": "\r", "␣": " "})


def table(page: str, heading: str) -> list[Row]:
    """The rows of the tables of one form that stand below a heading of `docs/<page>`."""
    text = (DOCS / page).read_text(encoding="utf-8")
    _, found, rest = text.partition(f"\n{heading}\n")
    assert found, f"{page} has no heading {heading}"
    lines = [line for line in rest.partition("\n#")[0].splitlines() if line.startswith("|")]
    head, *rows = [_cells(line) for line in lines]
    lines_of_form = (head, ["---"] * len(head))
    return [dict(zip(head, row, strict=True)) for row in rows if row not in lines_of_form]


def code(cell: str) -> str:
    """What stands in a cell's backticks."""
    found = re.search(r"(`+)(.*?)\1", cell)
    assert found, f"the cell {cell!r} holds no code"
    return found[2].translate(_MARKS)


def content(cell: str) -> bytes:
    """The bytes that a cell speaks of."""
    if cell.startswith("bytes "):
        return bytes.fromhex(code(cell))
    return b"" if cell == "nothing" else code(cell).encode()


def _cells(line: str) -> list[str]:
    return [cell.strip().replace(r"\|", "|") for cell in _BAR.split(line)[1:-1]]
