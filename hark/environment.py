"""The environment as texts, choices, numbers and durations, or a refusal that tells what to write.

Fed by a mapping of names to texts; feeds hark.settings. Blank is as good as absent, unless presence
itself is asked for. Only names of hark.variables can be read.
"""

import re
from collections.abc import Mapping
from typing import TypeVar

from externalsecret.duration import parse_duration
from externalsecret.errors import GiveUp
from hark.variables import VARIABLES

DEFAULTS = {variable.name: variable.default for variable in VARIABLES}
_SHOWN = 80

Value = TypeVar("Value")


class Environment:
    """Texts of the environment, where blank is as good as absent unless presence is asked for."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._environ = environ
        self.warnings: list[str] = []

    def is_present(self, name: str) -> bool:
        return name in self._environ

    def text(self, name: str) -> str:
        return self._environ.get(name, "").strip() or DEFAULTS[name]

    def given(self, name: str) -> str:
        """Without the default."""
        return self._environ.get(name, "").strip()

    def several(self, name: str) -> tuple[str, ...]:
        parts = (part.strip() for part in self.text(name).split(","))
        return tuple(dict.fromkeys(part for part in parts if part))

    def choice(self, name: str, choices: Mapping[str, Value]) -> Value:
        text = self.text(name).lower()
        if text not in choices:
            known = [choice for choice in choices if choice]
            wrong = f"is none of {', '.join(known)}"
            raise refusal(name, text, wrong, DEFAULTS[name] or known[0])
        return choices[text]

    def whole(self, name: str, least: int, most: int) -> int:
        text = self.text(name)
        number = int(text) if re.fullmatch(r"\d{1,12}", text, re.ASCII) else -1
        if not least <= number <= most:
            wrong = f"is no whole number from {least} to {most}"
            raise refusal(name, text, wrong, DEFAULTS[name] or str(least))
        return number

    def duration(self, name: str, text: str, least: str, most: str, example: str) -> float:
        try:
            seconds = parse_duration(text)
        except ValueError as error:
            raise refusal(name, text, str(error), example) from None
        if not parse_duration(least) <= seconds <= parse_duration(most):
            raise refusal(name, text, f"is not between {least} and {most}", example)
        return seconds


def refusal(name: str, text: str, wrong: str, example: str) -> GiveUp:
    """The sentence about a variable that makes no sense."""
    shown = text if len(text) <= _SHOWN else text[:_SHOWN] + "..."
    return GiveUp(
        f"{name}={shown} {wrong}. Example: {name}={example}",
        reason="InvalidSetting",
    )
