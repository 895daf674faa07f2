"""AWS: Secrets Manager and Parameter Store as a spec speaks of them.

Fed by externalsecret.manifest; follows the contract in externalsecret.dialect.contract. The scope
of a name is its region: that of the spec, else of the ARN, else of the settings.

AWS facts: role ARNs in "IAM identifiers" of the IAM user guide; `name:version` and `name:label` in
"GetParameter" of the Systems Manager API reference.
"""

import re
from collections.abc import Mapping
from typing import Any

from externalsecret import identity
from externalsecret.dialect.contract import Defaults, Place, Spec, invalid
from externalsecret.entrykey import split_parameter
from externalsecret.identity import Backend, SecretId
from externalsecret.reference import Identity, Select, Selector

_REGION = re.compile(r"[a-z]{2,}(-[a-z]+)+-\d{1,2}", re.ASCII)


class _Aws:
    """What both services share."""

    backend: Backend

    def __init__(self, spec: Spec, defaults: Defaults) -> None:
        self._spec = spec
        self._defaults = defaults
        self._partition, self._account = identity.account_of_role(spec.get("roleArn") or "")

    def identity(self) -> Identity:
        return Identity(role_arn=self._spec.get("roleArn") or "")

    def _placed(self, where: str, key: str, secret: SecretId, selector: Selector) -> Place:
        region = self._region(secret)
        if not region:
            raise invalid(
                f"{where}: no AWS region is known for {key}. "
                "Set spec.region, or AWS_REGION for both halves of Hark."
            )
        if not self._defaults.region_forced and not _REGION.fullmatch(region):
            raise invalid(
                f"{where}: {region!r} is no AWS region; write one such as eu-central-1 into "
                "spec.region."
            )
        scoped = secret.within(region=region, account=self._account, partition=self._partition)
        return Place(scoped, selector, region)

    def _region(self, secret: SecretId) -> str:
        if self._defaults.region_forced:
            return self._defaults.region
        return self._spec.get("region") or secret.region or self._defaults.region


class SecretsManagerDialect(_Aws):
    """backendType secretsManager."""

    backend = Backend.SECRETS_MANAGER
    reads_paths = False

    def place(self, where: str, key: str, item: Mapping[str, Any]) -> Place:
        if item.get("versionId"):
            selector = Selector(Select.VERSION, item["versionId"])
        else:
            selector = Selector(Select.LABEL, item.get("versionStage") or "AWSCURRENT")
        return self._placed(where, key, identity.secrets_manager(key), selector)


class ParameterStoreDialect(_Aws):
    """backendType systemManager."""

    backend = Backend.PARAMETER_STORE
    reads_paths = True

    def place(self, where: str, key: str, item: Mapping[str, Any]) -> Place:
        secret = identity.parameter(split_parameter(key)[0])
        return self._placed(where, key, secret, _selector(key, item))


def _selector(key: str, item: Mapping[str, Any]) -> Selector:
    if item.get("path") is not None:
        return Selector(Select.TREE if item.get("recursive") is True else Select.PATH)
    _, suffix = split_parameter(key)
    if suffix.isascii() and suffix.isdecimal():
        return Selector(Select.VERSION, suffix)
    if suffix:
        return Selector(Select.LABEL, suffix)
    return Selector(Select.LATEST)
