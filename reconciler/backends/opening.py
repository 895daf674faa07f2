"""Opens the backend that a reference speaks of, and imports its SDK only then.

Fed by the composition with the kind, identity and scope of references; feeds reconciler.fetch and
reconciler.sweep.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from externalsecret.identity import Backend as Kind
from externalsecret.reference import Identity
from reconciler.backends.awsclient import AwsAccess
from reconciler.backends.awssettings import aws_settings
from reconciler.backends.azureaccess import AzureAccess
from reconciler.backends.azuresettings import AzureSettings, azure_settings
from reconciler.backends.contract import Backend
from reconciler.backends.googleclient import GoogleAccess
from reconciler.backends.googlesettings import GoogleSettings, google_settings
from reconciler.backends.vaultaccess import VaultAccess
from reconciler.backends.vaultsettings import VaultSettings, vault_settings


@dataclass(frozen=True, slots=True)
class Access:
    """Clients and credentials of every system, each made when it is first used."""

    aws: AwsAccess
    google: GoogleAccess = field(default_factory=lambda: GoogleAccess(GoogleSettings()))
    azure: AzureAccess = field(default_factory=lambda: AzureAccess(AzureSettings()))
    vault: VaultAccess = field(default_factory=lambda: VaultAccess(VaultSettings()))

    def close(self) -> None:
        """Let go of all of them; waits for no call."""
        self.aws.close()
        self.google.close()
        self.azure.close()
        self.vault.close()


def read_access(environ: Mapping[str, str]) -> Access:
    """How the environment says that each system is reached. Raises GiveUp (InvalidSetting)."""
    return Access(
        AwsAccess(aws_settings(environ)),
        google=GoogleAccess(google_settings(environ)),
        azure=AzureAccess(azure_settings(environ)),
        vault=VaultAccess(vault_settings(environ)),
    )


def open_backend(kind: Kind, identity: Identity, scope: str, access: Access) -> Backend:
    """A backend for one identity and scope. Asks the cloud for nothing yet, so it cannot fail."""
    if kind is Kind.SECRETS_MANAGER:
        from reconciler.backends.secretsmanager import (  # noqa: PLC0415 - imports its SDK
            SecretsManager,
        )

        return SecretsManager(access.aws, identity.role_arn, scope)
    if kind is Kind.GCP_SECRET_MANAGER:
        from reconciler.backends.googlesecretmanager import (  # noqa: PLC0415 - as above
            GoogleSecretManager,
        )

        return GoogleSecretManager(access.google, scope)
    if kind is Kind.KEY_VAULT:
        from reconciler.backends.keyvault import KeyVault  # noqa: PLC0415 - as above

        return KeyVault(access.azure, scope)
    if kind is Kind.VAULT:
        from reconciler.backends.vault import Vault  # noqa: PLC0415 - as above

        return Vault(access.vault, identity, scope)
    from reconciler.backends.parameterstore import ParameterStore  # noqa: PLC0415 - as above

    return ParameterStore(access.aws, identity.role_arn, scope)
