"""As whom and by which way the listener asks Azure: what the reconciler has for key vaults, handed
over, since the halves know nothing of each other.

Fed by the environment; feeds the plans of Azure's sources and `hark test-event`. Both functions
raise GiveUp (InvalidSetting).
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from reconciler.backends.azurelogs import quieten
from reconciler.backends.azuresettings import azure_settings

if TYPE_CHECKING:
    from reconciler.backends.azurecredential import SharedCredential


def azure_credential(environ: Mapping[str, str]) -> "SharedCredential":
    """A credential for many threads; loads the SDK. Raises Retry (NoCredentials) where a
    certificate cannot be read.
    """
    settings = azure_settings(environ)
    quieten()
    from reconciler.backends.azurecredential import (  # noqa: PLC0415 - its SDK costs 41 MiB
        SharedCredential,
        make_credential,
    )

    return SharedCredential(make_credential(settings))


def azure_proxy(environ: Mapping[str, str]) -> str:
    """The proxy for https that only HTTP_PROXY names; any other the SDKs find by themselves."""
    return azure_settings(environ).proxy
