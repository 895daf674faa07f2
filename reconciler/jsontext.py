"""JSON as JavaScript reads and prints it.

Fed by the bytes of a secret value; feeds the property lookup and the Secret entries.
kubernetes-external-secrets ran on JavaScript, so a number, a key order or an escape that differs
here would change a live Secret. Python's own encoder differs in numbers, Infinity, integer-like
keys and lone surrogates; its decoder accepts NaN.

Guarantees: `parse` raises `NotJson` and nothing else, and no exception holds a piece of the text.
Bytes that are no UTF-8 become U+FFFD, as in Node.
"""

import json
import re
from decimal import Decimal
from typing import Any, NoReturn, TypeAlias

Json: TypeAlias = "bool | float | str | list[Json] | dict[str, Json] | None"
Parsed: TypeAlias = "Json | NotJson"

MAX_DEPTH = 200
"""Deeper values are refused, so that no walk over a parsed value can exhaust the stack."""

_STRING_OR_BRACKET = re.compile(r'"[^"\\]*+(?:\\.?[^"\\]*+)*+"?|[\[\]{}]', re.DOTALL)
_ARRAY_INDEX = re.compile(r"0|[1-9][0-9]{0,9}")
_LARGEST_INDEX = 2**32 - 2
_LONE_SURROGATE = re.compile("[\ud800-\udfff]")
_FIRST_EXPONENT = 22  # Number::toString of ECMAScript: from 1e21 on an exponent is printed ...
_LAST_ZEROS = -6  # ... and below 1e-6.


class NotJson(ValueError):
    """The text is not JSON. `position` counts characters from 0; the text is nowhere in here."""

    def __init__(self, sentence: str, position: int) -> None:
        super().__init__(sentence)
        self.position = position


class TooDeep(NotJson):
    """The text is nested deeper than MAX_DEPTH levels."""


def parse(text: bytes) -> Json:
    """The value of a JSON document, read as strictly as JSON.parse. Raises NotJson."""
    decoded = text.decode("utf-8", "replace")
    too_deep = _too_deep_at(decoded)
    if too_deep is not None:
        raise TooDeep(f"nested deeper than {MAX_DEPTH} levels at character {too_deep}", too_deep)
    position = 0
    try:
        value: Json = json.loads(
            decoded,
            parse_int=float,
            parse_constant=_refuse_constant,
            object_pairs_hook=_in_javascript_order,
        )
    except json.JSONDecodeError as error:
        position = error.pos
    except _Constant:
        # The decoder does not say where; the constants stand outside of strings only.
        position = _constant_at(decoded)
    else:
        return value
    # Out here, because raised in the handler it would carry the decoder's error, and so the text.
    raise NotJson(f"not JSON at character {position}", position)


def json_or_refusal(text: bytes) -> Parsed:
    """As `parse`, but the refusal is returned, so that it can be kept like a value."""
    try:
        return parse(text)
    except NotJson as refusal:
        return refusal.with_traceback(None)


def as_text(value: Json) -> bytes:
    """The bytes of a Secret entry: strings as they are, else as `compact`, Infinity as a word.

    A lone surrogate becomes U+FFFD. `value` must come from `parse`, which bounds its depth.
    """
    if isinstance(value, str):
        return _LONE_SURROGATE.sub("\ufffd", value).encode()
    if isinstance(value, float):
        return _number(value).encode()
    return compact(value).encode()


def compact(value: Json) -> str:
    """JSON without spaces, as JSON.stringify prints it. `value` must come from `parse`, too."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return "null" if abs(value) == float("inf") else _number(value)
    if isinstance(value, str):
        return _quoted(value)
    if isinstance(value, list):
        return "[" + ",".join(compact(member) for member in value) + "]"
    members = (f"{_quoted(key)}:{compact(member)}" for key, member in value.items())
    return "{" + ",".join(members) + "}"


class _Constant(Exception):
    """NaN or Infinity stands in the text."""


def _refuse_constant(_constant: str) -> NoReturn:
    raise _Constant


def _constant_at(text: str) -> int:
    found = re.search(r"[NI]|-I", re.sub(r'"(?:[^"\\]|\\.)*+"', _blank, text, flags=re.DOTALL))
    return found.start() if found else 0


def _blank(string: re.Match[str]) -> str:
    return " " * len(string.group())


def _too_deep_at(text: str) -> int | None:
    depth = 0
    for token in _STRING_OR_BRACKET.finditer(text):
        if token.group() in "[{":
            depth += 1
            if depth > MAX_DEPTH:
                return token.start()
        elif token.group() in "]}":
            depth -= 1
    return None


def _in_javascript_order(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Integer-like keys ascending, then the others as they came; a repeated key: first place, last
    value.
    """
    members = dict(pairs)
    indexes = [key for key in members if _is_index(key)]
    if not indexes:
        return members
    ordered = {key: members[key] for key in sorted(indexes, key=int)}
    return ordered | members


def _is_index(key: str) -> bool:
    return _ARRAY_INDEX.fullmatch(key) is not None and int(key) <= _LARGEST_INDEX


def _quoted(text: str) -> str:
    quoted = json.dumps(text, ensure_ascii=False)
    return _LONE_SURROGATE.sub(lambda found: f"\\u{ord(found.group()):04x}", quoted)


def _number(value: float) -> str:
    """A double as JavaScript prints it: the shortest digits that read back the same (Python's repr
    has them too).
    """
    if abs(value) == float("inf"):
        return "Infinity" if value > 0 else "-Infinity"
    if value == 0:
        return "0"
    sign, digits, exponent = Decimal(repr(value)).normalize().as_tuple()
    shown = "".join(map(str, digits))
    minus = "-" if sign else ""
    point = len(shown) + int(exponent)  # how many digits stand before the decimal point
    if not _LAST_ZEROS < point < _FIRST_EXPONENT:
        fraction = f".{shown[1:]}" if len(shown) > 1 else ""
        return f"{minus}{shown[0]}{fraction}e{point - 1:+d}"
    if point <= 0:
        return f"{minus}0.{'0' * -point}{shown}"
    if point >= len(shown):
        return f"{minus}{shown}{'0' * (point - len(shown))}"
    return f"{minus}{shown[:point]}.{shown[point:]}"
