"""What may come of a step: as told, refused, or otherwise.

Feeds every part of the demo; hark.demo turns what is raised here into an exit code.
"""

import time
from collections.abc import Callable
from typing import TypeVar

from externalsecret.errors import HarkError, whereabouts
from testbed.awsstack import StackError
from testbed.cache import CannotProvideError
from testbed.controlplane import ControlPlaneError
from testbed.installation import NotReadyError
from testbed.moto import MotoError

PATIENCE = 60.0
_GLANCE = 0.01
_SENTENCES = (
    HarkError,
    StackError,
    CannotProvideError,
    ControlPlaneError,
    NotReadyError,
    MotoError,
)

T = TypeVar("T")


class Refused(Exception):
    """The demo does not begin; the sentence says what to do."""


class Unexpected(Exception):
    """A step ended otherwise than the story tells."""


def expect(holds: bool, otherwise: str) -> None:  # noqa: FBT001 - reads as an assertion
    """Unexpected with this sentence unless it holds."""
    if not holds:
        raise Unexpected(otherwise)


def await_until(
    look: Callable[[], T], good: Callable[[T], bool], otherwise: str, patience: float = PATIENCE
) -> T:
    """Look until it is good; Unexpected after `patience` seconds. What was seen is not shown."""
    deadline = time.monotonic() + patience
    while True:
        seen = look()
        if good(seen):
            return seen
        expect(time.monotonic() < deadline, f"{otherwise} (waited {patience:.0f} s)")
        time.sleep(_GLANCE)


def explain(error: Exception) -> str:
    """The sentence of an error; a fault of ours by its place, since its text may hold a value."""
    if isinstance(error, Refused):
        return str(error)
    if isinstance(error, (Unexpected, *_SENTENCES)):
        return f"this did not go as told. {error}"
    return f"this did not go as told ({whereabouts(error)})."
