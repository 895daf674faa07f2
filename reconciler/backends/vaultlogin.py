"""How Hark logs in to Vault: which request, with what proof.

Fed by the settings and the identity; feeds vaultsession. Every login reads the proof from its file
anew, as projected ServiceAccount tokens are short-lived and replaced in place.

Vault facts: "Kubernetes auth method (API)", "JWT/OIDC auth method (API)", "AppRole auth method
(API)": POST auth/<mount>/login.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from externalsecret.errors import GiveUp, Retry
from externalsecret.reference import Identity
from reconciler.backends import reasons
from reconciler.backends.vaultsettings import Method, VaultSettings


@dataclass(frozen=True, slots=True)
class Login:
    """One request for a token; `who` names the identity for messages."""

    path: str
    body: Mapping[str, str] = field(repr=False)
    who: str


def login_of(settings: VaultSettings, identity: Identity) -> Login:
    """The login of an identity. Raises GiveUp without a role, Retry where a file cannot be read."""
    path = f"auth/{identity.vault_mount}/login"
    if settings.method is Method.APPROLE:
        who = f"Hark's AppRole at {identity.vault_mount}"
        body = {"role_id": _proof(settings.role_id_file)}
        if settings.secret_id_file is not None:
            body["secret_id"] = _proof(settings.secret_id_file)
        return Login(path, body, who)
    if not identity.vault_role:
        raise GiveUp(
            "No Vault role is named: write spec.vaultRole, or set DEFAULT_VAULT_ROLE for both "
            "halves of Hark.",
            reason="InvalidSpec",
        )
    who = f"the role {identity.vault_role} at {identity.vault_mount}"
    return Login(path, {"role": identity.vault_role, "jwt": _proof(settings.jwt_file)}, who)


def _proof(file: Path | None) -> str:
    try:
        text = "" if file is None else file.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError):
        text = ""
    if not text:
        raise Retry(
            f"Hark cannot prove to Vault who it is: {file} is missing, empty or unreadable. Mount "
            "a token of its ServiceAccount there, or set HARK_VAULT_JWT_FILE.",
            reason=reasons.NO_CREDENTIALS,
        )
    return text
