"""Variable: a row of the tables of environment variables.

Made by hark.variables, hark.sourcevariables and hark.reaching; feeds `--help`, the docs and
hark.environment.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Variable:
    """One row of the table."""

    name: str
    default: str
    meaning: str
