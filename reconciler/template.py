"""spec.template: its texts evaluated, and merged with the Secret that was made from the reads.

Fed by the reconcile story with the raw template and every entry of the Secret; feeds the writer of
Secrets. The rules are those of kubernetes-external-secrets 8.5.5: each text in nested maps is a
lodash template, lists and what is in them stay as they are, `type` is taken literally. Different on
purpose: entries are UTF-8 text, and one that is no text is an error where a template touches it;
there is no `process` and no other way out of the engine; an error tells its class and place, never
the script's words, which may hold a value.

Guarantees: whatever was evaluated wears Redacted. A template that was refused leaves nothing behind
for the next one. Does not guarantee that an expression gives the same text twice (Math.random).
"""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from externalsecret.errors import GiveUp, Retry
from externalsecret.redacted import Redacted
from reconciler.expressions import MARKS, Place, expressions, shown
from reconciler.javascript import JavaScript, Limits, Stop, Stopped
from reconciler.jsontext import as_text

_PRELUDE = Path(__file__).with_name("prelude")
_KINDS = (
    "EvalError",
    "RangeError",
    "ReferenceError",
    "SyntaxError",
    "TypeError",
    "URIError",
    "InternalError",
    "Error",
)
_HINTS = {
    "ReferenceError": "a name in it is not known; known are data, yaml, _, JSON and Buffer",
    "TypeError": "often a member of something that is absent",
    "SyntaxError": "what was to be parsed, such as JSON, is malformed",
    "RangeError": "often endless recursion, or something too large",
    "InternalError": "often too much memory",
}


class Engine(Protocol):
    """What is asked of reconciler.javascript."""

    def call(self, function: str, argument: Any, /) -> Any: ...

    def close(self) -> None: ...


def template_engine(
    libraries: Callable[[], Sequence[str]], limits: Limits | None = None
) -> JavaScript:
    """The engine for templates; `libraries` are the texts of lodash and js-yaml."""

    def sources() -> Sequence[str]:
        own = [(_PRELUDE / name).read_text() for name in ("buffer.js", "template.js")]
        return [*libraries(), *own]

    return JavaScript(sources, limits)


def render_template(
    template: Mapping[str, Any], data: Mapping[str, Redacted], engine: Engine
) -> Mapping[str, Any]:
    """The template with each expression replaced by its text in Redacted.

    `data` are all entries that the Secret will have from reads. Raises GiveUp (the template is
    wrong, the engine or its libraries are missing) and Retry (the machine is too busy).
    """
    places = dict(expressions(template))
    if not places:
        return template
    texts, binary = _readable(data)
    request = {"texts": list(places.values()), "entries": texts, "binary": binary}
    try:
        reply = engine.call("render", request)
    except Stopped as stopped:
        raise _stopped(stopped) from None
    made = _made(reply, len(places))
    if made is None:
        raise _failed(reply, list(places.items()), binary)
    return _replaced(template, dict(zip(places, made, strict=True)))


def _readable(data: Mapping[str, Redacted]) -> tuple[dict[str, str], list[str]]:
    """The entries that are text, and the names of those that are not."""
    texts: dict[str, str] = {}
    binary: list[str] = []
    for name, value in data.items():
        try:
            texts[name] = value.reveal().decode()
        except UnicodeDecodeError:
            binary.append(name)
    return texts, binary


def _made(reply: Any, count: int) -> list[str] | None:
    made = reply.get("made") if isinstance(reply, dict) else None
    if not isinstance(made, list) or len(made) != count:
        return None
    return made if all(isinstance(text, str) for text in made) else None


def _replaced(
    value: Mapping[str, Any], made: Mapping[Place, str], above: Place = ()
) -> dict[str, Any]:
    replaced: dict[str, Any] = {}
    for key, member in value.items():
        place = (*above, str(key))
        if isinstance(member, Mapping):
            replaced[key] = _replaced(member, made, place)
        else:
            replaced[key] = Redacted(as_text(made[place])) if place in made else member
    return replaced


def _failed(reply: Any, texts: Sequence[tuple[Place, str]], binary: Sequence[str]) -> GiveUp:
    """The sentence for a failure. A script may have tampered with the reply: numbers only, and only
    those that fit, come into it.
    """
    told = reply if isinstance(reply, dict) else {}
    failed = _index(told.get("failed"), len(texts))
    if failed is None:
        return _refused("spec.template cannot be evaluated: a script in it broke the engine.")
    place, text = texts[failed]
    where = shown(place)
    touched = _index(told.get("binary"), len(binary))
    if touched is not None:
        return _refused(
            f"{where} uses data[{binary[touched]!a}], which is binary and no UTF-8 text. "
            "Leave it out of the template, or store it as base64 text."
        )
    kind = _index(told.get("kind"), len(_KINDS))
    word = "something that is no Error" if kind is None else _KINDS[kind]
    if told.get("compiles") is not True:
        return _refused(f"{where} is no valid template: it does not compile ({word}).")
    most = sum(text.count(mark) for mark in MARKS)
    number = _index(told.get("expression"), most + 1)
    at = f" in expression {number}" if number else ""
    hint = f" ({_HINTS[word]})" if word in _HINTS else ""
    return _refused(f"{where} cannot be evaluated: {word}{at}{hint}.")


def _stopped(stopped: Stopped) -> GiveUp | Retry:
    sentence = f"spec.template cannot be evaluated: it {stopped.words}."
    if stopped.stop is Stop.WALL:
        return Retry(sentence, reason="TemplateFailed")
    return _refused(sentence)


def _index(value: object, size: int) -> int | None:
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < size:
        return value
    return None


def _refused(sentence: str) -> GiveUp:
    return GiveUp(sentence, reason="TemplateFailed")
