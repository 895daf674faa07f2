"""What the listener needs of a login at Vault, made of what the reconciler's backends know of it.

Fed by reconciler.backends; feeds listener.sources.vaultpoll (Eyes) and vaultsocket (Door).
Guarantees: nothing here asks for a value; only metadata is looked at, and where the mount of a path
ends.
"""

import ssl
from collections.abc import Mapping, Sequence

from externalsecret.dialect.vault import V2
from externalsecret.errors import GiveUp, HarkError
from externalsecret.redacted import Redacted
from externalsecret.reference import Identity, Reference
from listener.sources.vaultnews import Look, Sight, Unseen
from reconciler.backends import reasons
from reconciler.backends.contract import CannotLook, Versions
from reconciler.backends.contract import Look as Looked
from reconciler.backends.vault import Vault
from reconciler.backends.vaultaccess import VaultAccess
from reconciler.backends.vaultsettings import VaultSettings

_EVENTS = "events"


class VaultEyes:
    """Implements listener.sources.vaultnews.Eyes."""

    def __init__(self, access: VaultAccess, identity: Identity) -> None:
        self._access = access
        self._vault = Vault(access, identity, V2)

    def look(self, references: Sequence[Reference]) -> Mapping[str, Look]:
        return {entry: _seen(look) for entry, look in self._vault.look(references).items()}

    def close(self) -> None:
        self._access.close()


class VaultDoor:
    """Implements listener.sources.vaultsocket.Door."""

    def __init__(self, settings: VaultSettings, access: VaultAccess, identity: Identity) -> None:
        self._settings = settings
        self._access = access
        self._identity = identity
        scheme, _, rest = settings.address.partition("://")
        parts = [f"{scheme.replace('http', 'ws')}://{rest}", "v1", settings.prefix]
        self.address = "/".join(filter(None, parts))

    def trust(self) -> ssl.SSLContext | None:
        settings = self._settings
        if not self.address.startswith("wss:"):
            return None
        context = ssl.create_default_context(cafile=settings.ca_file or None)
        if not settings.ca_file and settings.extra_ca_file:
            context.load_verify_locations(cafile=settings.extra_ca_file)
        if not settings.verify and not settings.ca_file:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        return context

    def token(self) -> Redacted:
        return self._access.session(self._identity, _EVENTS).token().secret


def _seen(look: Looked) -> Look:
    if isinstance(look, Versions):
        return Sight(look.current, is_gone=bool(look.gone) or look.current is None)
    if isinstance(look, CannotLook):
        return Unseen("denied", str(look))
    if isinstance(look, GiveUp) and look.reason == reasons.NOT_FOUND:
        return Sight(None, is_gone=True)
    if isinstance(look, GiveUp) and look.reason in {reasons.INVALID_KEY, reasons.REFUSED}:
        return Unseen("refused", look.message)
    return _of_the_listener(look)


def _of_the_listener(error: HarkError) -> HarkError:
    if error.reason != reasons.ROLE_DENIED:
        return error
    # The backend's sentence speaks of the reconciler's manifests.
    return GiveUp(
        f"{error.message} For the listener these are HARK_VAULT_LISTENER_ROLE and "
        "HARK_VAULT_LISTENER_MOUNT_POINT.",
        reason=error.reason,
    )
