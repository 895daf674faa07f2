"""The table of the chart's values, made from the comments in charts/hark/values.yaml.

A comment that begins with `# -- ` explains the key below it. Feeds charts/hark/README.md, which a
test holds to it: `python -m testbed.chartvalues` writes it there.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

CHART = Path(__file__).parent.parent / "charts" / "hark"
_KEY = re.compile(r"^( *)([A-Za-z]\w*):")
_BEGIN, _END = "<!-- values: begin -->\n", "<!-- values: end -->"
_LONGEST = 60


def table() -> str:
    """The rows of all explained values, in the order of the file."""
    text = (CHART / "values.yaml").read_text(encoding="utf-8")
    values = yaml.safe_load(text)
    rows = ["| value | default | meaning |", "| --- | --- | --- |"]
    for path, meaning in _explained(text):
        rows.append(f"| `{'.'.join(path)}` | {_shown(_at(values, path))} | {meaning} |")
    return "\n".join(rows) + "\n"


def written(readme: str) -> str:
    """The README with the table of today."""
    before, _, rest = readme.partition(_BEGIN)
    return f"{before}{_BEGIN}{table()}{_END}{rest.partition(_END)[2]}"


def _explained(text: str) -> Iterator[tuple[tuple[str, ...], str]]:
    path: list[tuple[int, str]] = []
    comment: list[str] = []
    for line in text.splitlines():
        bare = line.strip()
        if bare.startswith("# -- "):
            comment = [bare.removeprefix("# -- ")]
        elif bare.startswith("# ") and comment:
            comment.append(bare.removeprefix("# "))
        elif key := _KEY.match(line):
            depth = len(key[1])
            path = [one for one in path if one[0] < depth] + [(depth, key[2])]
            if comment:
                yield tuple(name for _, name in path), " ".join(comment).replace("|", "\\|")
            comment = []


def _at(values: Any, path: tuple[str, ...]) -> Any:
    for name in path:
        values = values[name]
    return values


def _shown(value: Any) -> str:
    text = json.dumps(value)
    if value in ("", None):
        return ""
    return f"`{text}`" if len(text) <= _LONGEST else "see the file"


if __name__ == "__main__":
    page = CHART / "README.md"
    page.write_text(written(page.read_text(encoding="utf-8")), encoding="utf-8")
    sys.stdout.write(f"wrote the values into {page}\n")
