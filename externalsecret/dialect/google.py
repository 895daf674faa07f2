"""Google: Secret Manager as a spec speaks of it.

Fed by externalsecret.manifest; follows the contract in externalsecret.dialect.contract. The scope
of a name is its project, for a regional secret `project/location`; a project that neither the spec
nor the settings name is `-`: that of the reconciler's credentials. A key is the bare name of a
secret: full resource names are refused, as kubernetes-external-secrets never took them and the
project of a secret would stand in two places.

Google facts: names of secrets in "CreateSecretRequest" and aliases in "Secret" of the Secret
Manager API reference; project ids in "Creating and managing projects" of the Resource Manager
guide.
"""

import re
from collections.abc import Mapping
from typing import Any

from externalsecret import identity
from externalsecret.dialect.contract import Defaults, Place, Spec, invalid
from externalsecret.identity import Backend
from externalsecret.reference import Identity, Select, Selector

CREDENTIALS_PROJECT = "-"
"""In a scope: the project that the reconciler's credentials belong to."""
# The first part is of projects that belong to a domain: example.com:shop.
_PROJECT = re.compile(
    r"([a-z0-9][a-z0-9.-]{0,251}[a-z0-9]:)?[a-z][a-z0-9-]{4,28}[a-z0-9]|[1-9][0-9]{0,18}", re.ASCII
)
_LOCATION = re.compile(r"[a-z]{2,20}(-[a-z]{2,20})*[0-9]{0,2}", re.ASCII)
_SECRET = re.compile(r"[A-Za-z0-9_-]{1,255}", re.ASCII)
_NUMBER = re.compile(r"[1-9][0-9]{0,18}", re.ASCII)
_ALIAS = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,62}", re.ASCII)
_LATEST = "latest"
_RESERVED = frozenset(("latest", "new"))
_GLOBAL = "global"


def is_project(text: str) -> bool:
    """Whether it may be the id or the number of a Google project."""
    return _PROJECT.fullmatch(text) is not None


class GoogleDialect:
    """backendType gcpSecretsManager."""

    backend = Backend.GCP_SECRET_MANAGER
    reads_paths = False

    def __init__(self, spec: Spec, defaults: Defaults) -> None:
        self._project = spec.get("projectId") or defaults.google_project
        location = spec.get("location") or ""
        self._location = "" if location == _GLOBAL else location

    def identity(self) -> Identity:
        """Always the reconciler's own: a spec can name no other."""
        return Identity()

    def place(self, where: str, key: str, item: Mapping[str, Any]) -> Place:
        self._check_scope(where)
        _check_name(where, key)
        selector = _selector(where, item.get("version"))
        scope = self._project or CREDENTIALS_PROJECT
        if self._location:
            scope = f"{scope}/{self._location}"
        return Place(identity.google_secret(key, self._project, self._location), selector, scope)

    def _check_scope(self, where: str) -> None:
        if self._project and not is_project(self._project):
            raise invalid(
                f"{where}: {self._project!r} is no Google project; write its id, such as "
                "shop-prod-4711, or its number into spec.projectId."
            )
        if self._location and not _LOCATION.fullmatch(self._location):
            raise invalid(
                f"{where}: {self._location!r} is no Google location; write one such as "
                "europe-west3 into spec.location, or leave it out for global secrets."
            )


def _check_name(where: str, key: str) -> None:
    if _SECRET.fullmatch(key):
        return
    named = identity.google_resource(key)
    if named is not None:
        raise invalid(
            f"{where}: the key {key} is a resource name; write the secret's name alone, "
            f"{named.name}, and its project into spec.projectId."
        )
    raise invalid(
        f"{where}: {key!r} is no name of a Google secret, which has letters, digits, - and _ only, "
        "at most 255; correct the key."
    )


def _selector(where: str, version: Any) -> Selector:
    # As in kubernetes-external-secrets: what JavaScript takes for false is the latest.
    text = str(version) if version else _LATEST
    if text == _LATEST:
        return Selector(Select.LATEST)
    if _NUMBER.fullmatch(text):
        return Selector(Select.VERSION, text)
    if _ALIAS.fullmatch(text) and text.lower() not in _RESERVED:
        return Selector(Select.LABEL, text)
    raise invalid(
        f"{where}.version: {text!r} is no version; write a number from 1 on, the alias of a "
        "version, or latest."
    )
