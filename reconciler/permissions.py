"""What a namespace allows: which keys may be read for it, and with which roles.

Fed by the reconcile story with the raw spec and the annotations of the ExternalSecret's namespace,
before any read; feeds nothing: it passes or raises. Rules and sentences are those of
kubernetes-external-secrets 8.5.5, JavaScript's regular expressions included. Different on purpose:
dataFromWithOptions is checked too; so is each role that is named or will be used; every reason is
told, not the last one.

Guarantees: an expression that is malformed or takes too long denies. Not checked, as nobody can
know it before the read: the parameters below a permitted path.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from externalsecret.errors import GiveUp, Retry
from reconciler.javascript import JavaScript, Limits, Stop, Stopped

_MOST_REASONS = 20
_REMEMBERED = 2048
_LIMITS = Limits(cpu=0.25, memory=16 << 20)


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


def requested_roles(spec: Mapping[str, Any], default_vault_role: str = "") -> tuple[str, ...]:
    """Every role that a spec names, and the one that Vault is asked for when it names none."""
    vault_role = spec.get("vaultRole") or ""
    if not vault_role and spec.get("backendType") == "vault":
        vault_role = default_vault_role
    named = (spec.get("roleArn") or "", vault_role)
    return tuple(dict.fromkeys(filter(None, named)))


def doubtful_annotations(
    annotations: Mapping[str, str], settings: PermissionSettings
) -> tuple[str, ...]:
    """A sentence for each annotation that looks like a JSON list: as an expression that is one set
    of characters, which permits nearly everything.
    """
    return tuple(
        f"Annotation {name} looks like a list, but it is one regular expression, in which "
        "[...] stands for any one of these characters: it permits nearly everything. "
        "Write the alternatives as (one|two)."
        for name in (settings.naming_annotation, settings.role_annotation)
        if _is_list(annotations.get(name) or "")
    )


class Permissions:
    """Answers for namespaces; close it to end the engine's process."""

    def __init__(self, settings: PermissionSettings) -> None:
        self._settings = settings
        source = Path(__file__).with_name("prelude") / "permitted.js"
        self._engine = JavaScript(lambda: [source.read_text()], _LIMITS)
        # Expressions and keys repeat at every pass. Only answers are kept, never a failure.
        self._matches: Callable[[str, tuple[str, ...]], tuple[bool, ...] | None]
        self._matches = lru_cache(_REMEMBERED)(self._ask)

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
            reason="NotPermitted",
        )

    def close(self) -> None:
        """End the engine's process."""
        self._engine.close()

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
        try:
            matches = self._matches(pattern, tuple(key.text for key in keys))
        except Stopped as stopped:
            sentence = f"The regular expression of {where} {stopped.words}, so nothing is allowed."
            if stopped.stop is Stop.WALL:
                raise Retry(sentence, reason="NotPermitted") from None
            raise GiveUp(sentence, reason="NotPermitted") from None
        if matches is None:
            raise GiveUp(
                f"Invalid regular expression: /{pattern}/ in {where}. Correct the annotation; "
                "until then nothing is allowed.",
                reason="NotPermitted",
            )
        return list(zip(keys, matches, strict=True))

    def _ask(self, pattern: str, texts: tuple[str, ...]) -> tuple[bool, ...] | None:
        """Which texts match; None when the pattern is malformed."""
        request = {"pattern": pattern, "texts": texts, "whole": self._settings.whole}
        reply = self._engine.call("permitted", request)
        # This source runs no script of a tenant, so the reply has its form.
        if not reply["valid"]:
            return None
        return tuple(match is True for match in reply["matches"])


def _naming_reason(key: RequestedKey, pattern: str) -> str:
    kind = "path" if key.is_path else "key name"
    return f"{kind} {key.text} does not match naming convention {pattern}"


def _missing(annotation: str, namespace: str) -> str:
    return f"Missing required annotation {annotation} on namespace {namespace}"


def _is_list(text: str) -> bool:
    try:
        return isinstance(json.loads(text), list)
    except (ValueError, RecursionError):
        return False
