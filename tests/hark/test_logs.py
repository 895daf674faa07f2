import io
import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest
import structlog

from externalsecret.redacted import Redacted
from hark.logs import set_up_logs
from hark.settings import LogFormat, LogLevel

CANARY = "canary-7d1f"


@pytest.fixture(autouse=True)
def _quiet_afterwards() -> Iterator[None]:
    """Give other tests the logging that they found."""
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.reset_defaults()


def _set_up(level: LogLevel = "info", log_format: LogFormat = "json") -> io.StringIO:
    stream = io.StringIO()
    set_up_logs(level, log_format, stream)
    return stream


def _line(stream: io.StringIO) -> dict[str, Any]:
    (text,) = stream.getvalue().splitlines()
    line: dict[str, Any] = json.loads(text)
    return line


def test_an_event_is_one_line_of_json() -> None:
    stream = _set_up()
    structlog.get_logger().info("watch.listed", objects=3)
    line = _line(stream)
    assert line.pop("time").endswith("Z")
    assert line == {"event": "watch.listed", "level": "info", "objects": 3}


def test_a_library_speaks_in_the_same_form() -> None:
    stream = _set_up()
    logging.getLogger("some.library").warning("met %d problems", 2)
    line = _line(stream)
    assert (line["event"], line["level"]) == ("met 2 problems", "warning")
    assert "time" in line


def test_chatty_libraries_are_heard_only_when_they_warn() -> None:
    stream = _set_up("debug")
    for name in ("urllib3.connectionpool", "botocore.parsers"):
        logging.getLogger(name).info("said a lot")
    assert not stream.getvalue()


def test_what_is_below_the_level_is_not_said() -> None:
    stream = _set_up("warning")
    structlog.get_logger().info("quiet")
    logging.getLogger("some.library").info("quiet")
    assert not stream.getvalue()


@pytest.mark.parametrize("log_format", ["json", "human"])
@pytest.mark.parametrize("wrapped", ["plain", "list", "dict", "deep", "object"])
def test_a_secret_value_is_never_shown(log_format: LogFormat, wrapped: str) -> None:
    class Holder:
        def __init__(self, value: Redacted) -> None:
            self.value = value

    value = Redacted(CANARY.encode())
    shapes: dict[str, Any] = {
        "plain": value,
        "list": [value],
        "dict": {"password": value},
        "deep": {"a": ({"b": [value]},)},
        "object": Holder(value),
    }
    stream = _set_up("debug", log_format)
    structlog.get_logger().info("read", value=shapes[wrapped], raw=CANARY.encode())
    logging.getLogger("some.library").warning("read %s", value)
    assert CANARY not in stream.getvalue()
    assert "Redacted(...)" in stream.getvalue()


@pytest.mark.parametrize("log_format", ["json", "human"])
def test_a_traceback_shows_no_local_variables(log_format: LogFormat) -> None:
    stream = _set_up("info", log_format)

    def fail() -> None:
        password = CANARY.upper()
        raise RuntimeError(len(password))

    try:
        fail()
    except RuntimeError:
        structlog.get_logger().exception("failed")
        logging.getLogger("some.library").exception("failed")
    assert "RuntimeError" in stream.getvalue()
    assert CANARY.upper() not in stream.getvalue()


def test_people_get_a_plain_line() -> None:
    stream = _set_up("info", "human")
    structlog.get_logger().info("watch.listed", objects=3)
    assert "watch.listed" in stream.getvalue()
    assert not stream.getvalue().startswith("{")


def test_without_a_terminal_the_form_is_json() -> None:
    stream = _set_up("info", "auto")
    structlog.get_logger().info("hello")
    assert _line(stream)["event"] == "hello"
