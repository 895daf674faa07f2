"""What an event of AWS Secrets Manager means: the native label event, and what CloudTrail records.

Fed by eventbridge; feeds aws. Which calls are changes, and why:

- A value changes for a reader when a label moves. PutSecretValue, CreateSecret and UpdateSecret
  make a version and label it; UpdateSecretVersionStage moves a label; RotationSucceeded says that
  the rotation function did. AWSPENDING is read by nobody but rotation functions.
- UpdateSecret makes a version only when its answer names one. Its request token proves nothing:
  the SDKs send one with every call, also when only a description changes.
- RotateSecret and ReplicateSecretToRegions only start something; RotationSucceeded and
  ReplicationSucceeded follow. The latter is about the Region that the event came from.
- StartSecretVersionDelete, EndSecretVersionDelete and SecretVersionDeletion mean GONE and
  CancelSecretVersionDelete means BACK, although DeleteSecret and RestoreSecret mostly announced
  it: who pinned a version loses it at the end only, and a change that is said twice costs one look
  at metadata, while a missed one costs up to a sweep interval. They name no version here, since the
  version that goes is not one to wait for.

AWS pages: "CloudTrail entries for Secrets Manager", "Secret Label Updated event", PutSecretValue
(ClientRequestToken becomes the version's id) in the API reference.
"""

from collections.abc import Callable
from dataclasses import replace

from externalsecret.identity import SecretId, parse_arn, secrets_manager, secrets_manager_arn
from listener.messages.cloudtrail import event_name, refusal, service_of
from listener.messages.effect import Effect, change_events, checked
from listener.messages.eventbridge import (
    CLOUDTRAIL,
    LABEL_UPDATED,
    SECRETS_MANAGER,
    Envelope,
)
from listener.messages.meaning import Change, Ignored, IgnoredReason, Malformed, Meaning
from listener.messages.untrusted import Json, section, text_of, texts_of

_CURRENT = "AWSCURRENT"
_PENDING = "AWSPENDING"

_NOT_A_CHANGE = frozenset(
    {
        "CancelRotateSecret",
        "DeleteResourcePolicy",
        "PutResourcePolicy",
        "RemoveRegionsFromReplication",
        "ReplicateSecretToRegions",
        "ReplicationFailed",
        "ReplicationStarted",
        "RotateSecret",
        "RotationAbandoned",
        "RotationFailed",
        "RotationStarted",
        "StopReplicationToReplica",
        "TagResource",
        "TestRotationFailed",
        "TestRotationStarted",
        "TestRotationSucceeded",
        "UntagResource",
    }
)

Effects = tuple[Effect, ...] | Ignored


def meaning(envelope: Envelope) -> Meaning:
    """What the event asks for; raises Malformed where it names no secret."""
    if envelope.detail_type == LABEL_UPDATED:
        return _label_updated(envelope)
    if envelope.detail_type in CLOUDTRAIL:
        return _recorded(envelope)
    return Ignored(IgnoredReason.OTHER_EVENT)


def _label_updated(envelope: Envelope) -> Meaning:
    label = text_of(envelope.detail, "labelUpdated")
    if label == _PENDING:
        return Ignored(IgnoredReason.PENDING_VERSION)
    # Where nobody says whose secret it is, all of that name are looked at, and only one of them has
    # this version.
    is_certain = bool(envelope.account)
    version = text_of(envelope.detail, "versionId") if is_certain else ""
    effect = Effect(Change.VALUE, version=version, label=label)
    return change_events(envelope, _secrets(envelope), (effect,))


def _recorded(envelope: Envelope) -> Meaning:
    detail = envelope.detail
    if service_of(detail) not in ("", SECRETS_MANAGER):
        return Ignored(IgnoredReason.OTHER_SERVICE)
    refused = refusal(detail)
    if refused is not None:
        return refused
    name = event_name(detail)
    if name in _NOT_A_CHANGE:
        return Ignored(IgnoredReason.NOT_A_CHANGE)
    read = _EFFECTS.get(name)
    if read is None:
        return Ignored(IgnoredReason.OTHER_EVENT)
    effects = read(section(detail, "requestParameters"), section(detail, "responseElements"))
    if isinstance(effects, Ignored):
        return effects
    secrets = _secrets(envelope)
    if name == "ReplicationSucceeded":
        # The ARN may still name the primary's Region; the event comes from where the replica is.
        secrets = tuple(replace(secret, region=envelope.region) for secret in secrets)
    return change_events(envelope, secrets, effects)


