"""How AWS clients are made: endpoints, credentials, roles, timeouts.

Fed by the environment (`aws_settings`) and by the role and region that each backend serves; feeds
secretsmanager and parameterstore with boto3 clients.

Guarantees: one client for each (service, role, region), safe to use from several threads; one
AssumeRole for each role however many regions and clients use it, renewed before it expires; the
SDK's logs that show values stay off. It imports boto3 with the first client, not before.
A client is made without asking AWS for anything but base credentials: a role that may not be
assumed shows at the first call.
"""

import logging
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from externalsecret.errors import Retry
from reconciler.backends import reasons

if TYPE_CHECKING:
    import boto3
    from botocore.config import Config
    from mypy_boto3_secretsmanager import SecretsManagerClient
    from mypy_boto3_ssm import SSMClient
    from mypy_boto3_sts import STSClient

    from reconciler.backends.awssession import Sessions

_STS_REGION = "us-west-2"
_LOCALSTACK_URL = "http://localhost:4566"
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


@dataclass(frozen=True, slots=True)
class AwsSettings:
    """What the environment says about reaching AWS; empty endpoints leave the SDK its own."""

    endpoint_sm: str = ""
    endpoint_ssm: str = ""
    endpoint_sts: str = ""
    sts_regional: bool = True
    sts_region: str = _STS_REGION
    intermediate_role_arn: str = ""
    localstack: bool = False
    proxy: str = field(default="", repr=False)
    """A proxy for https that only HTTP_PROXY names; any other the SDK finds itself. May hold a
    password.
    """
    connect_timeout: float = 5.0
    """In seconds, as is read_timeout."""
    read_timeout: float = 20.0


def aws_settings(environ: Mapping[str, str]) -> AwsSettings:
    """The settings of KES's variables; AWS's own variables are the SDK's business."""
    localstack = bool(environ.get("LOCALSTACK"))
    return AwsSettings(
        endpoint_sm=_endpoint(environ, "SM", localstack=localstack),
        endpoint_ssm=_endpoint(environ, "SSM", localstack=localstack),
        endpoint_sts=_endpoint(environ, "STS", localstack=localstack),
        sts_regional=environ.get("AWS_STS_ENDPOINT_TYPE", "regional").lower() != "legacy",
        sts_region=environ.get("AWS_REGION") or _STS_REGION,
        intermediate_role_arn=environ.get("AWS_INTERMEDIATE_ROLE_ARN", ""),
        localstack=localstack,
        proxy=_proxy(environ),
    )


def _endpoint(environ: Mapping[str, str], service: str, *, localstack: bool) -> str:
    if localstack:
        url = environ.get(f"LOCALSTACK_{service}_URL") or _LOCALSTACK_URL
    else:
        url = environ.get(f"AWS_{service}_ENDPOINT", "")
    if url and "://" not in url:
        return f"https://{url}"
    return url


def _proxy(environ: Mapping[str, str]) -> str:
    if environ.get("HTTPS_PROXY") or environ.get("https_proxy"):
        return ""
    return environ.get("HTTP_PROXY", "")


def _utc_now() -> datetime:
    return datetime.now(UTC)


class AwsAccess:
    """Makes and keeps AWS clients; one for the whole process."""

    def __init__(self, settings: AwsSettings, now: Callable[[], datetime] = _utc_now) -> None:
        """`now` tells when credentials of a role are due for renewal."""
        self._settings = settings
        self._now = now
        self._lock = threading.Lock()
        self._maker: Sessions
        self._sessions: dict[str, boto3.Session] = {}
        self._token_services: list[STSClient] = []
        self._secrets_managers: dict[tuple[str, str], SecretsManagerClient] = {}
        self._parameter_stores: dict[tuple[str, str], SSMClient] = {}

    def secrets_manager(self, role_arn: str, region: str) -> "SecretsManagerClient":
        """The client for a role ("" = base credentials) in a region.

        Raises Retry where there are no base credentials, and whatever the SDK says of a region.
        """
        with self._lock:
            client = self._secrets_managers.get((role_arn, region))
            if client is None:
                client = self._session(role_arn).client(
                    "secretsmanager",
                    region_name=region or self._settings.sts_region,
                    endpoint_url=self._settings.endpoint_sm or None,
                )
                self._secrets_managers[role_arn, region] = client
            return client

    def parameter_store(self, role_arn: str, region: str) -> "SSMClient":
        """As `secrets_manager`, for SSM."""
        with self._lock:
            client = self._parameter_stores.get((role_arn, region))
            if client is None:
                client = self._session(role_arn).client(
                    "ssm",
                    region_name=region or self._settings.sts_region,
                    endpoint_url=self._settings.endpoint_ssm or None,
                )
                self._parameter_stores[role_arn, region] = client
            return client

    def forget_secrets_manager(self, role_arn: str, region: str) -> None:
        """Close the client, if there is one; the role's credentials are kept."""
        with self._lock, suppress(KeyError):
            self._secrets_managers.pop((role_arn, region)).close()

    def forget_parameter_store(self, role_arn: str, region: str) -> None:
        """As `forget_secrets_manager`."""
        with self._lock, suppress(KeyError):
            self._parameter_stores.pop((role_arn, region)).close()

    def close(self) -> None:
        """Close every client; what is asked for afterwards is made anew."""
        with self._lock:
            for client in (
                *self._secrets_managers.values(),
                *self._parameter_stores.values(),
                *self._token_services,
            ):
                client.close()
            self._secrets_managers.clear()
            self._parameter_stores.clear()
            self._token_services.clear()
            self._sessions.clear()

    def _session(self, role_arn: str) -> "boto3.Session":
        session = self._sessions.get(role_arn)
        if session is None:
            session = self._role_session(role_arn) if role_arn else self._base_session()
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
        self._token_services.append(sts)
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
