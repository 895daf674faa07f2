"""How Hark speaks: one line for each event, as JSON or, on a terminal, for people.

Fed by structlog loggers of all packages and by the standard logging of libraries; writes to one
stream. Guarantees: a secret value in its wrapper shows as Redacted(...), wherever in an event it
stands; tracebacks show no local variables. Does not guarantee anything about values that somebody
has unwrapped.
"""

import logging
import sys
from typing import Any, TextIO

import structlog
from structlog.typing import EventDict, Processor

from externalsecret.redacted import Redacted
from hark.settings import LogFormat, LogLevel

_NOISY = ("urllib3", "botocore", "boto3", "s3transfer", "kubernetes", "waitress", "werkzeug")
_SHOWN = "Redacted(...)"


def set_up_logs(
    level: LogLevel, log_format: LogFormat = "auto", stream: TextIO | None = None
) -> None:
    """Configure structlog and standard logging of this process; call once, at the start."""
    target = stream or sys.stderr
    human = log_format == "human" or (log_format == "auto" and target.isatty())
    number = getattr(logging, level.upper())
    handler = logging.StreamHandler(target)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=_shared(),
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *_last(human)],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(number)
    for name in _NOISY:
        logging.getLogger(name).setLevel(max(number, logging.WARNING))
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *_shared(),
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        # Tests set up logs more than once.
        cache_logger_on_first_use=False,
    )


def _shared() -> list[Processor]:
    return [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.PositionalArgumentsFormatter(),
        structlog.processors.TimeStamper(fmt="iso", utc=True, key="time"),
        redact,
    ]


def _last(human: bool) -> list[Processor]:  # noqa: FBT001 - the one caller names it
    if human:
        plain = structlog.dev.plain_traceback
        return [structlog.dev.ConsoleRenderer(exception_formatter=plain, timestamp_key="time")]
    # format_exc_info makes a plain traceback: no local variables.
    return [
        structlog.processors.format_exc_info,
        structlog.processors.JSONRenderer(default=_as_text),
    ]


def redact(_logger: Any, _method: str, event: EventDict) -> EventDict:
    """Replace what wears Redacted, and bytes, which nobody logs for a good reason."""
    return {name: _safe(value) for name, value in event.items()}


def _safe(value: Any) -> Any:
    if isinstance(value, Redacted | bytes | bytearray | memoryview):
        return _SHOWN
    if isinstance(value, dict):
        return {name: _safe(member) for name, member in value.items()}
    if type(value) in {list, tuple, set, frozenset}:
        return [_safe(member) for member in value]
    return value


def _as_text(value: Any) -> str:
    """What JSON does not know is shown by its type alone, except what is meant for messages."""
    return str(value) if isinstance(value, BaseException) else f"<{type(value).__name__}>"
