"""What is asked first of an event that CloudTrail recorded: whose call, which, and did it act.

Fed by the detail of such an event; feeds eventbridge, secretsmanager and parameterstore.

AWS page: "CloudTrail record contents" (eventSource, eventName, errorCode, errorMessage, readOnly).
"""

import re

from listener.messages.meaning import Ignored, IgnoredReason, Malformed
from listener.messages.untrusted import Json, text_of

_EVENT_SOURCE = re.compile(r"([a-z0-9-]+)\.amazonaws\.com(?:\.cn)?")
_READS = ("Get", "List", "Describe", "BatchGet", "Validate")


def service_of(detail: Json) -> str:
    """The called service as EventBridge names sources ("aws.ssm"); "" where none is named."""
    event_source = text_of(detail, "eventSource")
    named = _EVENT_SOURCE.fullmatch(event_source)
    return f"aws.{named[1]}" if named else event_source


def event_name(detail: Json) -> str:
    """The name of the recorded call or service event."""
    name = text_of(detail, "eventName")
    if not name:
        raise Malformed("The CloudTrail event has no eventName; let the rule send it unchanged.")
    return name


def refusal(detail: Json) -> Ignored | None:
    """Why a recorded call changed nothing, whatever it was; None where it may have."""
    for key in ("errorCode", "errorMessage"):
        if detail.get(key) not in (None, ""):
            return Ignored(IgnoredReason.FAILED_CALL)
    if detail.get("readOnly") is True or event_name(detail).startswith(_READS):
        return Ignored(IgnoredReason.READ_ONLY_CALL)
    return None
