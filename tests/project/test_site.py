"""The static site of docs/: it builds, and a page that nobody would find fails the build."""

import re
import shutil
from pathlib import Path

import pytest

from testbed import site


@pytest.fixture
def copied(tmp_path: Path) -> Path:
    shutil.copytree(site.ROOT / "docs", tmp_path / "docs")
    return Path(shutil.copy(site.ROOT / "mkdocs.yml", tmp_path))


def test_every_page_becomes_a_page_of_the_site(tmp_path: Path) -> None:
    site.build(site.ROOT / "mkdocs.yml", tmp_path)
    built = {page.parent.relative_to(tmp_path) for page in tmp_path.rglob("index.html")}
    for page in (site.ROOT / "docs").rglob("*.md"):
        name = page.relative_to(site.ROOT / "docs").with_suffix("")
        assert name.parent / re.sub("^(index|README)$", "", name.name) in built, page


@pytest.mark.parametrize(
    ("page", "text"),
    [
        ("stray.md", "# Stray\n"),
        ("sweep.md", "[to nowhere](nowhere.md)\n"),
        ("sweep.md", "[to no such part](cost.md#no-such-part)\n"),
    ],
)
def test_what_a_reader_could_not_follow_fails_the_build(
    copied: Path, tmp_path: Path, page: str, text: str
) -> None:
    (copied.parent / "docs" / page).write_text(text, encoding="utf-8")
    with pytest.raises(site.SiteError, match=re.escape(page)):
        site.build(copied, tmp_path / "site")
