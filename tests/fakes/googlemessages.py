"""The recorded messages of Pub/Sub: the attributes and the body of each."""

import json
from pathlib import Path
from typing import Any

_FOLDER = Path(__file__).resolve().parents[1] / "listener" / "messages"
NAMES = sorted(path.stem.removeprefix("google-") for path in _FOLDER.glob("google-*.json"))


def attributes_of(name: str) -> dict[str, str]:
    attributes: dict[str, str] = _message(name)["attributes"]
    return attributes


def body_of(name: str) -> Any:
    """What the data holds as JSON; None where it is empty."""
    return _message(name)["body"]


def text_of(body: Any) -> str:
    """The data as a text."""
    return "" if body is None else json.dumps(body)


def _message(name: str) -> dict[str, Any]:
    message: dict[str, Any] = json.loads(
        (_FOLDER / f"google-{name}.json").read_text(encoding="utf-8")
    )
    return message
