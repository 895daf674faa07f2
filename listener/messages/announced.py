"""parse: what somebody announces by himself, who writes to a backend that announces nothing.

Fed by one CloudEvents 1.0 object, as POST /v1/changes of the webhook takes it; feeds
listener.listen and, before that, the check whether the caller may announce this. Pure. Guarantees:
it gives one ChangeEvent or raises Malformed, whatever the body, and quotes no part of it.

The words of `data` are those of an ExternalSecret's spec: backend (its backendType), key, region,
projectId, location, keyVaultName, versionStage. `account` is new: an AWS account, which manifests
name by a role. Fields that are not known are passed over.
"""

import hashlib
import re
from collections.abc import Callable
from datetime import datetime

from externalsecret.identity import (
    Backend,
    SecretId,
    google_resource,
    google_secret,
    key_vault,
    parameter,
    secrets_manager,
    vault,
)
from listener.messages.effect import checked
from listener.messages.eventbridge import DERIVED
from listener.messages.meaning import Change, ChangeEvent, Malformed, Meaning
from listener.messages.untrusted import Json, canonical, json_object, number_of, section, text_of

TYPE = "hark.secret.changed"
BACKENDS = {
    "secretsManager": Backend.SECRETS_MANAGER,
    "systemManager": Backend.PARAMETER_STORE,
    "gcpSecretsManager": Backend.GCP_SECRET_MANAGER,
    "azureKeyVault": Backend.KEY_VAULT,
    "vault": Backend.VAULT,
}
"""By the names that an ExternalSecret's backendType has."""
_COUNTED = (Backend.PARAMETER_STORE, Backend.GCP_SECRET_MANAGER, Backend.VAULT)
_NUMBER = re.compile(r"[1-9][0-9]{0,18}", re.ASCII)
_CURRENT = "AWSCURRENT"
_LONGEST_TIME = 64


def parse(body: str) -> Meaning:
    """The change that an announcement names; raises Malformed."""
    event = json_object(body)
    if event.get("specversion") != "1.0":
        raise Malformed("The event is none of CloudEvents 1.0: write specversion 1.0.")
    if text_of(event, "type") != TYPE:
        raise Malformed(f"The event's type must be {TYPE}.")
    data = event.get("data")
    if not isinstance(data, dict):
        raise Malformed("The event's data must be a JSON object with backend and key.")
    backend = BACKENDS.get(text_of(data, "backend"))
    if backend is None:
        raise Malformed(f"data.backend must be one of {', '.join(BACKENDS)}.")
    secret = checked(_SECRETS[backend](_needed(data, "key"), data))
    change = _change(data)
    version = _version(data, backend)
    return (
        ChangeEvent(
            secret=secret,
            change=change,
            id=_id(event, version),
            at=_time(event),
            version=version,
            label=_label(data, backend, version),
        ),
    )


def vault_path(path: str) -> str:
    """A path of Vault's API as manifests are read: no slashes at the ends, none doubled."""
    return "/".join(segment for segment in path.split("/") if segment)


def _needed(data: Json, field: str) -> str:
    found = text_of(data, field)
    if not found:
        raise Malformed(f"data.{field} is missing; this backend needs it.")
    return found


def _id(event: Json, version: str | None) -> str:
    """CloudEvents wants source and id together to be unique. Whoever gives one id to several
    changes is understood all the same: by what these differ in, and where they have neither time
    nor version, by when each was sent, which the listener adds to an id that is DERIVED.
    """
    source, given = text_of(event, "source"), text_of(event, "id")
    if not source or not given:
        raise Malformed("The event needs an id, a new one for each change, and a source.")
    told = canonical({"source": source, "time": event.get("time"), "data": section(event, "data")})
    found = f"{given}#{hashlib.sha256(told.encode('ascii')).hexdigest()[:12]}"
    return found if version or event.get("time") else DERIVED + found


def _time(event: Json) -> str:
    at = text_of(event, "time")
    try:
        is_time = not at or (len(at) <= _LONGEST_TIME and bool(datetime.fromisoformat(at)))
    except ValueError:
        is_time = False
    if not is_time:
        raise Malformed("The event's time must be of RFC 3339, such as 2026-11-23T10:00:00Z.")
    return at


def _change(data: Json) -> Change:
    said = text_of(data, "change") or Change.VALUE.value
    if said not in set(Change):
        raise Malformed("data.change must be value (the default), gone or back.")
    return Change(said)


def _version(data: Json, backend: Backend) -> str | None:
    given = data.get("version")
    said = text_of(data, "version") if isinstance(given, str) else number_of(data, "version")
    if not said:
        return None
    if backend in _COUNTED and not _NUMBER.fullmatch(said):
        raise Malformed("data.version must be a number for this backend, which counts versions.")
    return said.lower() if backend is Backend.KEY_VAULT else said


def _label(data: Json, backend: Backend, version: str | None) -> str | None:
    """The label that is now on another version; a version without one is the current one."""
    if backend is not Backend.SECRETS_MANAGER:
        return None
    return text_of(data, "versionStage") or (_CURRENT if version else None)


def _in_secrets_manager(key: str, data: Json) -> SecretId:
    return _in_aws(secrets_manager(key), data)


def _in_parameter_store(key: str, data: Json) -> SecretId:
    return _in_aws(parameter(key), data)


def _in_aws(secret: SecretId, data: Json) -> SecretId:
    placed = secret.within(region=text_of(data, "region"), account=text_of(data, "account"))
    if not placed.region:
        raise Malformed("data.region is missing; AWS has secrets of one name in many regions.")
    return placed


def _in_google(key: str, data: Json) -> SecretId:
    return google_resource(key) or google_secret(
        key, _needed(data, "projectId"), text_of(data, "location")
    )


def _in_key_vault(key: str, data: Json) -> SecretId:
    return key_vault(_needed(data, "keyVaultName"), key)


def _in_vault(key: str, _data: Json) -> SecretId:
    path = vault_path(key)
    if not path or not {".", ".."}.isdisjoint(path.split("/")):
        raise Malformed(
            "data.key must be a path in Vault as manifests name it, such as secret/data/app."
        )
    return vault(path)


_SECRETS: dict[Backend, Callable[[str, Json], SecretId]] = {
    Backend.SECRETS_MANAGER: _in_secrets_manager,
    Backend.PARAMETER_STORE: _in_parameter_store,
    Backend.GCP_SECRET_MANAGER: _in_google,
    Backend.KEY_VAULT: _in_key_vault,
    Backend.VAULT: _in_vault,
}
