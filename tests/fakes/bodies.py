"""Bodies that nobody would write, made by the thousand, for the property tests of every parser.

Fed by ENTROPY, a cheap strategy of hypothesis: pieces of bytes, each of which decides one body by
way of `Choices`. Bytes that are zero or missing choose the simplest, so that hypothesis, which
shrinks bytes well, ends at a small body. One example holds BODIES_AN_EXAMPLE bodies, because an
example costs more than a body: `@ten_thousand` tries 10,000 in a few seconds.

A test file says what its parser is (`Parser`: real messages as JSON values, and how a text is
read), and loops: `for choices in drawn(entropy): parser.understood(parser.damaged(choices))`.
"""

import json
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from random import Random
from typing import Any, TypeVar

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

from externalsecret.identity import SecretId
from listener.messages.meaning import Change, ChangeEvent, Ignored, Malformed, Meaning

BODIES_AN_EXAMPLE = 50
ENTROPY = st.lists(
    st.binary(min_size=64, max_size=64), min_size=BODIES_AN_EXAMPLE, max_size=BODIES_AN_EXAMPLE
)
ten_thousand = settings(
    max_examples=10_000 // BODIES_AN_EXAMPLE,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)

CANARY = "hunter2-canary"
Fact = tuple[SecretId, Change, str | None, str | None]
"""What an event says, whatever it came in: secret, change, version, label."""

_T = TypeVar("_T")
_Way = tuple[Any, ...]
"""The names of fields and positions in lists that lead to a part of a JSON value."""

_LETTERS = "aZ09-_/.:@!+= "
_SYNTAX = '{}[]",:\\\n'
_ODD = "\x00\x1f\x7f\x85\u2028\ud800\udfff\ufeff\u00e4\U0001f511\U0010ffff"
_ALPHABETS = (_LETTERS, _SYNTAX, _ODD)
_SCALARS: tuple[Any, ...] = (
    *(None, "", 0, True, False, -1, 1.5, 1e308, 2**70, 10**4000, float("nan"), float("inf")),
    *(
        "\x00",
        "\ud800",
        "a" * 3000,
        "arn:aws:",
        "arn:aws:secretsmanager:::secret:",
        "/",
        "..",
        "{}",
    ),
    *("projects/1/secrets/a", "https://a.vault.azure.net/secrets/a", "2026-01-01T00:00:00Z"),
)
_DEEP = 3


class Choices:
    """Decisions, read one after the other from a piece of bytes; 0 when these are used up."""

    def __init__(self, data: bytes) -> None:
        self._data = iter(data)

    def below(self, bound: int) -> int:
        """A number from 0 to `bound` - 1."""
        value, room = 0, 1
        while room < bound:
            value = value * 256 + next(self._data, 0)
            room *= 256
        return value % bound

    def one_of(self, items: Sequence[_T]) -> _T:
        return items[self.below(len(items))]

    def text(self) -> str:
        return "".join(self.one_of(self.one_of(_ALPHABETS)) for _ in range(self.below(12)))

    def json(self, depth: int = 0) -> Any:
        """Any JSON value, and what Python takes for such: infinite, huge, half a surrogate."""
        kind = self.below(4)
        if kind <= 1 or depth == _DEEP:
            return self.one_of(_SCALARS)
        if kind == 2:
            return self.text()
        inner = [self.json(depth + 1) for _ in range(self.below(4))]
        return inner if self.below(2) else {self.text(): child for child in inner}


def drawn(entropy: Sequence[bytes]) -> Iterator[Choices]:
    """The decisions for each body of an example."""
    return map(Choices, entropy)


@dataclass(frozen=True)
class Parser:
    """A parser under test."""

    samples: Sequence[Any]
    """Real messages as JSON values, relevant ones and others; with attributes beside the body where
    the parser takes such, as one object of both.
    """
    read: Callable[[str], Meaning]
    """What the text of such a value means; raises Malformed."""

    # Bodies.

    def any_text(self, choices: Choices) -> str:
        """Any text, or a real message with a piece of it replaced by such."""
        if choices.below(4) == 0:
            return choices.text()
        body = json.dumps(choices.one_of(self.samples))
        start = choices.below(len(body) + 1)
        end = min(len(body), start + choices.below(len(body) + 1))
        return body[:start] + choices.text() + body[end:]

    def any_json(self, choices: Choices) -> str:
        """The text of any JSON value, an object mostly."""
        value = choices.json()
        return json.dumps(value if choices.below(4) == 0 else {choices.text(): value})

    def damaged(self, choices: Choices, parts: Callable[[Choices], Any] = Choices.json) -> Any:
        """A real message with up to four of its parts replaced or taken away."""
        message = choices.one_of(self.samples)
        for _ in range(1 + choices.below(4)):
            ways = _ways_in(message)
            if not ways:
                break
            way = choices.one_of(ways)
            if choices.below(2):
                message = _with_part(message, way, parts(choices))
            else:
                message = _without_part(message, way)
        return message

    def with_canary(self, choices: Choices) -> str:
        """A damaged message with the canary as a value, as a name of a field, or in the text."""
        message = self.damaged(choices, _canary)
        body = json.dumps(message)
        if choices.below(2):
            place = choices.below(len(body) + 1)
            body = body[:place] + CANARY + body[place:]
        return body

    # What is said of them.

    def understood(self, body: str) -> Meaning | None:
        """What a body means, None where it is Malformed; anything else fails the test."""
        try:
            meaning = self.read(body)
        except Malformed:
            return None
        except Exception as fault:
            fault.add_note(f"The body was: {body}")
            raise
        if isinstance(meaning, Ignored):
            return meaning
        assert meaning, body
        for event in meaning:
            _check(event, body)
        assert len({event.id for event in meaning}) == len(meaning), body
        return meaning

    def shown_by(self, body: str) -> str:
        """All that a careless log line could show of a body that is refused or ignored."""
        try:
            meaning = self.read(body)
        except Malformed as refusal:
            held = (refusal.args, vars(refusal), refusal.__cause__, refusal.__context__)
            return "".join([*traceback.format_exception(refusal), repr(refusal), repr(held)])
        return repr(meaning) if isinstance(meaning, Ignored) else ""


def facts(meaning: Meaning | None) -> tuple[Fact, ...] | Ignored | None:
    """What two deliveries of one change have in common, their ids apart."""
    if not isinstance(meaning, tuple):
        return meaning
    return tuple((event.secret, event.change, event.version, event.label) for event in meaning)


def reordered(message: Any, choices: Choices, unknown: Mapping[str, Any]) -> Any:
    """The same JSON value with the fields of every object in another order, others among them."""
    order = Random(choices.below(2**32))  # noqa: S311 - it keeps no secret
    return _shuffled(message, order, unknown)


def unknown_fields(choices: Choices) -> dict[str, Any]:
    """Fields that no vendor has named yet."""
    return {f"x-{name}": choices.text() for name in "abc"[: choices.below(4)]}


def _check(event: ChangeEvent, body: str) -> None:
    assert isinstance(event, ChangeEvent), body
    assert event.id, body
    for name in event.secret.names():
        assert 0 < len(name) <= 2048, body
        assert name.encode("utf-8"), body
    assert event.version != "", body
    assert event.label != "", body


def _canary(choices: Choices) -> Any:
    """A part that holds the canary."""
    return choices.one_of(
        [CANARY, [CANARY], {CANARY: 1}, f"{CANARY}\n", f"{CANARY}\ud800", {"a": [CANARY]}, {}]
    )


def _ways_in(value: object, above: _Way = ()) -> list[_Way]:
    """The way to each part of a JSON value, its root left out."""
    children: list[tuple[str | int, object]] = []
    if isinstance(value, dict):
        children = list(value.items())
    elif isinstance(value, list):
        children = list(enumerate(value))
    found: list[_Way] = []
    for key, child in children:
        found.append((*above, key))
        found.extend(_ways_in(child, (*above, key)))
    return found


def _with_part(value: Any, way: _Way, part: object) -> Any:
    """A copy of a JSON value with another part at a place."""
    if not way:
        return part
    copy: Any = dict(value) if isinstance(value, dict) else list(value)
    copy[way[0]] = _with_part(copy[way[0]], way[1:], part)
    return copy


def _without_part(value: Any, way: _Way) -> Any:
    copy: Any = dict(value) if isinstance(value, dict) else list(value)
    if len(way) == 1:
        del copy[way[0]]
    else:
        copy[way[0]] = _without_part(copy[way[0]], way[1:])
    return copy


def _shuffled(value: Any, order: Random, unknown: Mapping[str, Any]) -> Any:
    if isinstance(value, list):
        return [_shuffled(item, order, unknown) for item in value]
    if not isinstance(value, dict):
        return value
    fields = [(key, _shuffled(child, order, unknown)) for key, child in value.items()]
    fields.extend(unknown.items())
    order.shuffle(fields)
    return dict(fields)
