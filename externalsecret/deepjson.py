"""JSON of the API server, however deep a tenant has nested it.

Fed by kubeapi with every answer and every line of a watch. The API server takes objects that are
nested ten thousand levels deep (asked: spec.template of 9,000 levels), Python's decoder gives up at
about a thousand, and one object that cannot be read would stop the list and the watch for all.

Guarantees: everything below MAX_DEPTH levels is null, so that no walk over an object exhausts the
stack; the rest is as json.loads reads it. Raises ValueError where the text is no JSON.
"""

import json
import re
from typing import Any

MAX_DEPTH = 200
"""Far below what any object of Kubernetes needs, and above what spec.template is allowed."""

_STRING_OR_BRACKET = re.compile(r'"(?:[^"\\]|\\.)*+"|[\[\]{}]', re.DOTALL)


def parse(text: bytes) -> Any:
    """The value, at most MAX_DEPTH levels deep."""
    # Counting costs next to nothing, and most lines of a watch need no more.
    if text.count(b"{") + text.count(b"[") <= MAX_DEPTH:
        return json.loads(text)
    return json.loads(_pruned(text.decode()))


def _pruned(text: str) -> str:
    """The text itself where it is not too deep. The scan takes some 30 ms for a megabyte."""
    kept: list[str] = []
    depth = 0
    resume = 0
    for token in _STRING_OR_BRACKET.finditer(text):
        if token.group() in {"{", "["}:
            depth += 1
            if depth == MAX_DEPTH + 1:
                kept += [text[resume : token.start()], "null"]
                resume = len(text)
        elif token.group() in {"}", "]"}:
            if depth == MAX_DEPTH + 1:
                resume = token.end()
            depth -= 1
    return "".join([*kept, text[resume:]])
