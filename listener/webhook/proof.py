"""Proof: how a caller shows who he is. The seam of the three ways of authentication.

Each way is a module of this folder; listener.webhook.app asks it with each request, before the body
is read. What a caller is called is the name that listener.webhook.callers files him under.
"""

from dataclasses import dataclass, field
from typing import Protocol


class NotProven(Exception):
    """The request does not show who sends it: 401. The sentence quotes nothing of it."""


class NotAllowed(Exception):
    """It does, but he may announce nothing here: 403."""


class CannotTell(Exception):
    """Whoever could tell does not answer: 503."""


@dataclass(frozen=True, slots=True)
class Shown:
    """What a request shows."""

    bearer: str = field(repr=False)
    """The token of the header Authorization, "" where there is none."""
    secret: str = field(repr=False)
    """The shared secret of the header or of the query, "" where there is none."""


class Proof(Protocol):
    """One way of authentication."""

    def caller(self, shown: Shown) -> str:
        """Who calls. Raises NotProven, NotAllowed or CannotTell."""
