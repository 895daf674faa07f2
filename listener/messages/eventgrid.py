"""GridEvent: one event of Azure Event Grid, whichever of its two schemas it was written in.

Fed by the body of a message; feeds azure. Event Grid's own schema says `eventType`, `eventTime` and
`topic` where CloudEvents 1.0 says `type`, `time` and `source`; either may stand alone or in an
array. Fields are found whatever their case and whatever blanks stand around them, and blanks around
values are taken away, since the vendor's own samples have such.

Guarantees: nothing but Malformed is raised, and no sentence quotes the body.

Azure pages: "Azure Event Grid event schema", "CloudEvents schema with Azure Event Grid".
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from listener.messages.meaning import Malformed
from listener.messages.untrusted import Json, section, text_of

_RFC_3339 = re.compile(
    r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(?:\.\d{1,9})?(?:[Zz]|[+-]\d\d:\d\d)", re.ASCII
)


@dataclass(frozen=True, slots=True)
class GridEvent:
    """One event; its data is folded: ask it with `field_text` and names in lower case."""

    id: str
    type: str
    at: str
    """RFC 3339; "" where the event does not say."""
    source: str
    """The resource that sent it, as a path of Azure's resource manager."""
    subject: str
    data: Json = field(repr=False)


def grid_event(item: object) -> GridEvent:
    """The event that a JSON value is; raises Malformed where it is none."""
    event = folded(item) if isinstance(item, dict) else {}
    is_cloud_event = "specversion" in event
    type_field, time_field, source_field = (
        ("type", "time", "source") if is_cloud_event else ("eventtype", "eventtime", "topic")
    )
    event_type = field_text(event, type_field)
    if not event_type:
        raise Malformed(
            "The message is no event, neither of Event Grid's schema (eventType) nor of CloudEvents"
            " (specversion and type); let the subscription send it unchanged."
        )
    event_id = field_text(event, "id")
    if not event_id:
        raise Malformed("The event has no id; let the subscription send it unchanged.")
    return GridEvent(
        id=event_id,
        type=event_type,
        at=_time(event, time_field),
        source=field_text(event, source_field),
        subject=field_text(event, "subject"),
        data=folded(section(event, "data")),
    )


def folded(value: Mapping[str, object]) -> dict[str, object]:
    """The same fields under names in lower case without blanks; of two that fold to one name the
    first in the alphabet that says something.
    """
    found: dict[str, object] = {}
    for key in sorted(value):
        said = value[key]
        if said is not None and said != "":
            found.setdefault(key.strip().lower(), said)
    return found


def field_text(value: Json, key: str) -> str:
    """The text of a folded field without blanks around it; "" where there is none."""
    found = value.get(key)
    return text_of({key: found.strip() if isinstance(found, str) else found}, key)


def _time(value: Json, key: str) -> str:
    """The time below a key; "" where it is none: a change without a time is still a change."""
    found = value.get(key)
    if isinstance(found, str) and _RFC_3339.fullmatch(found.strip()):
        return found.strip()
    return ""
