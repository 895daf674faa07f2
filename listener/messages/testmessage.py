"""The message that `hark test-event` sends to see whether a queue reaches its listener.

Made by listener.sources (one sender a kind of queue) and recognised by listener.hear, whatever the
source. Pure. It is a CloudEvents 1.0 object, since some queues take nothing else, whose data holds
a mark with an id. EventBridge wraps the data as its detail. It can mean no change: it names no
secret, and a marked message is never looked at as anything else.
"""

import json
import re
from datetime import datetime

MARK = "hark-test"
"""The field of the data, or of EventBridge's detail, that holds the id."""
SOURCE = "hark.test"
TYPE = "hark.test"

_ID = re.compile(r"[0-9a-z-]{8,64}", re.ASCII)
_LONGEST = 64 * 1024


def marked_data(test_id: str) -> dict[str, str]:
    """What marks a message as a test."""
    return {MARK: test_id}


def marked_event(test_id: str, now: datetime) -> dict[str, object]:
    """A whole test message, as CloudEvents 1.0."""
    return {
        "specversion": "1.0",
        "id": test_id,
        "source": SOURCE,
        "type": TYPE,
        "time": now.isoformat(timespec="seconds"),
        "datacontenttype": "application/json",
        "data": marked_data(test_id),
    }


def mark_of(body: str) -> str | None:
    """The id of a test message; None where the body is something else. Raises nothing."""
    # Most messages are none, and shall not be decoded twice.
    if MARK not in body or len(body) > _LONGEST:
        return None
    try:
        found = json.loads(body)
    except (ValueError, RecursionError):
        return None
    if not isinstance(found, dict):
        return None
    carried = found.get("Message")
    if isinstance(carried, str):
        # By way of SNS.
        return mark_of(carried)
    # A rule may send the detail alone.
    for inner in (found.get("data"), found.get("detail"), found):
        marked = inner.get(MARK) if isinstance(inner, dict) else None
        # It will stand in a log.
        if isinstance(marked, str) and _ID.fullmatch(marked):
            return marked
    return None