def _put(request: Json, response: Json) -> Effects:
    version = text_of(response, "versionId")
    if not response:
        version = text_of(request, "clientRequestToken")
    asked = texts_of(request, "versionStages")
    given = texts_of(response, "versionStages")
    labels = tuple(dict.fromkeys(asked + given)) or (_CURRENT,)
    effects = tuple(
        Effect(Change.VALUE, version=version, label=label) for label in labels if label != _PENDING
    )
    return effects or Ignored(IgnoredReason.PENDING_VERSION)


def _created(_request: Json, response: Json) -> Effects:
    # Without a value there is no version yet; still the secret exists now, and a look says so.
    return (Effect(Change.VALUE, version=text_of(response, "versionId"), label=_CURRENT),)


def _updated(_request: Json, response: Json) -> Effects:
    version = text_of(response, "versionId")
    if response and not version:
        return Ignored(IgnoredReason.NOT_A_CHANGE)
    # No answer recorded: nobody knows whether there is a version, so somebody has to look.
    return (Effect(Change.VALUE, version=version, label=_CURRENT),)


def _label_moved(request: Json, _response: Json) -> Effects:
    label = text_of(request, "versionStage")
    if label == _PENDING:
        return Ignored(IgnoredReason.PENDING_VERSION)
    return (Effect(Change.VALUE, version=text_of(request, "moveToVersionId"), label=label),)


def _some_label_moved(_request: Json, _response: Json) -> Effects:
    return (Effect(Change.VALUE),)


def _gone(_request: Json, _response: Json) -> Effects:
    return (Effect(Change.GONE),)


def _back(_request: Json, _response: Json) -> Effects:
    return (Effect(Change.BACK),)


_EFFECTS: dict[str, Callable[[Json, Json], Effects]] = {
    "CancelSecretVersionDelete": _back,
    "CreateSecret": _created,
    "DeleteSecret": _gone,
    "EndSecretVersionDelete": _gone,
    "PutSecretValue": _put,
    "ReplicationSucceeded": _some_label_moved,
    "RestoreSecret": _back,
    "RotationSucceeded": _some_label_moved,
    "SecretVersionDeletion": _gone,
    "StartSecretVersionDelete": _gone,
    "UpdateSecret": _updated,
    "UpdateSecretVersionStage": _label_moved,
}


def _secrets(envelope: Envelope) -> tuple[SecretId, ...]:
    """Whom the event speaks of: what AWS wrote before what a caller typed."""
    detail = envelope.detail
    response = section(detail, "responseElements")
    full_name = text_of(response, "name") or text_of(detail, "name")
    arns = [arn for arn in envelope.resources if _is_secret(arn)]
    if arns:
        return tuple(_of_aws(arn, full_name) for arn in arns)
    for key in ("arn", "aRN", "ARN"):
        if text_of(response, key):
            return (_of_aws(text_of(response, key), full_name),)
    for place in ("additionalEventData", "serviceEventDetails"):
        for key in ("SecretId", "secretId"):
            if text_of(section(detail, place), key):
                return (_of_aws(text_of(section(detail, place), key), full_name),)
    request = section(detail, "requestParameters")
    typed = text_of(request, "secretId") or text_of(request, "name") or full_name
    if not typed:
        raise Malformed("The event names no secret; let the rule send the matched event unchanged.")
    return (_of_caller(typed, full_name),)


def _is_secret(arn: str) -> bool:
    parts = parse_arn(arn)
    return parts is not None and parts.service == "secretsmanager"


def _of_caller(key: str, full_name: str) -> SecretId:
    secret = checked(secrets_manager(key))
    if full_name in secret.names():
        # Settles whether the end of the key was an ARN's suffix or the name's own.
        return replace(secret, name=full_name, other_name="")
    return secret


def _of_aws(key: str, full_name: str) -> SecretId:
    secret = _of_caller(key, full_name)
    if full_name == secret.name:
        return secret
    return secrets_manager_arn(key) or secret
