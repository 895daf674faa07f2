"""The outputs of a CloudFormation stack, read as whoever runs it.

Used by `hark install-values`; the listener itself reads no stack. Credentials come from wherever
the SDK finds them. Raises GiveUp with a sentence; nothing is tried again.
"""

import os

from externalsecret.errors import GiveUp

_UNREAD = "StackNotRead"


def read_outputs(stack: str, region: str | None) -> dict[str, str]:
    """The outputs by their names; needs cloudformation:DescribeStacks. `region` goes before
    AWS_REGION and the SDK's own settings.
    """
    try:
        import boto3  # noqa: PLC0415 - only for those who use it
        from botocore.exceptions import BotoCoreError, ClientError  # noqa: PLC0415
    except ImportError:
        raise GiveUp(
            "CloudFormation needs boto3. Install Hark with its extra 'aws'.", reason="MissingPart"
        ) from None
    try:
        # The SDK itself heeds AWS_DEFAULT_REGION alone, Hark everywhere AWS_REGION too.
        name = region or os.environ.get("AWS_REGION") or None
        client = boto3.Session().client("cloudformation", region_name=name)
        found = client.describe_stacks(StackName=stack)["Stacks"][0]
        client.close()
    except ClientError as error:
        code = error.response.get("Error", {}).get("Code", "")
        raise GiveUp(
            f"The stack {stack} was not read ({code}). Check its name, the region and that your "
            "own AWS credentials allow cloudformation:DescribeStacks.",
            reason=_UNREAD,
        ) from None
    except BotoCoreError as error:
        raise GiveUp(
            f"The stack {stack} was not read ({type(error).__name__}). Check your own AWS "
            "credentials, --region and the network.",
            reason=_UNREAD,
        ) from None
    status = found["StackStatus"]
    if not status.endswith("_COMPLETE") or status in {"DELETE_COMPLETE", "ROLLBACK_COMPLETE"}:
        raise GiveUp(
            f"The stack {stack} is {status}: wait until it is complete, or see in its events why "
            "it failed.",
            reason=_UNREAD,
        )
    return {one["OutputKey"]: one["OutputValue"] for one in found.get("Outputs", [])}
