"""As whom Azure is asked: the credential of the whole process.

Fed by the settings; feeds keyvaultclient. The first that the environment names counts: a client
secret, a certificate, AKS workload identity, else the managed identity of the node, and outside of
a pod also whom the Azure CLI has logged in. Nothing that opens a browser or asks a desktop.

Guarantees: several threads that want a token at the same time cost one login and share what came of
it, a failure too; whatever goes wrong is a Retry (NoCredentials) without a token, key or password
in it. The SDK keeps tokens and renews them five minutes before they expire. The ServiceAccount's
token is read from its file anew for each login, as the kubelet replaces it.
"""

import re
import threading
from concurrent.futures import Future
from pathlib import Path
from typing import Any, Protocol

from azure.core.credentials import AccessTokenInfo, TokenRequestOptions
from azure.core.exceptions import AzureError, ClientAuthenticationError, HttpResponseError
from azure.identity import (
    CertificateCredential,
    ClientAssertionCredential,
    ClientSecretCredential,
    CredentialUnavailableError,
    DefaultAzureCredential,
)

from externalsecret.errors import HarkError, Retry
from reconciler.backends import reasons
from reconciler.backends.azuresettings import AzureSettings

# "AADSTS7000215: Invalid client secret provided. ... Trace ID: ..."; the rest differs each time.
_REFUSAL = re.compile(r"AADSTS\d+:.*?(?=\s*(?:Trace ID|Correlation ID|Timestamp)\b|\Z)", re.DOTALL)
_CHAIN_FAILED = "Attempted credentials:"
_MOST_CHARACTERS = 400
_NONE_FOUND = (
    "No Azure credentials were found: give Hark's ServiceAccount a workload identity, or its node "
    "a managed identity; or set AZURE_TENANT_ID, AZURE_CLIENT_ID and AZURE_CLIENT_SECRET."
)
_CHECK = "Check AZURE_TENANT_ID, AZURE_CLIENT_ID and the credential that belongs to them."


class _Credential(Protocol):
    """What the SDK's credentials have in common."""

    def get_token_info(
        self, *scopes: str, options: TokenRequestOptions | None = None
    ) -> AccessTokenInfo: ...

    def close(self) -> None: ...


def make_credential(settings: AzureSettings) -> _Credential:
    """The credential that the settings name. Raises Retry where a certificate cannot be read."""
    options: dict[str, Any] = {
        "authority": settings.authority,
        "connection_timeout": settings.connect_timeout,
        "read_timeout": settings.read_timeout,
        # Hark's own backoff does the rest.
        "retry_total": 0,
    }
    if settings.proxy:
        options["proxies"] = {"https": settings.proxy}
    named = {
        "tenant_id": settings.tenant_id,
        "client_id": settings.client_id,
        "additionally_allowed_tenants": list(settings.more_tenants),
        **options,
    }
    is_named = bool(settings.tenant_id and settings.client_id)
    if is_named and settings.client_secret:
        return ClientSecretCredential(client_secret=settings.client_secret, **named)
    if is_named and settings.certificate_path:
        return _by_certificate(settings, named)
    if is_named and settings.token_file:
        file = Path(settings.token_file)
        return ClientAssertionCredential(func=lambda: _assertion(file), **named)
    # Its metadata service is asked past any proxy, and often answers the second time only.
    del options["retry_total"]
    options.pop("proxies", None)
    return DefaultAzureCredential(
        managed_identity_client_id=settings.client_id or None,
        exclude_environment_credential=True,
        exclude_workload_identity_credential=True,
        exclude_shared_token_cache_credential=True,
        exclude_visual_studio_code_credential=True,
        exclude_cli_credential=settings.is_pod,
        exclude_developer_cli_credential=True,
        exclude_powershell_credential=True,
        exclude_interactive_browser_credential=True,
        exclude_broker_credential=True,
        retry_total=1,
        **options,
    )


class SharedCredential:
    """A credential for many threads."""

    def __init__(self, credential: _Credential) -> None:
        self._credential = credential
        self._lock = threading.Lock()
        self._flights: dict[tuple[str, ...], Future[AccessTokenInfo]] = {}

    def get_token_info(
        self, *scopes: str, options: TokenRequestOptions | None = None
    ) -> AccessTokenInfo:
        """A token, of the SDK's own cache where it is good for a while yet. Raises Retry."""
        wanted = (*scopes, repr(sorted((options or {}).items())))
        with self._lock:
            flight = self._flights.get(wanted)
            is_first = flight is None
            if flight is None:
                flight = self._flights[wanted] = Future()
        if is_first:
            try:
                flight.set_result(self._token(scopes, options))
            except BaseException as error:  # noqa: BLE001 - raised again to each who waits
                flight.set_exception(error)
            finally:
                with self._lock:
                    del self._flights[wanted]
        return flight.result()

    def close(self) -> None:
        self._credential.close()

    def _token(
        self, scopes: tuple[str, ...], options: TokenRequestOptions | None
    ) -> AccessTokenInfo:
        try:
            return self._credential.get_token_info(*scopes, options=options)
        except HarkError:
            raise
        except (AzureError, ValueError) as error:
            raise Retry(_sentence(error), reason=reasons.NO_CREDENTIALS) from None


def _assertion(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise Retry(
            f"The ServiceAccount's token cannot be read ({type(error).__name__}): check that "
            "AZURE_FEDERATED_TOKEN_FILE names the file that AKS workload identity projects.",
            reason=reasons.NO_CREDENTIALS,
        ) from None


def _by_certificate(settings: AzureSettings, named: dict[str, Any]) -> _Credential:
    try:
        return CertificateCredential(
            certificate_path=settings.certificate_path,
            password=settings.certificate_password or None,
            **named,
        )
    except (OSError, ValueError) as error:
        raise Retry(
            f"The client certificate cannot be read ({type(error).__name__}): check "
            "AZURE_CLIENT_CERTIFICATE_PATH and AZURE_CLIENT_CERTIFICATE_PASSWORD.",
            reason=reasons.NO_CREDENTIALS,
        ) from None


def _sentence(error: Exception) -> str:
    is_none_found = isinstance(error, CredentialUnavailableError) or _CHAIN_FAILED in str(error)
    if is_none_found:
        return _NONE_FOUND
    refusal = _REFUSAL.search(str(error))
    if refusal is not None:
        said = " ".join(refusal[0].split())[:_MOST_CHARACTERS]
        return f"Microsoft Entra ID gives Hark no token: {said} {_CHECK}"
    if isinstance(error, ClientAuthenticationError) and "additionally_allowed" in str(error):
        return (
            "The key vault belongs to another tenant than AZURE_TENANT_ID: set "
            "AZURE_ADDITIONALLY_ALLOWED_TENANTS to its tenant, or correct spec.keyVaultName."
        )
    if isinstance(error, HttpResponseError) and error.status_code:
        return f"Microsoft Entra ID gives Hark no token (HTTP status {error.status_code}). {_CHECK}"
    if isinstance(error, ClientAuthenticationError | ValueError):
        return f"Microsoft Entra ID gives Hark no token ({type(error).__name__}). {_CHECK}"
    return (
        f"Microsoft Entra ID did not answer ({type(error).__name__}): check the network, the proxy "
        "and AZURE_ENVIRONMENT."
    )
