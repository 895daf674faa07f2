"""The two kinds of failure that Hark knows.

    HarkError
      Retry     passes by itself (throttled, away, conflict): try again, with backoff
      GiveUp    stays until somebody changes something (spec, permission, value): say so and wait

SDK exceptions are translated into these where the SDK is called, never further in. A message is a
sentence that tells the user what to do; it never holds a value. `reason` is the CamelCase word that
ends in the Ready condition and in the Event.
"""

from types import TracebackType


class HarkError(Exception):
    """Base of both kinds; never raised itself."""

    def __init__(self, message: str, *, reason: str) -> None:
        super().__init__(message)
        self.message = message
        self.reason = reason

    def __str__(self) -> str:
        return self.message


class Retry(HarkError):
    """Try again later. `after` is the least wait in seconds where the other side named one."""

    def __init__(self, message: str, *, reason: str, after: float | None = None) -> None:
        super().__init__(message, reason=reason)
        self.after = after


class GiveUp(HarkError):
    """Trying again changes nothing until the spec, a permission or the secret itself is changed."""


def whereabouts(fault: BaseException) -> str:
    """Where a fault of ours was raised, as `file:line Type`, without its text: that may quote what
    the code worked on, and so a secret value.
    """
    trace: TracebackType | None = fault.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    if trace is None:
        return type(fault).__name__
    file = trace.tb_frame.f_code.co_filename.rpartition("/")[2]
    return f"{file}:{trace.tb_lineno} {type(fault).__name__}"
