"""Reference: one distinct read of a backend that an ExternalSecret's spec asks for.

Fed by externalsecret.manifest; feeds the listener's index (which secret, which label) and the
reconciler's backends (which key, which selector). Its `entry` is the ledger key:
backend/scope/name#selector.

Guarantees: equal specs give equal entries in both halves, given equal Defaults. Two items that need
the same read share one reference.
"""

from dataclasses import dataclass
from enum import StrEnum

from externalsecret.identity import SecretId


class Select(StrEnum):
    """How a reference chooses among the versions of its secret."""

    LABEL = "label"
    """The version that carries a staging label (AWSCURRENT unless the spec names another)."""
    VERSION = "version"
    """One version for good."""
    LATEST = "latest"
    """Whatever is newest."""
    PATH = "path"
    """Every member directly below a path."""
    TREE = "tree"
    """Every member below a path, however deep."""


@dataclass(frozen=True, slots=True)
class Selector:
    """A way to choose, with the label or version it names ("" where it names none)."""

    select: Select
    value: str = ""

    def is_pinned(self) -> bool:
        """Whether another version can never be what this selector reads."""
        return self.select is Select.VERSION

    def is_path(self) -> bool:
        return self.select in {Select.PATH, Select.TREE}


@dataclass(frozen=True, slots=True)
class Reference:
    """One distinct read: which secret, as the user wrote its key, and which of its versions."""

    entry: str
    secret: SecretId
    key: str
    selector: Selector
    scope: str
    """What the key is a name within: an AWS region; a GCP project, `project/location` for a
    regional secret; the name of a key vault; the version of Vault's key-value engine.
    """


@dataclass(frozen=True, slots=True)
class Identity:
    """As whom a backend is asked; two ExternalSecrets share a read only where this is equal."""

    role_arn: str = ""
    vault_role: str = ""
    vault_mount: str = ""
    """Where the auth method is mounted that Vault is logged in to."""
