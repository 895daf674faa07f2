"""Envelope: an event of EventBridge, whatever it was wrapped in or stripped of on its way.

Fed by the body of a queue's message; feeds secretsmanager and parameterstore. Three forms are read:
the plain envelope, the envelope as an SNS notification's `Message`, and the detail alone (a rule
with InputPath `$.detail`), plain or in SNS.

Guarantees: only sources in SOURCES come out; every other service is Ignored, every other form
Malformed. Parts that the envelope does not say come from the detail (CloudTrail writes awsRegion,
recipientAccountId, eventID), then from the queue's own place; but a native detail alone says
neither region nor account, and may have come from any that forwards to this queue: both stay open
then.

Does not guarantee an id of its own for each event where a native detail came alone and not by SNS:
it says nothing that differs between two changes of one parameter. Such ids are a digest of the
detail and start with DERIVED, so that the listener can add when the queue took the message.

AWS pages: "Events from services delivered via CloudTrail" (EventBridge), "Amazon SNS message and
JSON formats", "Secret Label Updated event" (Secrets Manager), "Systems Manager event examples".
"""

import hashlib
from dataclasses import dataclass, field

from listener.messages.cloudtrail import service_of
from listener.messages.meaning import Ignored, IgnoredReason, Malformed
from listener.messages.untrusted import (
    Json,
    canonical,
    json_object,
    section,
    text_of,
    texts_of,
    time_of,
)
from listener.sources.contract import Origin

SECRETS_MANAGER = "aws.secretsmanager"
PARAMETER_STORE = "aws.ssm"
SOURCES = frozenset({SECRETS_MANAGER, PARAMETER_STORE})

LABEL_UPDATED = "Secret Label Updated"
PARAMETER_CHANGE = "Parameter Store Change"
POLICY_ACTION = "Parameter Store Policy Action"
API_CALL = "AWS API Call via CloudTrail"
CLOUDTRAIL = frozenset({API_CALL, "AWS Service Event via CloudTrail"})

DERIVED = "detail-sha256:"
"""How the ids begin that do not tell two equal changes apart, as those made from the detail."""

_SNS_HANDSHAKES = frozenset({"SubscriptionConfirmation", "UnsubscribeConfirmation"})
_TEST_EVENTS = frozenset({"s3:TestEvent", "autoscaling:TEST_NOTIFICATION"})
_NATIVE_DETAILS = (
    ({"name", "labelUpdated", "versionId"}, SECRETS_MANAGER, LABEL_UPDATED),
    ({"name", "operation", "type"}, PARAMETER_STORE, PARAMETER_CHANGE),
    ({"parameter-name", "policy-type"}, PARAMETER_STORE, POLICY_ACTION),
)


@dataclass(frozen=True, slots=True)
class Envelope:
    """One event, with its envelope made whole as far as it can be."""

    source: str
    detail_type: str
    id: str
    at: str
    region: str
    account: str
    resources: tuple[str, ...]
    detail: Json = field(repr=False)


def open_envelope(body: str, origin: Origin) -> Envelope | Ignored:
    """The event in a message's body; raises Malformed where none of the known forms is there."""
    outer = json_object(body)
    if _is_test(outer):
        return Ignored(IgnoredReason.TEST_MESSAGE)
    if outer.get("Type") != "Notification" or "Message" not in outer:
        return _opened(outer, "", origin)
    message = outer["Message"]
    if not isinstance(message, str):
        raise Malformed("The Message of the SNS notification must be a text that holds JSON.")
    inner = json_object(message)
    if _is_test(inner):
        return Ignored(IgnoredReason.TEST_MESSAGE)
    return _opened(inner, text_of(outer, "MessageId"), origin)


def _is_test(message: Json) -> bool:
    """Whether the message only proves that a subscription or a target works."""
    kind = message.get("Type")
    event = message.get("Event")
    return (isinstance(kind, str) and kind in _SNS_HANDSHAKES) or (
        isinstance(event, str) and event in _TEST_EVENTS
    )


def _opened(event: Json, carrier_id: str, origin: Origin) -> Envelope | Ignored:
    whole = "detail" in event and ("source" in event or "detail-type" in event)
    detail = section(event, "detail") if whole else event
    envelope: Json = event if whole else {}
    source, detail_type = _kind(envelope, detail)
    if source not in SOURCES:
        return Ignored(IgnoredReason.OTHER_SERVICE)
    if whole and not isinstance(event["detail"], dict):
        raise Malformed("The event's detail must be a JSON object; let the rule send it unchanged.")
    trail: Json = detail if detail_type in CLOUDTRAIL else {}
    place = origin if whole or trail else Origin()
    return Envelope(
        source=source,
        detail_type=detail_type,
        id=text_of(envelope, "id") or text_of(trail, "eventID") or carrier_id or _derived(detail),
        at=time_of(envelope, "time") or time_of(trail, "eventTime"),
        region=text_of(envelope, "region") or text_of(trail, "awsRegion") or place.region,
        account=(
            text_of(envelope, "account") or text_of(trail, "recipientAccountId") or place.account
        ),
        resources=texts_of(envelope, "resources"),
        detail=detail,
    )


def _kind(envelope: Json, detail: Json) -> tuple[str, str]:
    """(source, detail-type), from the detail's own shape where the envelope does not say."""
    source = text_of(envelope, "source")
    detail_type = text_of(envelope, "detail-type")
    if source and detail_type:
        return (source, detail_type)
    own_source, own_type = _kind_of_detail(detail)
    return (source or own_source, detail_type or own_type)


def _kind_of_detail(detail: Json) -> tuple[str, str]:
    if "eventSource" in detail and "eventName" in detail:
        return (service_of(detail), API_CALL)
    for fields, source, detail_type in _NATIVE_DETAILS:
        if fields <= detail.keys():
            return (source, detail_type)
    raise Malformed(
        "The message is no event of EventBridge, neither whole nor its detail; let the rule send"
        " the matched event unchanged."
    )


def _derived(detail: Json) -> str:
    return DERIVED + hashlib.sha256(canonical(detail).encode("ascii")).hexdigest()
