"""AWS Secrets Manager, as reconciler.backends.contract wants it.

Fed by awsclient (a client for one role and region). Many values are read by BatchGetSecretValue,
which knows the current label only; its rows count only when they carry that label, and whatever it
leaves open is read alone with the stage by name. Many versions are looked at by ListSecrets where
that takes fewer calls than DescribeSecret. Does not guarantee the newest: after a write the service
may answer with the version before, and ListSecrets may be five minutes behind.

AWS facts: "BatchGetSecretValue", "ListSecrets" and "DescribeSecret" in the Secrets Manager API
reference. DescribeSecret lists only versions that carry a label.
"""

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from externalsecret.errors import GiveUp, HarkError, Retry
from externalsecret.reference import Reference, Select
from reconciler.backends import reasons, secretrows
from reconciler.backends.asking import Denial, each, together
from reconciler.backends.awsclient import AwsAccess
from reconciler.backends.awserrors import translated
from reconciler.backends.contract import CannotLook, Look, Read, Value, Versions
from reconciler.backends.secretrows import CURRENT_STAGE, Row

if TYPE_CHECKING:
    from mypy_boto3_secretsmanager import SecretsManagerClient

_BATCH = 20
_PAGE = 100
_FEW = 10
"""As many secrets are described one by one while nobody knows how long the list is."""


