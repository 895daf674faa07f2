"""Azure Key Vault behind the face of worlds.backends: the double, reached by its real names."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from externalsecret import identity
from externalsecret.identity import Backend as Kind
from externalsecret.reference import Identity, Reference, Select, Selector
from reconciler.backends.awsclient import AwsAccess
from reconciler.backends.awssettings import AwsSettings
from reconciler.backends.azureaccess import AzureAccess
from reconciler.backends.azuresettings import AzureSettings
from reconciler.backends.contract import Backend
from reconciler.backends.opening import Access, open_backend
from testbed import entra
from testbed.azure import AzureDouble
from testbed.azurecall import Answer, Call, refusal
from worlds.backends import RETRY_AFTER, RemoteWorld, Trouble
from worlds.spine import unique

Ending = Callable[[], None]

SECRET_CALLS = frozenset(("get", "list", "versions"))
DENIED = refusal(
    403,
    "Forbidden",
    "Caller is not authorized to perform action on resource.\r\nIf role assignments, deny "
    "assignments or role definitions were changed recently, please observe propagation time.",
    "ForbiddenByRbac",
)
THROTTLED = refusal(
    429,
    "Throttled",
    "Request was not processed because too many requests were received.",
    headers={"Retry-After": str(RETRY_AFTER)},
)
BROKEN = refusal(503, "ServiceUnavailable", "Try later.")
_TROUBLES = {Trouble.DENIED: DENIED, Trouble.THROTTLED: THROTTLED, Trouble.BROKEN: BROKEN}


def _nothing() -> None:
    """The end of no trouble."""


class KeyVaultWorld(RemoteWorld):
    largest = 25 * 1024  # "About Azure Key Vault secrets"
    keeps_bytes = False
    calls_for_fifty = 50
    # Two pages of the list, which tells nothing yet of what was changed a moment ago.
    calls_to_sweep_fifty = 52

    def __init__(self, azure: AzureDouble) -> None:
        """The environment must already lead the SDK to the double."""
        self.azure = azure
        # The SDK remembers challenges by host, for the whole process.
        self.vault = unique("kv")
        azure.vaults.create(self.vault)
        self.settings = AzureSettings(
            tenant_id=entra.TENANT,
            client_id=entra.CLIENT,
            client_secret=azure.entra.client_secret,
        )
        self.access = AzureAccess(self.settings)
        self.backend = self.open(self.access)
        self._end: Ending = _nothing

    def open(self, access: AzureAccess, vault: str = "") -> Backend:
        """A backend for a vault, the world's own if none is named."""
        both = Access(AwsAccess(AwsSettings()), azure=access)
        return open_backend(Kind.KEY_VAULT, Identity(), vault or self.vault, both)

    def put(self, name: str, value: bytes) -> str:
        return self.azure.vaults.put(self.vault, name, value.decode())

    def delete(self, name: str) -> None:
        self.azure.vaults.delete(self.vault, name)

    def current(self, name: str) -> Reference:
        return self.reference(name, Selector(Select.LATEST))

    def pinned(self, name: str, version: str) -> Reference:
        return self.reference(name, Selector(Select.VERSION, version))

    def reference(self, name: str, selector: Selector) -> Reference:
        entry = f"keyvault/{self.vault}/{name}#{selector.select}:{selector.value}"
        secret = identity.key_vault(self.vault, name)
        return Reference(entry, secret, name, selector, self.vault)

    def befall(self, trouble: Trouble) -> None:
        self.heal()
        self._end = self.refuse(_TROUBLES[trouble])

    def heal(self) -> None:
        self._end()
        self._end = _nothing

    def refuse(self, refused: Answer, *operations: str) -> Ending:
        """Answer these calls of the vault so, all that ask for secrets if none is named."""

        def reply(call: Call) -> Answer | None:
            is_meant = call.operation in (operations or SECRET_CALLS)
            return refused if is_meant and call.vault == self.vault else None

        return self.azure.when(reply)

    def calls(self) -> int:
        counts = self.azure.counts(self.vault)
        return sum(counts[one] for one in SECRET_CALLS)

    def backend_at(self, address: str, timeout: float) -> Backend:
        there = replace(
            self.settings,
            proxy=f"http://{address}",
            connect_timeout=timeout,
            read_timeout=timeout,
        )
        return self.open(AzureAccess(there))

    def spec(self, *names: str) -> dict[str, Any]:
        items = [{"key": name, "name": name} for name in names]
        return {"backendType": "azureKeyVault", "keyVaultName": self.vault, "data": items}

    def values_asked(self) -> list[str]:
        calls = [call for call in self.azure.calls() if call.vault == self.vault]
        return [call.path.split("/")[2] for call in calls if call.operation == "get"]

    def close(self) -> None:
        super().close()
        self.access.close()
