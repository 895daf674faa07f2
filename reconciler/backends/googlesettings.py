"""What the environment says about reaching Google's Secret Manager. Plain data, and no SDK.

Fed by the environment; feeds googleclient. Where credentials come from, a proxy and additional
certificates are the SDK's business (GOOGLE_APPLICATION_CREDENTIALS, HTTPS_PROXY, NO_PROXY,
REQUESTS_CA_BUNDLE).

Google facts: "Regional endpoints" of the Secret Manager documentation.
"""

import urllib.parse
from collections.abc import Mapping
from dataclasses import dataclass

from externalsecret.errors import GiveUp

_HOST = "https://secretmanager.googleapis.com"
_REGIONAL_HOST = "https://secretmanager.{location}.rep.googleapis.com"
_ENDPOINT = "HARK_GCP_SECRET_MANAGER_ENDPOINT"


@dataclass(frozen=True, slots=True)
class GoogleSettings:
    """What the environment says about reaching Google."""

    endpoint: str = ""
    """Stands for every endpoint, regional ones too: scheme, host and port; "" = Google's own."""
    connect_timeout: float = 5.0
    """In seconds, as is read_timeout."""
    read_timeout: float = 20.0
    reads_a_second: float = 8.0
    """How fast a sweep looks at versions. Google allows a project 600 looks a minute."""
    reads_at_once: int = 60
    """How many looks a sweep may do before that rate counts."""

    def url(self, location: str) -> str:
        """Where secrets of a location are ("" = global ones)."""
        if self.endpoint:
            return self.endpoint
        return _REGIONAL_HOST.format(location=location) if location else _HOST


def google_settings(environ: Mapping[str, str]) -> GoogleSettings:
    """The settings. Raises GiveUp (InvalidSetting)."""
    endpoint = environ.get(_ENDPOINT, "")
    if endpoint and "://" not in endpoint:
        endpoint = f"https://{endpoint}"
    endpoint = endpoint.rstrip("/")
    if endpoint and not _is_endpoint(endpoint):
        raise GiveUp(
            f"{_ENDPOINT} is no address of a server: write a host, or scheme, host and port, such "
            "as https://secretmanager.internal.example:8443.",
            reason="InvalidSetting",
        )
    return GoogleSettings(endpoint=endpoint)


def _is_endpoint(url: str) -> bool:
    try:
        parts = urllib.parse.urlsplit(url)
        has_port = parts.port != 0
    except ValueError:
        return False
    plain = not (parts.path or parts.query or parts.fragment or "@" in parts.netloc)
    return parts.scheme in {"http", "https"} and bool(parts.hostname) and plain and has_port
