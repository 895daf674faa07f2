"""AWS SSM Parameter Store, as reconciler.backends.contract wants it.

Fed by awsclient (a client for one role and region). Newest versions are read ten at a time, always
decrypted; a path is read in all its pages, unless a Secret could not hold it, and its version is a
digest of its members' versions. Versions are looked at with DescribeParameters, fifty names at a
time, which shows no value. Labels, pins of older versions, public parameters (aws/...) and
parameters of other accounts are not described there: CannotLook. A parameter that was deleted and
created anew has another version, although the service counts from 1 again (see parameterrows). Does
not guarantee that a pinned version still exists (the service keeps the last hundred).

AWS facts: "GetParameters", "GetParametersByPath" and "DescribeParameters" in the Systems Manager
API reference; "Working with parameter versions" for `name:version` and `name:label`.
"""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from externalsecret.errors import GiveUp, HarkError, Retry
from externalsecret.identity import parse_arn
from externalsecret.reference import Reference, Select
from reconciler.backends import parameterrows, reasons
from reconciler.backends.asking import Denial, each, together
from reconciler.backends.awsclient import AwsAccess
from reconciler.backends.awserrors import parameter_not_found, translated
from reconciler.backends.contract import CannotLook, Look, Read, Value, Versions
from reconciler.backends.parameterrows import Row

if TYPE_CHECKING:
    from mypy_boto3_ssm import SSMClient
    from mypy_boto3_ssm.type_defs import ParameterStringFilterTypeDef

_BATCH = 10
_DESCRIBED = 50


