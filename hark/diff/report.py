"""The report of `hark diff`: a table for people, or JSON for programs.

Fed with verdicts; writes text. Guarantees: a row for each ExternalSecret, in the order of their
names; no values.
"""

import json
import textwrap
from collections import Counter
from collections.abc import Sequence

from hark.diff.verdict import Verdict

_WIDTH = 100
_HEAD = ("NAMESPACE", "NAME", "WOULD", "DETAIL")


def as_table(verdicts: Sequence[Verdict], reads: int) -> str:
    """Columns, the last one wrapped; and a sentence that sums up."""
    rows = [(*one.key, str(one.would), one.detail) for one in sorted(verdicts, key=_place)]
    widths = [max(len(row[at]) for row in [_HEAD, *rows]) for at in range(3)]
    lines = [_line(widths, row) for row in [_HEAD, *rows]] if rows else []
    return "\n".join([*lines, _summary(verdicts, reads)])


def as_json(verdicts: Sequence[Verdict], reads: int) -> str:
    """The same for programs."""
    items = [
        {
            "namespace": one.key[0],
            "name": one.key[1],
            "would": str(one.would),
            "add": one.added,
            "change": one.changed,
            "remove": one.removed,
            "reason": one.reason,
            "detail": one.detail,
        }
        for one in sorted(verdicts, key=_place)
    ]
    return json.dumps({"externalSecrets": items, "valueReads": reads}, indent=2)


def _place(verdict: Verdict) -> tuple[str, str]:
    return verdict.key


def _line(widths: Sequence[int], row: Sequence[str]) -> str:
    head = "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=False)) + "  "
    wrapped = textwrap.wrap(row[3], max(40, _WIDTH - len(head)), break_on_hyphens=False) or [""]
    return "\n".join(
        (head if number == 0 else " " * len(head)) + part for number, part in enumerate(wrapped)
    ).rstrip()


def _summary(verdicts: Sequence[Verdict], reads: int) -> str:
    counts = Counter(str(one.would) for one in verdicts)
    told = ", ".join(f"{count} {would}" for would, count in sorted(counts.items()))
    number = len(verdicts)
    objects = f"{number} ExternalSecret{'s' * (number != 1)}"
    said = f"{objects}: {told}." if verdicts else "No ExternalSecret was found."
    return f"{said} {reads} secret value{'s' * (reads != 1)} read; nothing was written."
