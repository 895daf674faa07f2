"""Opens the backend that a reference speaks of, and imports its SDK only then.

Fed by the composition with the kind, identity and region of references; feeds reconciler.fetch and
reconciler.sweep.
"""

from externalsecret.identity import Backend as Kind
from externalsecret.reference import Identity
from reconciler.backends.awsclient import AwsAccess
from reconciler.backends.contract import Backend


def open_backend(kind: Kind, identity: Identity, region: str, access: AwsAccess) -> Backend:
    """A backend for one identity and region. Asks the cloud for nothing yet, so it cannot fail."""
    if kind is Kind.SECRETS_MANAGER:
        from reconciler.backends.secretsmanager import (  # noqa: PLC0415 - imports its SDK
            SecretsManager,
        )

        return SecretsManager(access, identity.role_arn, region)
    from reconciler.backends.parameterstore import ParameterStore  # noqa: PLC0415 - as above

    return ParameterStore(access, identity.role_arn, region)
