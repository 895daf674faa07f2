"""What the wire proxy saw: requests, and the matchers that pick some of them.

Fed by proxy.py. A Head is what the proxy keeps of every request: nothing in it is secret. A
Request also has the header fields and the body, and exists only while it is handled, or longer
where a rule asked for it.
"""

from __future__ import annotations

import dataclasses
import functools
import json
import urllib.parse
from collections.abc import Callable, Mapping
from typing import Any


@dataclasses.dataclass(frozen=True)
class Head:
    """The harmless part of a request."""

    method: str
    path: str
    query: Mapping[str, str]
    content_type: str
    aws_operation: str
    """Such as GetSecretValue; empty for what is no AWS call."""

    @property
    def is_watch(self) -> bool:
        """Tell whether this is a Kubernetes watch."""
        return self.query.get("watch", "").lower() in {"1", "true"}


@dataclasses.dataclass(frozen=True)
class Request(Head):
    """A request with its contents, which its repr does not show."""

    headers: Mapping[str, str] = dataclasses.field(repr=False)
    """Names are in lower case."""
    body: bytes = dataclasses.field(repr=False)

    @functools.cached_property
    def json(self) -> Any:
        """The decoded body, or None if it is not JSON."""
        try:
            return json.loads(self.body)
        except ValueError:
            return None

    @property
    def head(self) -> Head:
        """The part that may be kept."""
        return Head(self.method, self.path, self.query, self.content_type, self.aws_operation)


def read_request(method: str, target: str, headers: Mapping[str, str], body: bytes) -> Request:
    """Build a Request from the parts of an HTTP message; header names in lower case."""
    address = urllib.parse.urlsplit(target)
    return Request(
        method=method,
        path=address.path,
        query=dict(urllib.parse.parse_qsl(address.query, keep_blank_values=True)),
        content_type=headers.get("content-type", ""),
        aws_operation=_aws_operation(headers, body),
        headers=headers,
        body=body,
    )


def _aws_operation(headers: Mapping[str, str], body: bytes) -> str:
    target = headers.get("x-amz-target")
    if target is not None:
        return target.rsplit(".", maxsplit=1)[-1]
    # The older query protocol, which STS and CloudFormation still speak.
    if headers.get("content-type", "").startswith("application/x-www-form-urlencoded"):
        fields = urllib.parse.parse_qs(body.decode("ascii", errors="replace"))
        return fields.get("Action", [""])[0]
    return ""


def any_request(_head: Head) -> bool:
    """Match every request."""
    return True


def calls(method: str, path_part: str = "") -> Callable[[Head], bool]:
    """Match requests of a method whose path contains a text."""

    def matches(head: Head) -> bool:
        return head.method == method and path_part in head.path

    return matches


def aws(operation: str) -> Callable[[Head], bool]:
    """Match calls of an AWS operation, such as ReceiveMessage."""

    def matches(head: Head) -> bool:
        return head.aws_operation == operation

    return matches


def watches(path_part: str = "") -> Callable[[Head], bool]:
    """Match Kubernetes watches whose path contains a text."""

    def matches(head: Head) -> bool:
        return head.is_watch and path_part in head.path

    return matches
