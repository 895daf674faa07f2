"""What docs/permissions.md says of expressions is what Hark does."""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from externalsecret.errors import GiveUp
from reconciler.permissions import Permissions, PermissionSettings, RequestedKey

PAGE = (Path(__file__).resolve().parent.parent / "docs/permissions.md").read_text(encoding="utf-8")
NAMING = PermissionSettings().naming_annotation


def _rows(head: str) -> list[list[str]]:
    """The cells of the table below this head, without backticks."""
    table = PAGE.partition(f"| {head} ")[2].split("\n\n")[0].splitlines()[2:]
    rows = [re.split(r"(?<!\\)\|", line)[1:-1] for line in table]
    return [[cell.strip().strip("`").replace(r"\|", "|") for cell in row] for row in rows]


def _annotations() -> Mapping[str, str]:
    example: dict[str, Any] = yaml.safe_load(PAGE.partition("```yaml\n")[2].partition("```")[0])
    annotations: dict[str, str] = example["metadata"]["annotations"]
    return annotations


@pytest.fixture(scope="module")
def permissions() -> Iterator[Mapping[bool, Permissions]]:
    found = {whole: Permissions(PermissionSettings(whole=whole)) for whole in (False, True)}
    yield found
    for each in found.values():
        each.close()


def _said(permissions: Permissions, annotations: Mapping[str, str], key: str, role: str) -> str:
    try:
        roles = [role] if role else []
        permissions.check(("team-a", "shop"), [RequestedKey(key)], roles, annotations)
    except GiveUp as denial:
        return denial.message
    return ""


@pytest.mark.parametrize(
    ("key", "role", "outcome"), _rows("an ExternalSecret in `team-a` asks for")
)
def test_the_example_allows_and_denies_as_the_page_says(
    permissions: Mapping[bool, Permissions], key: str, role: str, outcome: str
) -> None:
    said = _said(permissions[False], _annotations(), key, role)
    assert ("denied" if said else "served") == outcome


def test_the_status_that_the_page_shows_is_told(permissions: Mapping[bool, Permissions]) -> None:
    said = _said(permissions[False], _annotations(), "team-b/db", "")
    assert f"\n    ERROR, {said}\n" in PAGE


@pytest.mark.parametrize(("pattern", "key", "matches", "full"), _rows("expression | key"))
def test_each_expression_matches_as_the_page_says(
    permissions: Mapping[bool, Permissions], pattern: str, key: str, matches: str, full: str
) -> None:
    for whole, expected in ((False, matches), (True, full)):
        said = _said(permissions[whole], {NAMING: pattern}, key, "")
        assert ("no" if said else "yes") == expected
