"""What the `property` of a data item addresses inside a JSON document.

Fed by the parsed value and the spec's text; feeds the Secret entry. The dialect is lodash's
`_.get`, which kubernetes-external-secrets used: dots, `[n]`, `['k']`, `["k"]`, `[k]` and mixtures.
Time is linear in the path.

Of the members that JavaScript inherits only `length` of arrays and strings is known here (strings
counted in UTF-16 units); `constructor`, `map` and their kind find nothing, and so does an index
into a string. Nobody can want those.
"""

import re
from dataclasses import dataclass

from reconciler.jsontext import Json

# A backslash escapes any character but these, where JavaScript's dot ends.
_NO_LINE_END = "[^\n\r\u2028\u2029]"


def _quoted(quote: str, name: str) -> str:
    inside = rf"(?:\\{_NO_LINE_END}|[^\\{quote}])*"
    return rf"\[{quote}(?P<{name}>{inside}){quote}\]"


_STEP = re.compile(
    "|".join(
        (
            r"(?P<plain>[^.\[\]]+)",
            r"\[(?P<number>-?[0-9]+(?:\.[0-9]+)?)\]",
            _quoted("'", "single"),
            _quoted('"', "double"),
            # Nothing between two dots or after the last is the empty key; [] counts as a dot here.
            r"(?P<empty>)(?=(?:\.|\[\])(?:\.|\[\]|\Z))",
        )
    )
)
_IS_PATH = re.compile("|".join((r"\.", r"\[[^\[\]]*\]", _quoted("'", "s"), _quoted('"', "d"))))
_ESCAPE = re.compile(r"\\(\\?)")
_INDEX = re.compile(r"0|[1-9][0-9]{0,9}")


@dataclass(frozen=True, slots=True)
class Found:
    """Something is there, be it null."""

    value: Json


def lookup(document: Json, path: str) -> Found | None:
    """What stands at `path`, or None when nothing does. A root key that equals the whole path beats
    the path.
    """
    whole = _member(document, path)
    if whole is not None:
        return whole
    if not _IS_PATH.search(path):
        return None
    steps = _steps(path)
    if not steps:
        return None
    found = Found(document)
    for step in steps:
        deeper = _member(found.value, step)
        if deeper is None:
            return None
        found = deeper
    return found


def _steps(path: str) -> list[str]:
    steps = [""] if path.startswith(".") else []
    for step in _STEP.finditer(path):
        kind = step.lastgroup or "plain"
        text = step[kind]
        steps.append(_ESCAPE.sub(r"\1", text) if kind in {"single", "double"} else text)
    return steps


def _member(value: Json, key: str) -> Found | None:
    if isinstance(value, dict):
        return Found(value[key]) if key in value else None
    if isinstance(value, list) and _INDEX.fullmatch(key):
        return Found(value[int(key)]) if int(key) < len(value) else None
    if key != "length":
        return None
    if isinstance(value, list):
        return Found(float(len(value)))
    if isinstance(value, str):
        return Found(float(len(value.encode("utf-16-le", "surrogatepass")) // 2))
    return None
