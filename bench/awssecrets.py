"""The secrets of the AWS double: what Secrets Manager would hold, in memory.

Fed by bench.awsdouble with parsed requests; feeds it with answers in the words of the Secrets
Manager API reference. Knows what bench and product ask for and no more: two versions of each secret
(AWSCURRENT and AWSPREVIOUS), no deletion, no permissions. `values_served` counts each value that
left, whatever call carried it.
"""

from __future__ import annotations

import hashlib
import time
import uuid
from dataclasses import dataclass, field
from typing import Any

REGION = "eu-central-1"
ACCOUNT = "123456789012"
_SUFFIX = 7
_PAGE = 100

Row = dict[str, Any]


class RefusedError(Exception):
    """The service says no; `code` as in its API reference."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


@dataclass(slots=True)
class _Secret:
    name: str
    arn: str
    current: str
    values: dict[str, str] = field(default_factory=dict)
    previous: str = ""

    def stages(self) -> dict[str, list[str]]:
        """Labels by version, as DescribeSecret lists them."""
        stages = {self.current: ["AWSCURRENT"]}
        if self.previous:
            stages[self.previous] = ["AWSPREVIOUS"]
        return stages


class Secrets:
    """All secrets of one account and region."""

    def __init__(self) -> None:
        self.values_served = 0
        self._by_name: dict[str, _Secret] = {}
        self._by_id: dict[str, _Secret] = {}

    def put(self, name: str, value: str) -> tuple[str, str]:
        """Make a secret or give it a new current version; (ARN, version id)."""
        version = str(uuid.uuid4())
        secret = self._by_name.get(name)
        if secret is None:
            suffix = hashlib.sha256(name.encode()).hexdigest()[: _SUFFIX - 1]
            arn = f"arn:aws:secretsmanager:{REGION}:{ACCOUNT}:secret:{name}-{suffix}"
            secret = _Secret(name, arn, version)
            self._by_name[name] = secret
            self._by_id |= dict.fromkeys((name, arn, arn[:-_SUFFIX]), secret)
        else:
            secret.values.pop(secret.previous, None)
            secret.previous, secret.current = secret.current, version
        secret.values[version] = value
        return secret.arn, version

    def get(self, asked: Row) -> Row:
        """GetSecretValue."""
        secret = self._find(asked["SecretId"])
        version = asked.get("VersionId") or secret.current
        if asked.get("VersionStage") == "AWSPREVIOUS":
            version = secret.previous
        if version not in secret.values:
            raise RefusedError("ResourceNotFoundException", "There is no such version.")
        return self._value(secret, version)

    def batch(self, asked: Row) -> Row:
        """BatchGetSecretValue."""
        names = asked.get("SecretIdList", [])
        return {
            "SecretValues": [
                self._value(self._by_id[name], self._by_id[name].current)
                for name in names
                if name in self._by_id
            ],
            "Errors": [
                {"SecretId": name, "ErrorCode": "ResourceNotFoundException", "Message": "None."}
                for name in names
                if name not in self._by_id
            ],
        }

    def describe(self, asked: Row) -> Row:
        """DescribeSecret."""
        secret = self._find(asked["SecretId"])
        return {
            "ARN": secret.arn,
            "Name": secret.name,
            "VersionIdsToStages": secret.stages(),
            "CreatedDate": 1.7e9,
        }

    def list(self, asked: Row) -> Row:
        """ListSecrets; filters are not heeded."""
        start = int(asked.get("NextToken") or 0)
        end = start + int(asked.get("MaxResults") or _PAGE)
        secrets = list(self._by_name.values())
        page: Row = {
            "SecretList": [
                {"ARN": one.arn, "Name": one.name, "SecretVersionsToStages": one.stages()}
                for one in secrets[start:end]
            ]
        }
        if end < len(secrets):
            page["NextToken"] = str(end)
        return page

    def _find(self, asked: str) -> _Secret:
        secret = self._by_id.get(asked)
        if secret is None:
            raise RefusedError(
                "ResourceNotFoundException", "Secrets Manager can't find the specified secret."
            )
        return secret

    def _value(self, secret: _Secret, version: str) -> Row:
        self.values_served += 1
        return {
            "ARN": secret.arn,
            "Name": secret.name,
            "VersionId": version,
            "VersionStages": secret.stages().get(version, []),
            "SecretString": secret.values[version],
            "CreatedDate": int(time.time()),
        }