class ParameterStore:
    """The parameters that one role sees in one region."""

    batch_size = _BATCH

    def __init__(
        self,
        access: AwsAccess,
        role_arn: str,
        region: str,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._access = access
        self._role_arn = role_arn
        self._region = region
        self._batch_denied = Denial(clock)

    def read(self, references: Sequence[Reference]) -> Mapping[str, Read]:
        """The values; see the contract. Never raises HarkError."""
        newest = [one for one in references if one.selector.select is Select.LATEST]
        answers = self._read_together(newest)
        alone = {one.entry: one for one in references if one.entry not in answers}
        return answers | each(alone, self._read_alone)

    def look(self, references: Sequence[Reference]) -> Mapping[str, Look]:
        """The versions by DescribeParameters; see the contract."""
        named = [one for one in references if _is_described(one)]
        paths = {one.entry: one for one in references if one.selector.is_path()}
        answers: dict[str, Look] = {
            one.entry: CannotLook(f"The version of {one.key} shows only when it is read.")
            for one in references
        }
        answers |= self._look_by_name(named)
        answers |= each(paths, self._look_at_path)
        return {entry: _or_cannot_look(look) for entry, look in answers.items()}

    def sweep(self, references: Sequence[Reference]) -> Mapping[str, Look]:
        """As `look`, which is already as few calls as there can be."""
        return self.look(references)

    def close(self) -> None:
        """Let go of connections, and of the role with its last client."""
        self._access.forget_parameter_store(self._role_arn, self._region)

    def _client(self) -> "SSMClient":
        return self._access.parameter_store(self._role_arn, self._region)

    def _read_together(self, references: Sequence[Reference]) -> dict[str, Read]:
        keys = list(dict.fromkeys(one.key for one in references))
        found = together(keys, _BATCH, self._batch_denied, self._read_batch)
        return {one.entry: found[one.key] for one in references if one.key in found}

    def _read_batch(self, keys: Sequence[str]) -> dict[str, Read]:
        with translated("the parameters of the batch"):
            answer: Row = self._client().get_parameters(Names=keys, WithDecryption=True)
        missing = {str(name) for name in answer.get("InvalidParameters", ())}
        rows: dict[str, Row] = {}
        for row in answer.get("Parameters", ()):
            rows |= {str(row.get("ARN", "")): row, str(row.get("Name", "")): row}
        found: dict[str, Read] = {key: parameter_not_found(key) for key in keys if key in missing}
        certain = {key: rows[key] for key in keys if key in rows and key not in missing}
        return found | each(certain, parameterrows.value_of)

    def _read_alone(self, reference: Reference) -> Value:
        if reference.selector.is_path():
            return self._read_path(reference)
        with translated(reference.key):
            answer: Row = self._client().get_parameter(Name=reference.key, WithDecryption=True)
        return parameterrows.value_of(answer.get("Parameter", {}))

    def _read_path(self, reference: Reference) -> Value:
        return parameterrows.value_of_path(reference.key, self._members(reference))

    def _members(self, reference: Reference) -> Iterator[Row]:
        recursive = reference.selector.select is Select.TREE
        with translated(f"the path {reference.key}"):
            pages = self._client().get_paginator("get_parameters_by_path")
            for page in pages.paginate(
                Path=reference.key, Recursive=recursive, WithDecryption=True
            ):
                yield from page.get("Parameters", ())

    def _look_by_name(self, references: Sequence[Reference]) -> dict[str, Look]:
        names = list(dict.fromkeys(name for one in references for name in _names(one)))
        rows = self._described(names)
        return {one.entry: _judge(one, rows) for one in references}

    def _described(self, names: Sequence[str]) -> dict[str, Row | HarkError]:
        found: dict[str, Row | HarkError] = {}
        for start in range(0, len(names), _DESCRIBED):
            some = names[start : start + _DESCRIBED]
            try:
                for row in self._describe("Name", "Equals", some):
                    found |= {str(row.get("ARN", "")): row, str(row.get("Name", "")): row}
            except Retry as error:
                return {**dict.fromkeys(names, error), **found}
            except GiveUp as error:
                if error.reason == reasons.INVALID_KEY and len(some) > 1:
                    # One name that AWS refuses shall not blind the others.
                    for name in some:
                        found |= self._described([name])
                else:
                    found |= dict.fromkeys(some, error)
        return found

    def _look_at_path(self, reference: Reference) -> Versions:
        option = "Recursive" if reference.selector.select is Select.TREE else "OneLevel"
        path = reference.key.rstrip("/") or "/"
        rows = self._describe("Path", option, [path])
        version = parameterrows.version_of_path(reference.key, rows)
        return Versions(version, {version: frozenset()}, "")

    def _describe(self, key: str, option: str, values: Sequence[str]) -> Iterator[Row]:
        chosen: ParameterStringFilterTypeDef = {"Key": key, "Option": option, "Values": values}
        with translated("the descriptions of parameters"):
            pages = self._client().get_paginator("describe_parameters")
            for page in pages.paginate(
                ParameterFilters=[chosen], PaginationConfig={"PageSize": _DESCRIBED}
            ):
                yield from page.get("Parameters", ())


def _is_described(reference: Reference) -> bool:
    return reference.selector.select in {Select.LATEST, Select.VERSION} and not any(
        name.lstrip("/").startswith("aws/") for name in _names(reference)
    )


def _bare(reference: Reference) -> str:
    if reference.selector.is_pinned():
        return reference.key.removesuffix(f":{reference.selector.value}")
    return reference.key


def _names(reference: Reference) -> tuple[str, ...]:
    """The names by which a description may be asked for: an ARN does not tell a leading slash."""
    key = _bare(reference)
    arn = parse_arn(key)
    if arn is None:
        return (key,)
    name = arn.resource.removeprefix("parameter/")
    return (f"/{name}",) if "/" in name else (name, f"/{name}")


def _judge(reference: Reference, rows: Mapping[str, Row | HarkError]) -> Look:
    key = _bare(reference)
    row = next((rows[name] for name in (key, *_names(reference)) if name in rows), None)
    if isinstance(row, HarkError):
        return row
    is_arn = parse_arn(key) is not None
    if row is None or (is_arn and row.get("ARN") != key):
        if is_arn:
            return CannotLook(f"{key} is not described in this account; only a read can tell.")
        return parameter_not_found(reference.key)
    pinned = reference.selector.value if reference.selector.is_pinned() else ""
    return parameterrows.versions_of(row, pinned)


def _or_cannot_look(look: Look) -> Look:
    if isinstance(look, GiveUp) and look.reason in {reasons.DENIED, reasons.INVALID_KEY}:
        return CannotLook(look.message)
    return look
