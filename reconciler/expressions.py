"""Where spec.template has texts to evaluate. Plain functions of plain data.

Fed with the raw template; feeds whoever must know whether it needs values (reconciler.whole), what
of it is known without them (reconciler.frame), and what to evaluate (reconciler.template). As in
kubernetes-external-secrets each text in nested maps counts, and neither lists, nor keys, nor the
type.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from externalsecret.errors import GiveUp

MARKS = ("<%", "${")
MAX_DEPTH = 100
_LITERAL = ("type",)

Place = tuple[str, ...]
"""The keys that lead to a text."""


def is_evaluated(template: Mapping[str, Any]) -> bool:
    """Whether any text in it is an expression, so that it needs all entries and the engine."""
    return any(True for _ in expressions(template))


def is_expression(text: object) -> bool:
    """Whether a text, wherever it stands, would be evaluated."""
    return isinstance(text, str) and any(mark in text for mark in MARKS)


def expressions(template: Mapping[str, Any]) -> Iterator[tuple[Place, str]]:
    """Where the template has a text to evaluate, in the order of the maps. GiveUp if too deep."""
    pending: list[tuple[Place, Any]] = [((), template)]
    while pending:
        place, value = pending.pop()
        if len(place) > MAX_DEPTH:
            raise GiveUp(
                f"spec.template is nested deeper than {MAX_DEPTH} levels.", reason="InvalidTemplate"
            )
        if isinstance(value, Mapping):
            inside = [((*place, str(key)), member) for key, member in value.items()]
            pending.extend(reversed(inside))
        elif place != _LITERAL and is_expression(value):
            yield place, value


def shown(place: Place) -> str:
    """A place as a user finds it in the manifest."""
    return "spec.template" + "".join(
        f".{part}" if part.isidentifier() else f"[{part!a}]" for part in place
    )
