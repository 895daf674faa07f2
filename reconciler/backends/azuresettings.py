"""What the environment says about reaching Azure: the cloud, the identity, a proxy.

Fed by the environment; feeds azureaccess. Plain data, and no SDK. The names are those of
kubernetes-external-secrets, of AKS workload identity and of Azure's SDKs.

Azure facts: "National clouds" of the Entra documentation for authorities; "DNS suffixes for object
identifiers" of the Key Vault overview; "EnvironmentCredential" of azure-identity for the names.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from externalsecret.errors import GiveUp

_CLOUDS = {
    "azurecloud": ("login.microsoftonline.com", "vault.azure.net"),
    "azurechinacloud": ("login.chinacloudapi.cn", "vault.azure.cn"),
    "azuregermancloud": ("login.microsoftonline.de", "vault.microsoftazure.de"),
    "azureusgovernmentcloud": ("login.microsoftonline.us", "vault.usgovcloudapi.net"),
}
_NAMES = "AzureCloud, AzureChinaCloud, AzureGermanCloud, AzureUSGovernmentCloud"
_SUFFIX = re.compile(r"[a-z0-9-]+(\.[a-z0-9-]+)+(:\d{1,5})?", re.ASCII | re.IGNORECASE)
_TENANT = re.compile(r"[a-z0-9.-]+", re.ASCII | re.IGNORECASE)
_AUTHORITY = re.compile(r"(?:https://)?([a-z0-9.-]+(?::\d{1,5})?)/?", re.ASCII | re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class AzureSettings:
    """What the environment says about reaching Azure."""

    authority: str = "login.microsoftonline.com"
    """Host of Microsoft Entra ID."""
    dns_suffix: str = "vault.azure.net"
    """Vaults are at https://NAME.SUFFIX."""
    tenant_id: str = ""
    client_id: str = ""
    client_secret: str = field(default="", repr=False)
    certificate_path: str = ""
    certificate_password: str = field(default="", repr=False)
    token_file: str = ""
    """Of the ServiceAccount's token that AKS workload identity projects."""
    more_tenants: tuple[str, ...] = ()
    """Tenants beside tenant_id whose vaults may be read; `*` for all."""
    is_pod: bool = True
    proxy: str = field(default="", repr=False)
    """A proxy for https that only HTTP_PROXY names; any other the SDK finds itself. May hold a
    password.
    """
    connect_timeout: float = 5.0
    """In seconds, as is read_timeout."""
    read_timeout: float = 20.0


def azure_settings(environ: Mapping[str, str]) -> AzureSettings:
    """What the environment says. Raises GiveUp (InvalidSetting)."""
    text = {name: value.strip() for name, value in environ.items()}
    authority, suffix = _cloud(text)
    return AzureSettings(
        authority=authority,
        dns_suffix=_suffix(text) or suffix,
        tenant_id=_tenant(text),
        client_id=text.get("AZURE_CLIENT_ID", ""),
        client_secret=text.get("AZURE_CLIENT_SECRET", ""),
        certificate_path=text.get("AZURE_CLIENT_CERTIFICATE_PATH", ""),
        certificate_password=text.get("AZURE_CLIENT_CERTIFICATE_PASSWORD", ""),
        token_file=text.get("AZURE_FEDERATED_TOKEN_FILE", ""),
        more_tenants=tuple(
            filter(None, re.split(r"[;,\s]+", text.get("AZURE_ADDITIONALLY_ALLOWED_TENANTS", "")))
        ),
        is_pod=bool(text.get("KUBERNETES_SERVICE_HOST")),
        proxy=_proxy(text),
    )


def _cloud(environ: Mapping[str, str]) -> tuple[str, str]:
    name = environ.get("AZURE_ENVIRONMENT", "")
    host = environ.get("AZURE_AUTHORITY_HOST", "")
    if name:
        cloud = _CLOUDS.get(name.lower())
        if cloud is None:
            raise _refusal("AZURE_ENVIRONMENT", f"is none of {_NAMES}", "AzureCloud")
        return cloud
    if not host:
        return _CLOUDS["azurecloud"]
    found = _AUTHORITY.fullmatch(host)
    if found is None:
        raise _refusal("AZURE_AUTHORITY_HOST", "is no host", "https://login.microsoftonline.com")
    known = dict(_CLOUDS.values())
    authority = found[1].lower()
    return authority, known.get(authority, "vault.azure.net")


def _suffix(environ: Mapping[str, str]) -> str:
    suffix = environ.get("AZURE_KEY_VAULT_DNS_SUFFIX", "").removeprefix(".")
    if suffix and not _SUFFIX.fullmatch(suffix):
        raise _refusal("AZURE_KEY_VAULT_DNS_SUFFIX", "is no suffix of host names", "vault.azure.cn")
    return suffix.lower()


def _tenant(environ: Mapping[str, str]) -> str:
    tenant = environ.get("AZURE_TENANT_ID", "")
    if tenant and not _TENANT.fullmatch(tenant):
        example = "11111111-2222-3333-4444-555555555555"
        raise _refusal("AZURE_TENANT_ID", "is no id or domain of a tenant", example)
    return tenant


def _proxy(environ: Mapping[str, str]) -> str:
    if environ.get("HTTPS_PROXY") or environ.get("https_proxy"):
        return ""
    return environ.get("HTTP_PROXY", "")


def _refusal(name: str, wrong: str, example: str) -> GiveUp:
    """Without the text: whoever mixes up two variables may have put a password there."""
    return GiveUp(f"{name} {wrong}. Example: {name}={example}", reason="InvalidSetting")
