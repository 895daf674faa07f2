"""docs/migration.md holds: every row of its tables is looked up in the tests and the code."""

import ast
import re
from collections.abc import Callable

import pytest

from externalsecret.dialect.contract import Defaults
from externalsecret.errors import GiveUp, HarkError
from externalsecret.manifest import read_manifest
from externalsecret.redacted import Redacted
from fakes.resources import external_secret
from hark.formerly import IGNORED
from hark.settings import read_settings
from hark.variables import VARIABLES
from pages import ROOT, Row, code, table
from reconciler.backends import vaulterrors
from reconciler.backends.awserrors import parameter_not_found, translated
from reconciler.permissions import Permissions, PermissionSettings, RequestedKey
from reconciler.render import render
from reconciler.report import Outcome, status_patch

PAGE = "migration.md"
DIFFERENCES = table(PAGE, "## What differs on purpose")
TEXTS = table(PAGE, "## Texts in the status")
VARIABLE_ROWS = table(PAGE, "## Variables of the environment")
# Read by the clouds' own libraries, which stand in no line of ours.
OF_THE_SDKS = {
    "GOOGLE_APPLICATION_CREDENTIALS",
    "AZURE_CLIENT_ID",
    "AZURE_CLIENT_SECRET",
}
NAMING = "externalsecrets.kubernetes-client.io/permitted-key-name"
ROLES = "iam.amazonaws.com/permitted"


def test_every_difference_has_its_row() -> None:
    assert [row["#"] for row in DIFFERENCES] == [f"D{number}" for number in range(1, 33)]


@pytest.mark.parametrize("row", DIFFERENCES, ids=lambda row: row["#"])
def test_every_difference_is_told_and_proved_by_a_test_that_is_there(row: Row) -> None:
    assert row["KES 8.5.5"]
    assert row["Hark"]
    proofs = re.findall(r"`([^`]+)::([^`]+)`", row["proved by"])
    assert proofs
    for file, name in proofs:
        tree = ast.parse((ROOT / file).read_text(encoding="utf-8"))
        assert name in {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}


# The texts.


def _manifest_error(**spec: object) -> HarkError:
    with pytest.raises(GiveUp) as refusal:
        read_manifest(spec, Defaults(region="eu-central-1"))
    return refusal.value


def _missing_property() -> HarkError:
    spec = {"data": [{"key": "<key>", "name": "x", "property": "<property>"}]}
    manifest = read_manifest({"backendType": "secretsManager", **spec}, Defaults("eu-central-1"))
    (entry,) = manifest.references
    return render(manifest.items, {entry: Redacted(b"{}")}, {}).errors[entry]


def _aws() -> HarkError:
    from botocore.exceptions import ClientError  # noqa: PLC0415 - the SDK costs a second

    said = "Secrets Manager can't find the specified secret."
    error = {"Error": {"Code": "ResourceNotFoundException", "Message": said}}
    with pytest.raises(GiveUp) as refusal, translated("<key>"):
        raise ClientError(error, "GetSecretValue")  # type: ignore[arg-type]
    return refusal.value


def _denial(
    annotations: dict[str, str], *, roles: tuple[str, ...] = (), enforced: bool = False
) -> Callable[[], HarkError]:
    """Denied for a key and a path that are named as the page names them."""

    def deny() -> HarkError:
        permissions = Permissions(PermissionSettings(enforced=enforced))
        keys = [RequestedKey("<path>", is_path=True)] if "path" in annotations else []
        keys += [RequestedKey("<key>")]
        kept = {name: text for name, text in annotations.items() if name != "path"}
        try:
            with pytest.raises(GiveUp) as refusal:
                permissions.check(("<namespace>", "<name>"), keys, roles, kept)
        finally:
            permissions.close()
        return refusal.value

    return deny


CASES: dict[str, Callable[[], HarkError]] = {
    "Could not find property": _missing_property,
    "Secrets Manager can't find": _aws,
    "ParameterNotFound: ": lambda: parameter_not_found("<key>"),
    "kvVersion": lambda: _manifest_error(
        backendType="vault", kvVersion=3, data=[{"key": "secret/data/db", "name": "x"}]
    ),
    "Status 404": lambda: vaulterrors.refusal(404, None, "secret/data/db", {}),
    "_getByPath": lambda: _manifest_error(
        backendType="secretsManager", data=[{"path": "/a", "name": "x"}]
    ),
    "Namespace annotation is required": _denial({}, enforced=True),
    "Missing required annotation": _denial({"other": "x"}, enforced=True),
    ": key name <key>": _denial({NAMING: "regex"}),
    ": path <path>": _denial({NAMING: "regex", "path": ""}),
    "namespace does not allow": _denial({ROLES: "regex"}, roles=("<role>",)),
    "Invalid regular expression": _denial({NAMING: "("}),
}


@pytest.mark.parametrize("row", TEXTS, ids=lambda row: row["text"][:60])
def test_the_status_says_what_it_said(row: Row) -> None:
    text = code(row["text"])
    (make,) = [case for part, case in CASES.items() if part in text]
    patch = status_patch(external_secret(), Outcome(make()), "2026-01-01T00:00:00.000Z")
    assert patch is not None
    wanted = text.replace("<annotation>", NAMING).replace("<regex>", "regex")
    assert patch["status"]["status"].startswith(wanted)


@pytest.mark.parametrize(
    ("message", "cleaned"),
    [
        ("one\ntwo\r\nthree", "onetwothree"),
        ("a   b  c", "a b c"),
        ("a\tb", "a b"),
        ("a \n b", "a b"),
        ("a\t\tb", "a  b"),
    ],
)
def test_messages_are_cleaned_as_they_were(message: str, cleaned: str) -> None:
    error = GiveUp(message, reason="BadValue")
    patch = status_patch(external_secret(), Outcome(error), "2026-01-01T00:00:00.000Z")
    assert patch is not None
    assert patch["status"]["status"] == f"ERROR, {cleaned}"


# The variables.


def _sources() -> str:
    files = [
        path
        for folder in ("hark", "externalsecret", "reconciler", "listener")
        for path in (ROOT / folder).rglob("*.py")
        if path.name != "formerly.py"
    ]
    return "\n".join(path.read_text(encoding="utf-8") for path in files)


def _is_read(name: str) -> bool:
    prefix, _, rest = name.partition("_")
    service = rest.partition("_")[0]
    pattern = f"{prefix}_{{service}}_{rest.partition('_')[2]}"
    known = {variable.name for variable in VARIABLES} | OF_THE_SDKS
    text = _sources()
    is_formed = service in {"SM", "SSM", "STS"} and pattern in text
    return name in known or f'"{name}"' in text or is_formed


@pytest.mark.parametrize("row", VARIABLE_ROWS, ids=lambda row: row["variable"])
def test_every_variable_of_kes_is_treated_as_the_page_says(row: Row) -> None:
    name, treated = row["variable"], row["Hark"]
    assert treated in {"honoured", "ignored with a warning", "not needed"}
    assert (treated == "honoured") is _is_read(name)
    assert (treated == "ignored with a warning") is (name in IGNORED)
    if name in IGNORED:
        warnings = read_settings({name: "x"}).warnings
        assert [text for text in warnings if text.startswith(f"{name} has no effect.")]
