"""Clients of the Secret Manager SDK as Hark wants them. This module imports the SDK.

Fed and used by googleclient, which imports it with the first client. The SDK speaks HTTP and JSON
here, not gRPC: one HTTP stack for tokens and for secrets, so that HTTPS_PROXY, NO_PROXY and
REQUESTS_CA_BUNDLE count for both alike.

Guarantees: a connection is waited for no longer than the connect timeout, whatever a call's own
timeout is; the SDK never retries, where Hark's own backoff makes one wait serve every key; the
SDK's logs that show values stay off, whatever level others set.
"""

import logging
from typing import Any

import google.auth
from google.auth.credentials import Credentials
from google.auth.transport.requests import Request
from google.cloud.secretmanager_v1 import SecretManagerServiceClient
from google.cloud.secretmanager_v1.services.secret_manager_service.transports.rest import (
    SecretManagerServiceRestTransport,
)
from requests import PreparedRequest, Response
from requests.adapters import HTTPAdapter

_SCOPE = "https://www.googleapis.com/auth/cloud-platform"
_CONNECTIONS = 32
# At debug level the first two show whole answers; the rest addresses and headers.
_SILENT = (
    "google.cloud.secretmanager_v1.services.secret_manager_service.client",
    "google.cloud.secretmanager_v1.services.secret_manager_service.transports.rest",
    "google",
    "google.auth",
    "google.auth.transport.requests",
    "google.cloud.secretmanager_v1",
    "urllib3",
)


class _Adapter(HTTPAdapter):
    """Connections with a connect timeout of their own."""

    def __init__(self, connect_timeout: float) -> None:
        self._connect_timeout = connect_timeout
        super().__init__(pool_maxsize=_CONNECTIONS)

    def send(  # noqa: PLR0917 - the library's own signature
        self,
        request: PreparedRequest,
        stream: bool = False,  # noqa: FBT001, FBT002 - as above
        timeout: Any = None,
        verify: bool | str = True,  # noqa: FBT001, FBT002 - as above
        cert: Any = None,
        proxies: dict[str, str] | None = None,
    ) -> Response:
        if isinstance(timeout, int | float):
            timeout = (min(self._connect_timeout, timeout), timeout)
        return super().send(request, stream, timeout, verify, cert, proxies)


class _Transport(SecretManagerServiceRestTransport):
    """The SDK's transport with our connections."""

    def __init__(self, url: str, credentials: Credentials, connect_timeout: float) -> None:
        super().__init__(host=url, credentials=credentials)
        for scheme in ("https://", "http://"):
            self._session.mount(scheme, _Adapter(connect_timeout))
        # Google sends nobody on: what would be answered elsewhere is not its answer.
        self._session.max_redirects = 0


class Sessions:
    """The credentials of this process, and clients that use them."""

    def __init__(self, connect_timeout: float, read_timeout: float) -> None:
        """Find the default credentials. Raises what google.auth does where there are none."""
        for name in _SILENT:
            logger = logging.getLogger(name)
            if logger.getEffectiveLevel() < logging.INFO:
                logger.setLevel(logging.INFO)
        self._connect_timeout = connect_timeout
        self._read_timeout = read_timeout
        credentials, project = google.auth.default(scopes=[_SCOPE])
        self.project: str = project or ""
        """The project of the credentials; "" where they do not tell."""
        if hasattr(credentials, "with_always_use_jwt_access"):
            # A service account's key signs its tokens itself: no token service has to be reached.
            credentials = credentials.with_always_use_jwt_access(True)
        self._credentials: Credentials = credentials

    def client(self, url: str) -> SecretManagerServiceClient:
        """A client for an endpoint. Asks for nothing yet."""
        transport = _Transport(url, self._credentials, self._connect_timeout)
        return SecretManagerServiceClient(transport=transport)

    def is_fresh(self) -> bool:
        """Whether there is a token, and some minutes left of it."""
        return bool(self._credentials.valid)

    def refresh(self) -> None:
        """Get a token. Raises what google.auth does."""

        def bounded(*args: Any, **options: Any) -> Any:
            options["timeout"] = self._read_timeout
            return request(*args, **options)

        request = Request()
        self._credentials.refresh(bounded)
