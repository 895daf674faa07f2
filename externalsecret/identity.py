"""SecretId: which backend secret a manifest reads and which one a message speaks of.

Fed by the manifests (externalsecret.manifest), by what the backends answered (synced.resource) and
by the listener's parsers; feeds the listener's index, which joins the two sides. It is built only
by the functions of this module, so that both sides normalise alike.

Guarantees: two ids match only within one backend, and only where every part that both sides know
(partition, account, region) is equal. A part that one side does not know ("") excludes nothing. A
bare name never matches across backends, nor across accounts or regions that are known; the id and
the number of a Google project are two parts, of which each side may know but one. Does not
guarantee that a partial ARN is read right: a name that ends like an ARN's random suffix has two
readings, and both are kept (`name`, `other_name`).

AWS facts: ARNs end with `-` and six random characters ("Secrets Manager identifiers" in the user
guide); a parameter's leading slash folds into its ARN ("parameter/a/b" for "/a/b").

Google facts: Secret Manager takes a project's id and its number for the same; what it writes itself
(answers, notifications, most audit logs) names the number ("Resource names" in the API reference).

Azure facts: vault names are unique in the world, and identifiers are equal whatever their case
("Object identifiers" in the Key Vault overview).
"""

import re
from dataclasses import dataclass, replace
from enum import StrEnum

_ARN_PARTS = 6
_SUFFIX = re.compile(r"-[A-Za-z0-9]{6}\Z")
_GLOBAL = "global"
_GOOGLE_RESOURCE = re.compile(
    r"(?://secretmanager\.googleapis\.com/)?projects/(?P<project>[^/]+)"
    r"(?:/locations/(?P<location>[^/]+))?/secrets/(?P<name>[^/]+)(?:/versions/[^/]+)?"
)
_KEY_VAULT_URL = re.compile(
    r"https://(?P<vault>[a-z0-9-]+)\.[a-z0-9.-]+(?::443)?/(?:secrets|certificates|keys)"
    r"/(?P<name>[a-z0-9-]+)(?:/(?P<version>[a-z0-9]+))?/?",
    re.ASCII | re.IGNORECASE,
)


class Backend(StrEnum):
    """The systems that hold secrets; the value is the first part of a ledger key."""

    SECRETS_MANAGER = "secretsmanager"
    PARAMETER_STORE = "ssm"
    GCP_SECRET_MANAGER = "gcpsecretmanager"  # noqa: S105 - a system's name, no password
    KEY_VAULT = "keyvault"
    VAULT = "vault"


@dataclass(frozen=True, slots=True)
class SecretId:
    """A secret of a backend. Empty parts are not known; they match anything."""

    backend: Backend
    name: str
    other_name: str = ""
    region: str = ""
    account: str = ""
    partition: str = ""
    other_account: str = ""
    """Another name of the account: a Google project has an id and a number."""

    def names(self) -> tuple[str, ...]:
        """The readings of the name, likelier first."""
        if self.other_name:
            return (self.name, self.other_name)
        return (self.name,)

    def matches(self, other: "SecretId") -> bool:
        """Whether both may be the same secret; see the module's guarantees."""
        return (
            self.backend is other.backend
            and not set(self.names()).isdisjoint(other.names())
            and self.shares_scope(other)
        )

    def shares_scope(self, other: "SecretId") -> bool:
        """Whether no part of the scope that both know differs."""
        return (
            _agree(self.region, other.region)
            and self._shares_account(other)
            and _agree(self.partition, other.partition)
        )

    def _shares_account(self, other: "SecretId") -> bool:
        ours, theirs = self.accounts(), other.accounts()
        if not ours.isdisjoint(theirs):
            return True
        if not ours or not theirs:
            return True
        # Of a Google project one side may know the id alone and the other the number: that tells
        # nothing.
        return self.backend is Backend.GCP_SECRET_MANAGER and not _are_comparable(ours, theirs)

    def is_surely_of(self, other: "SecretId") -> bool:
        """Whether both know the account by a common name, or one of them knows none at all."""
        ours, theirs = self.accounts(), other.accounts()
        return not ours or not theirs or not ours.isdisjoint(theirs)

    def accounts(self) -> set[str]:
        """Every name of the account that is known."""
        return {self.account, self.other_account} - {""}

    def within(self, *, region: str = "", account: str = "", partition: str = "") -> "SecretId":
        """The same id with the parts filled in that it did not know."""
        return replace(
            self,
            region=self.region or region,
            account=self.account or account,
            partition=self.partition or partition,
        )


