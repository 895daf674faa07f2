"""Google's Secret Manager, as reconciler.backends.contract wants it.

Fed by googleclient (a client for one location). The API reads one value a call, so several are
asked at the same time; each is compared with its checksum. Versions are looked at one by one too,
which costs nothing but counts against a small quota: a sweep keeps a rate. Where metadata is denied
(the role secretAccessor alone shows none) looks are CannotLook. Does not guarantee the newest:
`latest` and aliases may lag behind a change, only numbers do not. `latest` is the newest version
even where it is disabled or destroyed.

Google facts: "projects.secrets.versions" in the Secret Manager API reference (`latest`, aliases);
"Quotas and limits" (90,000 accesses and 600 other reads a minute and project); "Data integrity".
"""

import time
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from externalsecret.dialect.google import CREDENTIALS_PROJECT
from externalsecret.errors import HarkError, Retry
from externalsecret.reference import Reference
from reconciler.backends import googlerows, reasons
from reconciler.backends.asking import at_once
from reconciler.backends.contract import CannotLook, Look, Read, Value, Versions
from reconciler.backends.googleclient import GoogleAccess
from reconciler.backends.googleerrors import translated
from reconciler.backends.rate import Rate

if TYPE_CHECKING:
    from google.cloud.secretmanager_v1 import SecretManagerServiceClient

_BATCH = 25
_AT_ONCE = 8
_LATEST = "latest"


class GoogleSecretManager:
    """The secrets of one project, global or of one location."""

    batch_size = _BATCH

    def __init__(
        self,
        access: GoogleAccess,
        scope: str,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
        now: Callable[[], float] = time.time,
    ) -> None:
        """`scope` is `project` or `project/location`, as externalsecret.dialect.google writes it.

        `clock` and `sleep` are for the rate of sweeps, `now` for the age of versions.
        """
        self._access = access
        self._now = now
        self._project, _, self._location = scope.partition("/")
        settings = access.settings
        self._rate = Rate(settings.reads_a_second, settings.reads_at_once, clock, sleep)

    def read(self, references: Sequence[Reference]) -> Mapping[str, Read]:
        """The values; see the contract. Never raises HarkError."""
        return at_once({one.entry: one for one in references}, self._read_one, _AT_ONCE)

    def look(self, references: Sequence[Reference]) -> Mapping[str, Look]:
        """The versions by GetSecretVersion, one call for each; see the contract."""
        looks = at_once({one.entry: one for one in references}, self._look_at_one, _AT_ONCE)
        return {entry: _or_cannot_look(look) for entry, look in looks.items()}

    def sweep(self, references: Sequence[Reference]) -> Mapping[str, Look]:
        """As `look`, which is already as few calls as there can be, at a rate that is allowed."""
        looks = at_once({one.entry: one for one in references}, self._look_in_turn, _AT_ONCE)
        return {entry: _or_cannot_look(look) for entry, look in looks.items()}

    def close(self) -> None:
        """Let go of connections; another backend of the location connects anew."""
        self._access.forget(self._location)

    def _client(self) -> "SecretManagerServiceClient":
        return self._access.secret_manager(self._location)

    def _read_one(self, reference: Reference) -> Value:
        try:
            return self._read_once(reference)
        except Retry as error:
            if error.reason != reasons.BAD_CHECKSUM:
                raise
        return self._read_once(reference)

    def _read_once(self, reference: Reference) -> Value:
        client, name, subject = self._client(), self._name(reference), _subject(reference)
        with translated(subject):
            row = client.access_secret_version(
                name=name, retry=None, timeout=self._access.settings.read_timeout
            )
        return googlerows.value_of(row, reference.key, subject)

    def _look_in_turn(self, reference: Reference) -> Versions:
        self._rate.wait()
        return self._look_at_one(reference)

    def _look_at_one(self, reference: Reference) -> Versions:
        client, name, subject = self._client(), self._name(reference), _subject(reference)
        with translated(subject):
            row = client.get_secret_version(
                name=name, retry=None, timeout=self._access.settings.read_timeout
            )
        return googlerows.versions_of(row, reference.key, subject, self._now())

    def _name(self, reference: Reference) -> str:
        project = self._project
        if project == CREDENTIALS_PROJECT:
            project = self._access.project()
        parent = f"projects/{project}"
        if self._location:
            parent = f"{parent}/locations/{self._location}"
        version = reference.selector.value or _LATEST
        return f"{parent}/secrets/{reference.key}/versions/{version}"


def _subject(reference: Reference) -> str:
    return f"the secret {reference.key}"


def _or_cannot_look(look: Versions | HarkError) -> Look:
    if isinstance(look, HarkError) and look.reason == reasons.DENIED:
        return CannotLook(look.message)
    return look
