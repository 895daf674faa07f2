"""What the environment says about reaching Vault: address, certificates, and how to log in.

Fed by the environment; feeds vaultwire and vaultlogin. Plain data, and no SDK. The names are those
of kubernetes-external-secrets and of Vault's own command line; those with HARK_ are additions.
"""

import urllib.parse
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from externalsecret.errors import GiveUp

_ADDRESS = "http://127.0.0.1:8200"
_ACCOUNT_TOKEN = "/var/run/secrets/kubernetes.io/serviceaccount/token"  # noqa: S105 - a path
_NO = frozenset(("", "0", "f", "false", "no"))
_YES = frozenset(("1", "t", "true", "yes"))


class Method(StrEnum):
    """How Hark proves to Vault who it is."""

    KUBERNETES = "kubernetes"
    JWT = "jwt"
    APPROLE = "approle"


@dataclass(frozen=True, slots=True)
class VaultSettings:
    """What the environment says about reaching Vault; durations in seconds."""

    address: str = _ADDRESS
    prefix: str = ""
    """Stands between /v1 and every path."""
    namespace: str = ""
    token: str = field(default="", repr=False)
    """A token that is there already: then nobody logs in."""
    method: Method = Method.KUBERNETES
    jwt_file: Path = Path(_ACCOUNT_TOKEN)
    role_id_file: Path | None = None
    secret_id_file: Path | None = None
    ca_file: str = ""
    """Certificates to trust instead of the usual ones."""
    extra_ca_file: str = ""
    """Certificates to trust besides."""
    verify: bool = True
    renew_threshold: float | None = None
    """Rest of a token's life at which it is renewed; None: one third."""
    redirect_hosts: frozenset[str] = frozenset()
    """Hosts beside the address's own to which a redirect is followed."""
    connect_timeout: float = 5.0
    read_timeout: float = 20.0


def vault_settings(environ: Mapping[str, str]) -> VaultSettings:
    """The settings. Raises GiveUp (InvalidSetting)."""
    role_id = environ.get("HARK_VAULT_ROLE_ID_FILE", "")
    secret_id = environ.get("HARK_VAULT_SECRET_ID_FILE", "")
    method = _method(environ)
    if method is Method.APPROLE and not role_id:
        raise _refused("HARK_VAULT_ROLE_ID_FILE", "is not set, although HARK_VAULT_AUTH=approle")
    hosts = environ.get("HARK_VAULT_REDIRECT_HOSTS", "").split(",")
    return VaultSettings(
        address=_address(environ),
        prefix=environ.get("VAULT_PREFIX", "").strip("/"),
        namespace=environ.get("VAULT_NAMESPACE", "").strip("/"),
        token=environ.get("VAULT_TOKEN", "").strip(),
        method=method,
        jwt_file=Path(environ.get("HARK_VAULT_JWT_FILE") or _ACCOUNT_TOKEN),
        role_id_file=Path(role_id) if role_id else None,
        secret_id_file=Path(secret_id) if secret_id else None,
        ca_file=environ.get("VAULT_CACERT", ""),
        extra_ca_file=environ.get("NODE_EXTRA_CA_CERTS", ""),
        verify=_verifies(environ),
        renew_threshold=_threshold(environ),
        redirect_hosts=frozenset(host.strip().lower() for host in hosts if host.strip()),
    )


def _address(environ: Mapping[str, str]) -> str:
    address = (environ.get("VAULT_ADDR") or _ADDRESS).rstrip("/")
    try:
        parts = urllib.parse.urlsplit(address)
        is_usable = parts.scheme in {"http", "https"} and bool(parts.hostname)
        is_usable = is_usable and (parts.port is None or parts.port > 0)
        is_usable = is_usable and not (parts.query or parts.fragment or parts.username)
    except ValueError:
        is_usable = False
    if not is_usable:
        raise _refused(
            "VAULT_ADDR", "is no address of a Vault; write one such as https://vault.example:8200"
        )
    return address


def _method(environ: Mapping[str, str]) -> Method:
    name = environ.get("HARK_VAULT_AUTH") or Method.KUBERNETES
    try:
        return Method(name.lower())
    except ValueError:
        raise _refused(
            "HARK_VAULT_AUTH", "is none of kubernetes, jwt and approle; write one of them"
        ) from None


def _threshold(environ: Mapping[str, str]) -> float | None:
    text = environ.get("VAULT_TOKEN_RENEW_THRESHOLD", "")
    if not text:
        return None
    if not (text.isascii() and text.isdecimal()):
        raise _refused("VAULT_TOKEN_RENEW_THRESHOLD", "is no number of seconds; write one like 60")
    return float(text)


def _verifies(environ: Mapping[str, str]) -> bool:
    """Whether the server's certificate is looked at. A slip must not decide that it is not."""
    text = environ.get("VAULT_SKIP_VERIFY", "").lower()
    if text not in _NO | _YES:
        raise _refused("VAULT_SKIP_VERIFY", "is neither true nor false; write one of them")
    return text in _NO


def _refused(name: str, what: str) -> GiveUp:
    return GiveUp(f"{name} {what}.", reason="InvalidSetting")