def _are_comparable(ours: set[str], theirs: set[str]) -> bool:
    """Whether both hold a number, or both an id."""
    numbers, their_numbers = (set(filter(str.isdecimal, names)) for names in (ours, theirs))
    return bool((numbers and their_numbers) or (ours - numbers and theirs - their_numbers))


def _agree(one: str, other: str) -> bool:
    return not one or not other or one == other


@dataclass(frozen=True, slots=True)
class Arn:
    """The parts of an Amazon Resource Name."""

    partition: str
    service: str
    region: str
    account: str
    resource: str


def parse_arn(text: str) -> Arn | None:
    """The parts of an ARN, or None when the text is none."""
    parts = text.split(":", 5)
    if (
        len(parts) != _ARN_PARTS
        or parts[0] != "arn"
        or not parts[1]
        or not parts[2]
        or not parts[5]
    ):
        return None
    return Arn(parts[1], parts[2], parts[3], parts[4], parts[5])


def account_of_role(role_arn: str) -> tuple[str, str]:
    """(partition, account) of an IAM role's ARN; empty strings where it is none."""
    arn = parse_arn(role_arn)
    if arn is None:
        return ("", "")
    return (arn.partition, arn.account)


def secrets_manager(key: str) -> SecretId:
    """The id of a name or an ARN as people write it: whole, or without the six characters at its
    end. Where the text leaves both open, the id keeps both readings of the name.
    """
    arn = parse_arn(key)
    if arn is None or arn.service != "secretsmanager" or not arn.resource.startswith("secret:"):
        return SecretId(Backend.SECRETS_MANAGER, key)
    typed = arn.resource.removeprefix("secret:")
    stripped = _SUFFIX.sub("", typed)
    return SecretId(
        Backend.SECRETS_MANAGER,
        stripped,
        other_name="" if stripped == typed else typed,
        region=arn.region,
        account=arn.account,
        partition=arn.partition,
    )


def secrets_manager_arn(full_arn: str) -> SecretId | None:
    """The id of an ARN that AWS itself wrote: it is whole, so its suffix is no part of the name.

    None when the text is no ARN of Secrets Manager.
    """
    secret = secrets_manager(full_arn)
    if not secret.account and not secret.region:
        return None
    return replace(secret, other_name="")


def parameter(key: str) -> SecretId:
    """The id of a parameter, from a name or an ARN, without `:version` or `:label`."""
    arn = parse_arn(key)
    if arn is None or arn.service != "ssm" or not arn.resource.startswith("parameter/"):
        return SecretId(Backend.PARAMETER_STORE, key.removeprefix("/"))
    return SecretId(
        Backend.PARAMETER_STORE,
        arn.resource.removeprefix("parameter/"),
        region=arn.region,
        account=arn.account,
        partition=arn.partition,
    )


def google_secret(name: str, project: str = "", location: str = "") -> SecretId:
    """The id of a secret of Google's Secret Manager; `project` is an id or a number, as known.

    Without a `location` it is a global secret, which no regional one of that name is.
    """
    return SecretId(Backend.GCP_SECRET_MANAGER, name, region=location or _GLOBAL, account=project)


def google_resource(resource: str) -> SecretId | None:
    """The id of a resource name that Google wrote (projects/1/secrets/x, with or without
    /versions/3); None where the text is none.
    """
    found = _GOOGLE_RESOURCE.fullmatch(resource)
    if found is None:
        return None
    return google_secret(found["name"], found["project"], found["location"] or "")


def google_learned(secret: SecretId, resource: str) -> SecretId:
    """The id of a manifest, which knows from the resource name of an answer how else its project is
    called: messages name either.
    """
    answered = google_resource(resource)
    if answered is None or answered.account == secret.account:
        return secret
    if not secret.account:
        return replace(secret, account=answered.account)
    return replace(secret, other_account=answered.account)


def key_vault(vault: str, name: str) -> SecretId:
    """The id of a secret in an Azure key vault; Azure tells no upper from lower case."""
    return SecretId(Backend.KEY_VAULT, name.lower(), account=vault.lower())


def key_vault_url(url: str) -> tuple[SecretId, str] | None:
    """The id and the version ("" if none) that an object identifier of Key Vault names.

    A certificate or key has the name and the version of its secret. None when the text is no such
    identifier.
    """
    parts = _KEY_VAULT_URL.fullmatch(url)
    if parts is None:
        return None
    return key_vault(parts["vault"], parts["name"]), (parts["version"] or "").lower()


def vault(path: str) -> SecretId:
    """The id of what lies at a path of Vault's API, as it stands after /v1/: for the second
    key-value engine with its `data` segment (`secret/data/app`).
    """
    return SecretId(Backend.VAULT, path)
