"""The parameters of the AWS double: what Parameter Store would hold, in memory.

Fed by bench.awsaccount with parsed requests; feeds it with answers in the words of the Systems
Manager API reference. SecureStrings by name only: no paths, labels, history or permissions.
`values_served` counts each value that left, whatever call carried it.
"""

from __future__ import annotations

import json
import time
import uuid
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from bench.awssecrets import ACCOUNT, REGION, RefusedError

Row = dict[str, Any]

_PAGE = 50


@dataclass(slots=True)
class _Parameter:
    name: str
    value: str
    version: int
    modified: float

    @property
    def arn(self) -> str:
        return f"arn:aws:ssm:{REGION}:{ACCOUNT}:parameter/{self.name.removeprefix('/')}"

    def described(self) -> Row:
        return {
            "Name": self.name,
            "ARN": self.arn,
            "Type": "SecureString",
            "DataType": "text",
            "Version": self.version,
            "LastModifiedDate": self.modified,
        }


class Parameters:
    """All parameters of one account and region."""

    def __init__(self) -> None:
        self.values_served = 0
        self._by_name: dict[str, _Parameter] = {}

    def put(self, name: str, value: str) -> str:
        """Make a parameter or give it a new version; its ARN."""
        known = self._by_name.get(name)
        version = 1 if known is None else known.version + 1
        self._by_name[name] = _Parameter(name, value, version, time.time())
        return self._by_name[name].arn

    def get(self, asked: Row) -> Row:
        """GetParameter."""
        if asked["Name"] not in self._by_name:
            raise RefusedError("ParameterNotFound", "There is no such parameter.")
        return {"Parameter": self._value(asked["Name"])}

    def get_many(self, asked: Row) -> Row:
        """GetParameters."""
        names = asked["Names"]
        return {
            "Parameters": [self._value(name) for name in names if name in self._by_name],
            "InvalidParameters": [name for name in names if name not in self._by_name],
        }

    def describe(self, asked: Row) -> Row:
        """DescribeParameters, by one filter of names, or of all."""
        filters = asked.get("ParameterFilters") or [{"Values": list(self._by_name)}]
        names = [name for name in filters[0]["Values"] if name in self._by_name]
        start = int(asked.get("NextToken") or 0)
        end = start + int(asked.get("MaxResults") or _PAGE)
        page: Row = {"Parameters": [self._by_name[name].described() for name in names[start:end]]}
        if end < len(names):
            page["NextToken"] = str(end)
        return page

    def _value(self, name: str) -> Row:
        self.values_served += 1
        parameter = self._by_name[name]
        return {**parameter.described(), "Value": parameter.value}


def parameter_changed(name: str, arn: str) -> str:
    """The body with which EventBridge tells of a new version, which it does not name.

    Its form is that of the page monitoring-systems-manager-event-examples of the Systems Manager
    User Guide.
    """
    return json.dumps(
        {
            "version": "0",
            "id": str(uuid.uuid4()),
            "detail-type": "Parameter Store Change",
            "source": "aws.ssm",
            "account": ACCOUNT,
            "time": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
            "region": REGION,
            "resources": [arn],
            "detail": {"operation": "Update", "name": name, "type": "SecureString"},
        }
    )
