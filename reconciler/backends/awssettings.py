"""What the environment says about reaching AWS: endpoints, regions, a proxy, an intermediate role.

Fed by the environment; feeds awsclient. Plain data, and no SDK.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

_STS_REGION = "us-west-2"
_LOCALSTACK_URL = "http://localhost:4566"


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
