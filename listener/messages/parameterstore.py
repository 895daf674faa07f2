"""What an event of AWS SSM Parameter Store means: native events, and what CloudTrail records.

Fed by eventbridge; feeds aws. The native events name no version; PutParameter's recorded answer
does. An update that failed later on (data types that AWS validates) carries `exception` and changed
nothing. Policies: only Expiration deletes, the two notifications just remind.

AWS pages: "Systems Manager event examples", "Setting up notifications based on Parameter Store
events"; PutParameter, LabelParameterVersion, DeleteParameters in the API reference.
"""

from collections.abc import Callable, Sequence

from externalsecret.identity import SecretId, parameter, parse_arn
from listener.messages.cloudtrail import event_name, refusal, service_of
from listener.messages.effect import Effect, change_events, checked
from listener.messages.eventbridge import (
    CLOUDTRAIL,
    PARAMETER_CHANGE,
    PARAMETER_STORE,
    POLICY_ACTION,
    Envelope,
)
from listener.messages.meaning import Change, Ignored, IgnoredReason, Malformed, Meaning
from listener.messages.untrusted import Json, number_of, section, text_of, texts_of

_OPERATIONS = {
    "Create": Change.VALUE,
    "Update": Change.VALUE,
    "LabelParameterVersion": Change.VALUE,
    "Delete": Change.GONE,
}
_REMINDERS = frozenset({"ExpirationNotification", "NoChangeNotification"})

Told = tuple[Sequence[str], Sequence[Effect]]


def meaning(envelope: Envelope) -> Meaning:
    """What the event asks for; raises Malformed where it names no parameter."""
    if envelope.detail_type == PARAMETER_CHANGE:
        return _changed(envelope)
    if envelope.detail_type == POLICY_ACTION:
        return _policy(envelope)
    if envelope.detail_type in CLOUDTRAIL:
        return _recorded(envelope)
    return Ignored(IgnoredReason.OTHER_EVENT)


def _changed(envelope: Envelope) -> Meaning:
    if envelope.detail.get("exception") not in (None, ""):
        return Ignored(IgnoredReason.FAILED_CALL)
    change = _OPERATIONS.get(text_of(envelope.detail, "operation"))
    if change is None:
        return Ignored(IgnoredReason.OTHER_EVENT)
    return _announced(envelope, "name", change)


def _policy(envelope: Envelope) -> Meaning:
    policy = text_of(envelope.detail, "policy-type")
    if policy in _REMINDERS:
        return Ignored(IgnoredReason.NOT_A_CHANGE)
    if policy != "Expiration":
        return Ignored(IgnoredReason.OTHER_EVENT)
    if text_of(envelope.detail, "action-status").lower().startswith("fail"):
        return Ignored(IgnoredReason.FAILED_CALL)
    return _announced(envelope, "parameter-name", Change.GONE)


def _announced(envelope: Envelope, name_field: str, change: Change) -> Meaning:
    keys = [arn for arn in envelope.resources if _is_parameter(arn)]
    return _events(envelope, (keys or [text_of(envelope.detail, name_field)], (Effect(change),)))


def _is_parameter(arn: str) -> bool:
    parts = parse_arn(arn)
    return parts is not None and parts.service == "ssm" and parts.resource.startswith("parameter/")


def _recorded(envelope: Envelope) -> Meaning:
    detail = envelope.detail
    if service_of(detail) not in ("", PARAMETER_STORE):
        return Ignored(IgnoredReason.OTHER_SERVICE)
    refused = refusal(detail)
    if refused is not None:
        return refused
    tell = _CALLS.get(event_name(detail))
    if tell is None:
        return Ignored(IgnoredReason.OTHER_EVENT)
    told = tell(section(detail, "requestParameters"), section(detail, "responseElements"))
    if isinstance(told, Ignored):
        return told
    return _events(envelope, told)


def _events(envelope: Envelope, told: Told) -> Meaning:
    keys, effects = told
    return change_events(envelope, [_parameter(key) for key in keys], effects)


def _parameter(key: str) -> SecretId:
    if not key:
        raise Malformed(
            "The event names no parameter; let the rule send the matched event unchanged."
        )
    return checked(parameter(key))


def _put(request: Json, response: Json) -> Told | Ignored:
    effect = Effect(Change.VALUE, version=number_of(response, "version"))
    return ([text_of(request, "name")], [effect])


def _deleted(request: Json, _response: Json) -> Told | Ignored:
    return ([text_of(request, "name")], [Effect(Change.GONE)])


def _all_deleted(request: Json, response: Json) -> Told | Ignored:
    names = texts_of(request, "names")
    if response.get("deletedParameters") is not None:
        names = texts_of(response, "deletedParameters")
        if not names:
            return Ignored(IgnoredReason.NOT_A_CHANGE)
    return (names or [""], [Effect(Change.GONE)])


def _labelled(request: Json, response: Json) -> Told | Ignored:
    version = number_of(response, "parameterVersion") or number_of(request, "parameterVersion")
    return _labels(request, response, version)


def _unlabelled(request: Json, response: Json) -> Told | Ignored:
    return _labels(request, response, "")


def _labels(request: Json, response: Json, version: str) -> Told | Ignored:
    asked = texts_of(request, "labels")
    refused = texts_of(response, "invalidLabels")
    effects = [
        Effect(Change.VALUE, version=version, label=label)
        for label in asked
        if label not in refused
    ]
    if asked and not effects:
        return Ignored(IgnoredReason.NOT_A_CHANGE)
    return ([text_of(request, "name")], effects or [Effect(Change.VALUE)])


_CALLS: dict[str, Callable[[Json, Json], Told | Ignored]] = {
    "DeleteParameter": _deleted,
    "DeleteParameters": _all_deleted,
    "LabelParameterVersion": _labelled,
    "PutParameter": _put,
    "UnlabelParameterVersion": _unlabelled,
}
