"""How AWS clients are made and kept: credentials, roles, timeouts.

Fed by the settings (awssettings) and by the role and region that each backend serves; feeds
secretsmanager and parameterstore with boto3 clients.

Guarantees: one client for each (service, role, region), safe to use from several threads; one
AssumeRole for each role however many regions and clients use it, renewed before it expires; what is
held for a role goes with its last client; the SDK's logs that show values stay off. It imports
boto3 with the first client, not before. A client is made without asking AWS for anything but base
credentials: a role that may not be assumed shows at the first call.
"""

import logging
import threading
from collections.abc import Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Protocol, TypeVar

from externalsecret.errors import Retry
from reconciler.backends import reasons
from reconciler.backends.awssettings import AwsSettings

if TYPE_CHECKING:
    import boto3
    from botocore.config import Config
    from mypy_boto3_secretsmanager import SecretsManagerClient
    from mypy_boto3_ssm import SSMClient
    from mypy_boto3_sts import STSClient

    from reconciler.backends.awssession import Sessions

_ATTEMPTS = 2
_CONNECTIONS = 16
# They log whole answers at debug level; botocore.credentials does so with each failed AssumeRole,
# which is also raised.
_LEVELS = {
    "boto3": logging.INFO,
    "botocore": logging.INFO,
    "botocore.credentials": logging.ERROR,
    "urllib3": logging.INFO,
}


def _utc_now() -> datetime:
    return datetime.now(UTC)


class _Client(Protocol):
    """What all clients of the SDK have."""

    def close(self) -> None: ...


_Kind = TypeVar("_Kind", bound=_Client)
_Place = tuple[str, str]
"""Role and region."""


class AwsAccess:
    """Makes and keeps AWS clients; one for the whole process."""

    def __init__(self, settings: AwsSettings, now: Callable[[], datetime] = _utc_now) -> None:
        """`now` tells when credentials of a role are due for renewal."""
        self._settings = settings
        self._now = now
        # Making may wait for a metadata service; whoever only takes or closes shall not.
        self._making = threading.Lock()
        self._lock = threading.Lock()
        self._maker: Sessions
        self._sessions: dict[str, boto3.Session] = {}
        self._token_services: dict[str, STSClient] = {}
        self._secrets_managers: dict[_Place, SecretsManagerClient] = {}
        self._parameter_stores: dict[_Place, SSMClient] = {}

    def secrets_manager(self, role_arn: str, region: str) -> "SecretsManagerClient":
        """The client for a role ("" = base credentials) in a region.

        Raises Retry where there are no base credentials, and whatever the SDK says of a region.
        """

        def make() -> "SecretsManagerClient":
            return self._session(role_arn).client(
                "secretsmanager",
                region_name=region or self._settings.sts_region,
                endpoint_url=self._settings.endpoint_sm or None,
            )

        return self._kept(self._secrets_managers, (role_arn, region), make)

    def parameter_store(self, role_arn: str, region: str) -> "SSMClient":
        """As `secrets_manager`, for SSM."""

        def make() -> "SSMClient":
            return self._session(role_arn).client(
                "ssm",
                region_name=region or self._settings.sts_region,
                endpoint_url=self._settings.endpoint_ssm or None,
            )

        return self._kept(self._parameter_stores, (role_arn, region), make)

    def forget_secrets_manager(self, role_arn: str, region: str) -> None:
        """Close the client, if there is one; with a role's last client its credentials go too."""
        self._forget(self._secrets_managers, (role_arn, region))

    def forget_parameter_store(self, role_arn: str, region: str) -> None:
        """As `forget_secrets_manager`."""
        self._forget(self._parameter_stores, (role_arn, region))

    def close(self) -> None:
        """Close every client; what is asked for afterwards is made anew.

        Waits for nothing. A client that is being made meanwhile stays open.
        """
        with self._lock:
            clients: list[_Client] = [
                *self._secrets_managers.values(),
                *self._parameter_stores.values(),
                *self._token_services.values(),
            ]
            self._secrets_managers.clear()
            self._parameter_stores.clear()
            self._token_services.clear()
            self._sessions.clear()
        for client in clients:
            client.close()

    def _kept(
        self, clients: dict[_Place, _Kind], place: _Place, make: Callable[[], _Kind]
    ) -> _Kind:
        with self._lock:
            client = clients.get(place)
        if client is not None:
            return client
        with self._making:
            with self._lock:
                client = clients.get(place)
            if client is None:
                client = make()
                with self._lock:
                    clients[place] = client
            return client

    def _forget(self, clients: dict[_Place, _Kind], place: _Place) -> None:
        role_arn = place[0]
        closing: list[_Client] = []
        with self._lock:
            if place in clients:
                closing.append(clients.pop(place))
            if role_arn and not self._is_used(role_arn):
                self._sessions.pop(role_arn, None)
                if role_arn in self._token_services:
                    closing.append(self._token_services.pop(role_arn))
        for client in closing:
            client.close()

    def _is_used(self, role_arn: str) -> bool:
        places = (*self._secrets_managers, *self._parameter_stores)
        is_source = role_arn == self._settings.intermediate_role_arn
        return is_source or any(role == role_arn for role, _region in places)

    def _session(self, role_arn: str) -> "boto3.Session":
        with self._lock:
            session = self._sessions.get(role_arn)
        if session is None:
            session = self._role_session(role_arn) if role_arn else self._base_session()
            with self._lock:
                self._sessions[role_arn] = session
        return session

    def _base_session(self) -> "boto3.Session":
        from reconciler.backends import awssession  # noqa: PLC0415 - the SDK costs 34 MiB

        for name, level in _LEVELS.items():
            if logging.getLogger(name).getEffectiveLevel() < level:
                logging.getLogger(name).setLevel(level)
        self._maker = awssession.Sessions(
            self._settings.sts_region, self._config(), sts_regional=self._settings.sts_regional
        )
        session = self._maker.base()
        # A client made without credentials would never get any.
        if session.get_credentials() is None:
            raise Retry(
                "No AWS credentials were found: give Hark's ServiceAccount an IAM role (IRSA or "
                "EKS Pod Identity), or set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY.",
                reason=reasons.NO_CREDENTIALS,
            )
        return session

    def _role_session(self, role_arn: str) -> "boto3.Session":
        intermediate = self._settings.intermediate_role_arn
        source = self._session(intermediate if role_arn != intermediate else "")
        sts = source.client(
            "sts",
            region_name=self._settings.sts_region,
            endpoint_url=self._settings.endpoint_sts or None,
        )
        with self._lock:
            self._token_services[role_arn] = sts
        return self._maker.role(sts, role_arn, self._now)

    def _config(self) -> "Config":
        from botocore.config import Config  # noqa: PLC0415 - as above

        proxy = self._settings.proxy
        return Config(
            connect_timeout=self._settings.connect_timeout,
            read_timeout=self._settings.read_timeout,
            # Hark's own backoff does the rest, where one wait serves every key of an identity.
            retries={"total_max_attempts": _ATTEMPTS, "mode": "standard"},
            max_pool_connections=_CONNECTIONS,
            user_agent_extra="hark",
            proxies={"http": proxy, "https": proxy} if proxy else None,
        )
