"""What a notification of Google's Secret Manager means. It is told by the attributes alone.

Fed by google; feeds listener.listen. Which are changes, and why:

- SECRET_VERSION_ADD names the version that `latest` is from then on, whatever becomes of it.
- SECRET_CREATE and SECRET_UPDATE name none: a secret that was deleted and made anew counts from 1
  again, and an update may move an alias.
- ENABLE, DISABLE, DESTROY and DELETE change what can be read, by its number too, and no value. They
  name no version here, since the version that goes is not one to wait for.
- A version whose destruction is scheduled is disabled from then on.
- SECRET_ROTATE says that somebody should rotate now: nothing has changed yet.

Guarantees: a notification that was published twice has the same id each time, although Pub/Sub
gives it another one.

Google page: "Set up notifications on a secret" (event types and attributes).
"""

import re
from collections.abc import Mapping

from listener.messages.googlename import named_secret, named_version
from listener.messages.meaning import (
    Change,
    ChangeEvent,
    Ignored,
    IgnoredReason,
    Malformed,
    Meaning,
)
from listener.messages.untrusted import text_of, time_of

_EVENT_TYPE = "eventType"
_ADDED = "SECRET_VERSION_ADD"
_CHANGES = {
    "SECRET_CREATE": Change.VALUE,
    "SECRET_UPDATE": Change.VALUE,
    "SECRET_DELETE": Change.GONE,
    _ADDED: Change.VALUE,
    "SECRET_VERSION_ENABLE": Change.BACK,
    "SECRET_VERSION_DISABLE": Change.GONE,
    "SECRET_VERSION_DESTROY": Change.GONE,
    "SECRET_VERSION_DESTROY_SCHEDULED": Change.GONE,
}
_IGNORED = {
    "SECRET_ROTATE": IgnoredReason.NOT_A_CHANGE,
    "TOPIC_CONFIGURED": IgnoredReason.TEST_MESSAGE,
}
# As other services of Google write theirs: OBJECT_FINALIZE.
_ANY_TYPE = re.compile(r"[A-Z][A-Z0-9_]{2,63}", re.ASCII)


def is_notice(attributes: Mapping[str, str]) -> bool:
    """Whether the attributes are those of a notification, be it of another service."""
    return _EVENT_TYPE in attributes


def meaning(attributes: Mapping[str, str]) -> Meaning:
    """What the notification asks for; raises Malformed where it names no secret."""
    kind = text_of(attributes, _EVENT_TYPE)
    if kind in _IGNORED:
        return Ignored(_IGNORED[kind])
    if kind in _CHANGES:
        return (_change(kind, attributes),)
    if not _ANY_TYPE.fullmatch(kind):
        raise Malformed("The attribute eventType is none of Secret Manager's.")
    ours = kind.startswith("SECRET_")
    return Ignored(IgnoredReason.OTHER_EVENT if ours else IgnoredReason.OTHER_SERVICE)


def _change(kind: str, attributes: Mapping[str, str]) -> ChangeEvent:
    named, version_name = text_of(attributes, "secretId"), text_of(attributes, "versionId")
    secret = named_secret(named)
    of_version = named_secret(version_name) if version_name else secret
    if secret is None or of_version != secret:
        raise Malformed(
            "The attributes secretId and versionId name no secret of Secret Manager, or not the"
            " same one."
        )
    at = text_of(attributes, "timestamp")
    if not at:
        raise Malformed("The notification has no attribute timestamp; Secret Manager's all do.")
    version = named_version(version_name) if kind == _ADDED else ""
    return ChangeEvent(
        secret=secret,
        change=_CHANGES[kind],
        id=f"{kind} {version_name or named} {at}",
        at=time_of(attributes, "timestamp"),
        version=version or None,
    )
