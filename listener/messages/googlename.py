"""The names of Google secrets and versions in messages: taken apart, or refused.

Fed by googlenotice and googleaudit. Google page: "Resource names" in the Secret Manager API
reference; names of secrets have letters, digits, hyphens and underscores, at most 255 of them.
"""

import re

from externalsecret.identity import SecretId, google_resource

_NAME = re.compile(r"[A-Za-z0-9_-]{1,255}", re.ASCII)
_PLACE = re.compile(r"[a-z0-9.:-]{1,64}", re.ASCII)
_VERSION = re.compile(r".+/versions/([1-9][0-9]{0,18})", re.ASCII)


def named_secret(resource: str) -> SecretId | None:
    """The secret that the name of a secret or of a version is about; None where it is no name."""
    secret = google_resource(resource)
    if secret is None or not _NAME.fullmatch(secret.name):
        return None
    if not _PLACE.fullmatch(secret.account) or not _PLACE.fullmatch(secret.region):
        return None
    return secret


def named_version(resource: str) -> str:
    """The number at the end of a version's name; "" where there is none."""
    found = _VERSION.fullmatch(resource)
    return found[1] if found else ""
