"""boto3 sessions: Hark's own identity, and roles whose credentials renew themselves.

Fed and used by awsclient only; imports the SDK. The role session name is the one that KES uses,
because it ends the assumed role's ARN in CloudTrail and in other people's policies and filters.
"""

from collections.abc import Callable
from datetime import datetime
from typing import TYPE_CHECKING

import boto3
import botocore.session
from botocore.credentials import (
    CredentialProvider,
    CredentialResolver,
    DeferredRefreshableCredentials,
)
from botocore.loaders import create_loader

if TYPE_CHECKING:
    from botocore.config import Config
    from mypy_boto3_sts import STSClient

SESSION_NAME = "k8s-external-secrets"


class _RoleProvider(CredentialProvider):
    METHOD = "assume-role"

    def __init__(self, credentials: DeferredRefreshableCredentials) -> None:
        super().__init__()
        self._credentials = credentials

    def load(self) -> DeferredRefreshableCredentials:
        return self._credentials


class Sessions:
    """Makes sessions that share what the SDK knows of its services: 7 MiB for each otherwise."""

    def __init__(self, region: str, config: "Config", *, sts_regional: bool) -> None:
        """`region` and `config` also hold for the calls by which the base credentials come."""
        self._region = region
        self._config = config
        self._sts_regional = sts_regional
        self._loader = create_loader()

    def base(self) -> boto3.Session:
        """A session with the SDK's default chain of credentials, which renew themselves."""
        return boto3.Session(region_name=self._region, botocore_session=self._core())

    def role(self, sts: "STSClient", role_arn: str, now: Callable[[], datetime]) -> boto3.Session:
        """A session that acts as the role: assumed with the first call, again before it expires.

        Calls on its clients may fail with an error of the operation AssumeRole.
        """

        def assume() -> dict[str, str]:
            given = sts.assume_role(RoleArn=role_arn, RoleSessionName=SESSION_NAME)["Credentials"]
            return {
                "access_key": given["AccessKeyId"],
                "secret_key": given["SecretAccessKey"],
                "token": given["SessionToken"],
                "expiry_time": given["Expiration"].isoformat(),
            }

        provider = _RoleProvider(DeferredRefreshableCredentials(assume, _RoleProvider.METHOD, now))
        core = self._core()
        core.register_component("credential_provider", CredentialResolver([provider]))
        return boto3.Session(region_name=self._region, botocore_session=core)

    def _core(self) -> botocore.session.Session:
        core = botocore.session.get_session()
        core.register_component("data_loader", self._loader)
        core.set_default_client_config(self._config)
        if not self._sts_regional:
            core.set_config_variable("sts_regional_endpoints", "legacy")
        return core