class SecretsManager:
    """The secrets that one role sees in one region."""

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
        self._list_denied = Denial(clock)
        self._pages: int | None = None

    def read(self, references: Sequence[Reference]) -> Mapping[str, Read]:
        """The values; see the contract. Never raises HarkError."""
        answers = self._read_together([one for one in references if _is_current(one)])
        alone = {one.entry: one for one in references if one.entry not in answers}
        return answers | each(alone, self._read_alone)

    def look(self, references: Sequence[Reference]) -> Mapping[str, Look]:
        """The versions by DescribeSecret, one call for each secret; see the contract."""
        return self._answer(references, {})

    def sweep(self, references: Sequence[Reference]) -> Mapping[str, Look]:
        """The versions by ListSecrets where that takes fewer calls; see the contract."""
        return self._answer(references, self._listed({one.key for one in references}))

    def has_version(self, reference: Reference, version: str) -> bool:
        """Whether ListSecretVersionIds knows it: DescribeSecret leaves out what has no label."""
        return any(row.get("VersionId") == version for row in self._unlabelled(reference.key))

    def close(self) -> None:
        """Let go of connections, and of the role with its last client."""
        self._access.forget_secrets_manager(self._role_arn, self._region)

    def _client(self) -> "SecretsManagerClient":
        return self._access.secrets_manager(self._role_arn, self._region)

    def _read_together(self, references: Sequence[Reference]) -> dict[str, Read]:
        keys = list(dict.fromkeys(one.key for one in references))
        found = together(keys, _BATCH, self._batch_denied, self._read_batch)
        return {one.entry: found[one.key] for one in references if one.key in found}

    def _read_batch(self, keys: Sequence[str]) -> dict[str, Read]:
        rows: list[Row] = []
        failed: set[str] = set()
        more: dict[str, Any] = {}
        while True:
            with translated("the secrets of the batch"):
                answer: Row = self._client().batch_get_secret_value(SecretIdList=keys, **more)
            rows += answer.get("SecretValues", ())
            failed |= {str(row.get("SecretId", "")) for row in answer.get("Errors", ())}
            if not answer.get("NextToken"):
                break
            more = {"NextToken": answer["NextToken"]}
        chosen = secretrows.by_spelling(rows)
        certain = {
            key: chosen[key]
            for key in keys
            if key in chosen
            and key not in failed
            and CURRENT_STAGE in chosen[key].get("VersionStages", ())
        }
        return dict(each(certain, secretrows.value_of))

    def _read_alone(self, reference: Reference) -> Value:
        with translated(f"the secret {reference.key}"):
            row = self._client().get_secret_value(SecretId=reference.key, **_version(reference))
        return secretrows.value_of(row)

    def _answer(
        self, references: Sequence[Reference], known: Mapping[str, Row | HarkError]
    ) -> dict[str, Look]:
        open_keys = {one.key: one.key for one in references if one.key not in known}
        rows = {**known, **each(open_keys, self._describe)}
        looks = each(
            {one.entry: one for one in references}, lambda one: self._judge(one, rows[one.key])
        )
        return {entry: _or_cannot_look(look) for entry, look in looks.items()}

    def _judge(self, reference: Reference, row: Row | HarkError) -> Versions:
        if isinstance(row, HarkError):
            raise row
        versions = secretrows.versions_of(row, reference.selector)
        if versions.current is None and reference.selector.is_pinned() and not versions.gone:
            return self._with_unlabelled(reference, versions)
        return versions

    def _with_unlabelled(self, reference: Reference, versions: Versions) -> Versions:
        version = reference.selector.value
        for row in self._unlabelled(reference.key):
            if row.get("VersionId") == version:
                known = {**versions.known, version: frozenset(row.get("VersionStages", ()))}
                return Versions(version, known, versions.resource)
        return versions

    def _unlabelled(self, key: str) -> Iterator[Row]:
        more: dict[str, Any] = {}
        while True:
            with translated(f"the versions of the secret {key}"):
                answer: Row = self._client().list_secret_version_ids(
                    SecretId=key, IncludeDeprecated=True, **more
                )
            yield from answer.get("Versions", ())
            if not answer.get("NextToken"):
                return
            more = {"NextToken": answer["NextToken"]}

    def _describe(self, key: str) -> Row:
        with translated(f"the secret {key}"):
            return self._client().describe_secret(SecretId=key)

    def _listed(self, keys: set[str]) -> dict[str, Row | HarkError]:
        expected = _FEW if self._pages is None else self._pages
        if len(keys) <= expected or self._list_denied.holds():
            return {}
        found: dict[str, Row | HarkError] = {}
        try:
            for number, rows in enumerate(self._list(), start=1):
                found |= _chosen(rows, keys)
                self._pages = number
                if len(found) == len(keys):
                    break
                if number == len(keys):
                    # From here on the list costs more than it saves; the next sweep knows.
                    self._pages = number + 1
                    break
        except Retry as error:
            return {**dict.fromkeys(keys, error), **found}
        except GiveUp as error:
            if error.reason == reasons.DENIED:
                self._list_denied.remember()
        return found

    def _list(self) -> Iterator[Sequence[Row]]:
        more: dict[str, Any] = {}
        while True:
            with translated("the list of secrets"):
                answer: Row = self._client().list_secrets(
                    MaxResults=_PAGE, IncludePlannedDeletion=True, **more
                )
            yield answer.get("SecretList", ())
            if not answer.get("NextToken"):
                return
            more = {"NextToken": answer["NextToken"]}


def _is_current(reference: Reference) -> bool:
    return _version(reference) == {"VersionStage": CURRENT_STAGE}


def _version(reference: Reference) -> dict[str, str]:
    selector = reference.selector
    if selector.is_pinned():
        return {"VersionId": selector.value}
    if selector.select in {Select.LABEL, Select.LATEST}:
        # Always by name: without it the service may answer with what was current before.
        return {"VersionStage": selector.value or CURRENT_STAGE}
    return {}


def _chosen(rows: Iterable[Row], keys: set[str]) -> dict[str, Row]:
    told = (row for row in rows if secretrows.stages_of(row) or row.get("DeletedDate"))
    return {key: row for key, row in secretrows.by_spelling(told).items() if key in keys}


def _or_cannot_look(look: Versions | HarkError) -> Look:
    if isinstance(look, HarkError) and look.reason == reasons.DENIED:
        return CannotLook(look.message)
    return look
