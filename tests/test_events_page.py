"""docs/events.md names every reason for which Hark writes an Event, and no other."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from pages import ROOT, table
from reconciler.backends import reasons

PAGE = "events.md"
HEADINGS = (
    "## On an ExternalSecret: how it fares",
    "## On an ExternalSecret: its changes",
    "## On an ExternalSecret: what is wrong with it",
    "## On an ExternalSecret: what the backend says",
    "## On an ExternalSecret: its Secret",
    "## On others",
)
ROWS = [row for heading in HEADINGS for row in table(PAGE, heading)]
# A process that ends with these, before it serves any object.
AT_THE_START = {"CrdMissing", "CrdOutdated", "NoCluster"}
# Words that say something by themselves: their arguments are reasons, or types of Events.
TELLERS = {"record", "_say", "tell", "_tell", "Remark"}
TYPES = {"Normal", "Warning"}
REASON = re.compile(r"[A-Z][a-z]+(?:[A-Z][a-z]+)*")


def _named(row: dict[str, str]) -> list[str]:
    return re.findall(r"`(\w+)`", row["reason"])


def _texts(tree: ast.Module) -> dict[str, str]:
    """The module's own constants."""
    return {
        target.id: line.value.value
        for line in tree.body
        if isinstance(line, ast.Assign)
        and isinstance(line.value, ast.Constant)
        and isinstance(line.value.value, str)
        for target in line.targets
        if isinstance(target, ast.Name)
    }


def _spoken(path: Path, *, errors: bool) -> Iterator[str]:
    """What stands where a module says a reason: to an Event, and of an error if that is wanted."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    texts = _texts(tree)
    for node in ast.walk(tree):
        said: list[ast.expr] = []
        if isinstance(node, ast.Call):
            name = node.func.attr if isinstance(node.func, ast.Attribute) else ""
            name = node.func.id if isinstance(node.func, ast.Name) else name
            said += node.args if name in TELLERS else []
            said += [one.value for one in node.keywords if errors and one.arg == "reason"]
        elif isinstance(node, ast.Subscript) and isinstance(node.ctx, ast.Store):
            said = [node.slice] if "self.news" in ast.unparse(node) else said
            said = [node.slice] if "self.warnings" in ast.unparse(node) else said
        for one in said:
            if isinstance(one, ast.Constant) and isinstance(one.value, str):
                yield one.value
            elif isinstance(one, ast.Name):
                yield texts.get(one.id, "")


def _in_the_code() -> set[str]:
    found = {text for text in vars(reasons).values() if isinstance(text, str)}
    for folder in ("reconciler", "externalsecret", "listener", "hark"):
        # An error of the listener's ends in a metric and in the text of SourceFailed.
        errors = folder in {"reconciler", "externalsecret"}
        for path in (ROOT / folder).rglob("*.py"):
            found |= set(_spoken(path, errors=errors))
    return {text for text in found if REASON.fullmatch(text)} - TYPES - AT_THE_START


def test_the_page_has_every_reason_of_the_code_and_no_other_once() -> None:
    named = [name for row in ROWS for name in _named(row)]
    assert sorted(named) == sorted({*_in_the_code(), "Suspended"})


def test_good_news_and_no_other_is_normal() -> None:
    normal = {name for row in ROWS if row["type"] == "Normal" for name in _named(row)}
    assert normal == {"Synced", "Suspended", "Adopted", "SourceRecovered"}
    assert {row["type"] for row in ROWS} == TYPES
