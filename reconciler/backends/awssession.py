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

if TYPE_CHECKING:
    from mypy_boto3_sts import STSClient

SESSION_NAME = "k8s-external-secrets"


class _RoleProvider(CredentialProvider):
    METHOD = "assume-role"

    def __init__(self, credentials: DeferredRefreshableCredentials) -> None:
        super().__init__()
        self._credentials = credentials

    def load(self) -> DeferredRefreshableCredentials:
        return self._credentials


def base_session(region: str, *, sts_regional: bool) -> boto3.Session:
    """A session with the SDK's default chain of credentials, which renew themselves."""
    return boto3.Session(region_name=region, botocore_session=_core(sts_regional=sts_regional))


def role_session(
    sts: "STSClient", role_arn: str, now: Callable[[], datetime], *, sts_regional: bool
) -> boto3.Session:
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

    credentials = DeferredRefreshableCredentials(assume, _RoleProvider.METHOD, now)
    core = _core(sts_regional=sts_regional)
    core.register_component("credential_provider", CredentialResolver([_RoleProvider(credentials)]))
    return boto3.Session(botocore_session=core)


def _core(*, sts_regional: bool) -> botocore.session.Session:
    core = botocore.session.get_session()
    if not sts_regional:
        core.set_config_variable("sts_regional_endpoints", "legacy")
    return core
