"""Events: what a request's body holds, one by one.

Fed by listener.webhook.app with a body and its headers; feeds the source. Pure. It knows how events
travel in HTTP: a JSON object or an array of them, or (CloudEvents' binary mode) the data alone with
the rest in headers. What an event means is the parsers' affair.

CloudEvents pages: "HTTP Protocol Binding" 1.0.2 (structured, batched and binary mode).
"""

import json
import urllib.parse
from collections.abc import Mapping, Sequence

from listener.messages.meaning import Malformed

MOST_EVENTS = 5_000
"""In one request: what Event Grid sends at most."""
TYPES = (
    "application/json",
    "application/cloudevents+json",
    "application/cloudevents-batch+json",
)
_ATTRIBUTE = "ce-"


class TooMany(Exception):
    """More events than one request may hold."""


def split(body: bytes, headers: Mapping[str, str]) -> Sequence[object]:
    """The events of a request; raises Malformed or TooMany. Names of headers are in lower case."""
    found = _decoded(body)
    if "ce-specversion" in headers:
        return [{**_attributes(headers), "data": found}]
    if isinstance(found, dict):
        return [found]
    if not isinstance(found, list):
        raise Malformed("The body must be one event as a JSON object, or an array of events.")
    if len(found) > MOST_EVENTS:
        raise TooMany(f"One request holds {MOST_EVENTS} events at most; send several requests.")
    return found


def event_text(event: object) -> str:
    """One event as text again, as the parsers take it."""
    return json.dumps(event, separators=(",", ":"))


def _decoded(body: bytes) -> object:
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        return None


def _attributes(headers: Mapping[str, str]) -> dict[str, str]:
    return {
        name.removeprefix(_ATTRIBUTE): urllib.parse.unquote(value)
        for name, value in headers.items()
        if name.startswith(_ATTRIBUTE)
    }
