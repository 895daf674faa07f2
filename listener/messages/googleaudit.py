"""What an entry of Google's audit log means that a log sink has routed to Pub/Sub.

Fed by google; feeds listener.listen. The same calls are changes as in googlenotice. Who calls may
write the id of the project or its number; where the recorded answer has the other one, both are
known. The entry's insertId is the change's id.

Google pages: "Secret Manager audit logging" (methods), "AuditLog" and "LogEntry" in the Cloud
Logging API reference.
"""

from externalsecret.identity import SecretId, google_learned
from listener.messages.googlename import named_secret, named_version
from listener.messages.meaning import (
    Change,
    ChangeEvent,
    Ignored,
    IgnoredReason,
    Malformed,
    Meaning,
)
from listener.messages.untrusted import Json, section, text_of, time_of

_SERVICE = "secretmanager.googleapis.com"
_ADDED = "AddSecretVersion"
_CHANGES = {
    _ADDED: Change.VALUE,
    "CreateSecret": Change.VALUE,
    "UpdateSecret": Change.VALUE,
    "DeleteSecret": Change.GONE,
    "EnableSecretVersion": Change.BACK,
    "DisableSecretVersion": Change.GONE,
    "DestroySecretVersion": Change.GONE,
}
_NOT_A_CHANGE = frozenset({"SetIamPolicy"})
_READS = ("Access", "Get", "List", "TestIam")


def meaning(entry: Json) -> Meaning:
    """What the recorded call asks for; raises Malformed where it names no secret."""
    payload = section(entry, "protoPayload")
    service = text_of(payload, "serviceName")
    method = text_of(payload, "methodName").rpartition(".")[2]
    if not service or not method:
        raise Malformed(
            "The entry's protoPayload names no service and method; let the sink send entries of the"
            " audit log unchanged."
        )
    if service != _SERVICE:
        return Ignored(IgnoredReason.OTHER_SERVICE)
    if section(payload, "status").get("code") not in (None, 0):
        return Ignored(IgnoredReason.FAILED_CALL)
    if method.startswith(_READS):
        return Ignored(IgnoredReason.READ_ONLY_CALL)
    if method in _NOT_A_CHANGE:
        return Ignored(IgnoredReason.NOT_A_CHANGE)
    if method not in _CHANGES:
        return Ignored(IgnoredReason.OTHER_EVENT)
    return (_change(method, entry, payload),)


def _change(method: str, entry: Json, payload: Json) -> ChangeEvent:
    answered = text_of(section(payload, "response"), "name")
    identity = text_of(entry, "insertId")
    if not identity:
        raise Malformed("The entry has no insertId; let the sink send it unchanged.")
    version = named_version(answered) if method == _ADDED else ""
    return ChangeEvent(
        secret=_secret(payload, answered),
        change=_CHANGES[method],
        id=identity,
        at=time_of(entry, "timestamp"),
        version=version or None,
    )


def _secret(payload: Json, answered: str) -> SecretId:
    """Whom the call was about. The name of a secret that is only just made stands in the answer, or
    in the request in two parts.
    """
    request = section(payload, "request")
    made = f"{text_of(request, 'parent')}/secrets/{text_of(request, 'secretId')}"
    of_answer = named_secret(answered)
    asked = named_secret(text_of(payload, "resourceName")) or of_answer or named_secret(made)
    if asked is None:
        raise Malformed(
            "The entry names no secret of Secret Manager (protoPayload.resourceName); let the sink"
            " send it unchanged."
        )
    if of_answer is None:
        return asked
    if (of_answer.name, of_answer.region) != (asked.name, asked.region):
        raise Malformed("The entry's answer is about another secret than its call.")
    return google_learned(asked, answered)
