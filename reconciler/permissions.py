"""What a namespace allows: which keys may be read for it, and with which roles.

Fed by reconciler.guard with the keys and roles of an ExternalSecret and the annotations of its
namespace; feeds nothing: it passes or raises. Rules and sentences are those of
kubernetes-external-secrets 8.5.5, JavaScript's regular expressions included. Different on purpose:
dataFromWithOptions is checked too; so is each role that is named or will be used; every reason is
told, not the last one.

Guarantees: an expression (reconciler.patterns) that is malformed or takes too long denies. Not
checked, as nobody can know it before the read: the parameters below a permitted path.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from externalsecret.errors import GiveUp, Retry
from externalsecret.reference import Identity
from reconciler.javascript import Stop, Stopped
from reconciler.patterns import Patterns

_REASON = "NotPermitted"
_MOST_REASONS = 20


@dataclass(frozen=True, slots=True)
class PermissionSettings:
    """Names of the annotations, and how strict they are."""

    naming_annotation: str = "externalsecrets.kubernetes-client.io/permitted-key-name"
    role_annotation: str = "iam.amazonaws.com/permitted"
    enforced: bool = False
    """Without the annotations nothing is allowed."""
    whole: bool = False
    """An expression must match the whole text, not a part of it."""


@dataclass(frozen=True, slots=True)
class RequestedKey:
    """A key or path as the manifest has it."""

    text: str
    is_path: bool = False


def requested_keys(spec: Mapping[str, Any]) -> tuple[RequestedKey, ...]:
    """Every key and path of a spec, also one that is present but empty, in the spec's order."""
    keys = [RequestedKey(key) for key in spec.get("dataFrom") or []]
    keys += [RequestedKey(item["key"]) for item in spec.get("dataFromWithOptions") or []]
    for item in spec.get("data") or []:
        if item.get("path") is not None:
            keys.append(RequestedKey(item["path"], is_path=True))
        if item.get("key") is not None:
            keys.append(RequestedKey(item["key"]))
    return tuple(keys)


def requested_roles(spec: Mapping[str, Any], identity: Identity) -> tuple[str, ...]:
    """Every role that a spec names, and those that its backend will really be asked as."""
    named = (spec.get("roleArn"), spec.get("vaultRole"), identity.role_arn, identity.vault_role)
    return tuple(dict.fromkeys(role for role in named if role))


def doubtful_annotations(
    annotations: Mapping[str, str], settings: PermissionSettings
) -> tuple[str, ...]:
    """A sentence for each annotation that looks like a JSON list: as an expression that is one set
    of characters, which permits nearly everything.
    """
    effect = "a single character" if settings.whole else "nearly everything"
    return tuple(
        f"Annotation {name} looks like a list, but it is one regular expression, in which "
        f"[...] stands for any one of these characters: it permits {effect}. "
        "Write the alternatives as (one|two)."
        for name in (settings.naming_annotation, settings.role_annotation)
        if _is_list(annotations.get(name) or "")
    )


class Permissions:
    """Answers for namespaces; close it to end the engine's process."""

    def __init__(self, settings: PermissionSettings) -> None:
        self._settings = settings
        self._patterns = Patterns(whole=settings.whole)

    def are_free(self, annotations: Mapping[str, str]) -> bool:
        """Whether these annotations restrict nothing."""
        settings = self._settings
        names = (settings.naming_annotation, settings.role_annotation)
        return not settings.enforced and not any(annotations.get(name) for name in names)

    def check(
        self,
        name: tuple[str, str],
        keys: Sequence[RequestedKey],
        roles: Sequence[str],
        annotations: Mapping[str, str] | None,
    ) -> None:
        """GiveUp when the namespace does not allow it; Retry when the machine is too busy to say.

        `name` is namespace and name of the ExternalSecret; `annotations` are its namespace's.
        """
        reasons = self._reasons(name[0], keys, roles, annotations or {})
        if not reasons:
            return
        told = reasons[:_MOST_REASONS]
        if len(reasons) > len(told):
            told.append(f"and {len(reasons) - len(told)} more")
        raise GiveUp(
            f"not allowed to fetch secret: {name[0]}/{name[1]}: {'; '.join(told)}",
            reason=_REASON,
        )

    def close(self) -> None:
        """End the engine's process."""
        self._patterns.close()

    def _reasons(
        self,
        namespace: str,
        keys: Sequence[RequestedKey],
        roles: Sequence[str],
        annotations: Mapping[str, str],
    ) -> list[str]:
        settings = self._settings
        if not annotations:
            return ["Namespace annotation is required"] if settings.enforced else []
        reasons: list[str] = []
        naming = annotations.get(settings.naming_annotation) or ""
        if naming:
            allowed = self._allowed(settings.naming_annotation, namespace, naming, keys)
            reasons += [_naming_reason(key, naming) for key, ok in allowed if not ok]
        elif settings.enforced:
            reasons.append(_missing(settings.naming_annotation, namespace))
        permitted = annotations.get(settings.role_annotation) or ""
        if roles and permitted:
            asked = [RequestedKey(role) for role in roles]
            allowed = self._allowed(settings.role_annotation, namespace, permitted, asked)
            reasons += [
                f"namespace does not allow to assume role {role.text}"
                for role, ok in allowed
                if not ok
            ]
        elif roles and settings.enforced:
            reasons.append(_missing(settings.role_annotation, namespace))
        return list(dict.fromkeys(reasons))

    def _allowed(
        self, annotation: str, namespace: str, pattern: str, keys: Sequence[RequestedKey]
    ) -> list[tuple[RequestedKey, bool]]:
        where = f"annotation {annotation} on namespace {namespace}"
        texts = tuple(key.text for key in keys)
        try:
            matches = self._patterns.matches(namespace, pattern, texts)
        except Stopped as stopped:
            if stopped.stop is Stop.WALL:
                raise Retry(_stopped(where, stopped.words), reason=_REASON) from None
            raise GiveUp(_stopped(where, stopped.words), reason=_REASON) from None
        if matches is None:
            raise GiveUp(
                f"Invalid regular expression: /{pattern}/ in {where}. Correct the annotation; "
                "until then nothing is allowed.",
                reason=_REASON,
            )
        return list(zip(keys, matches, strict=True))


def _naming_reason(key: RequestedKey, pattern: str) -> str:
    kind = "path" if key.is_path else "key name"
    return f"{kind} {key.text} does not match naming convention {pattern}"


def _stopped(where: str, words: str) -> str:
    return f"The regular expression of {where} {words}, so nothing is allowed."


def _missing(annotation: str, namespace: str) -> str:
    return f"Missing required annotation {annotation} on namespace {namespace}"


def _is_list(text: str) -> bool:
    try:
        return isinstance(json.loads(text), list)
    except (ValueError, RecursionError):
        return False
