"""The files that a newcomer looks for, and that they say the same as the rest."""

import re
import tomllib
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def _text(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def test_the_newest_version_of_the_changelog_is_the_projects() -> None:
    versions = re.findall(r"^## \[(\d+\.\d+\.\d+)\] - (\S+)$", _text("CHANGELOG.md"), re.MULTILINE)
    assert versions[0][0] == PROJECT["version"]
    for _, day in versions:
        assert re.fullmatch(r"unreleased|\d{4}-\d{2}-\d{2}", day)


def test_the_sections_of_the_changelog_are_those_of_keep_a_changelog() -> None:
    sections = set(re.findall(r"^### (.*)$", _text("CHANGELOG.md"), re.MULTILINE))
    assert sections
    assert sections <= {"Added", "Changed", "Deprecated", "Removed", "Fixed", "Security"}


def test_the_chart_installs_the_version_that_is_here() -> None:
    chart = yaml.safe_load(_text("charts/hark/Chart.yaml"))
    assert chart["appVersion"] == PROJECT["version"]


def test_the_licence_is_the_one_that_is_declared() -> None:
    assert PROJECT["license"] == "Apache-2.0"
    text = _text("LICENSE")
    assert "Apache License\n" in text
    assert "Version 2.0, January 2004" in text
    assert "END OF TERMS AND CONDITIONS" in text


def test_pre_commit_runs_the_linters_of_make_from_the_same_place() -> None:
    (repo,) = yaml.safe_load(_text(".pre-commit-config.yaml"))["repos"]
    makefile = _text("Makefile")
    names = set()
    for hook in repo["hooks"]:
        program = hook["entry"].split()[0]
        assert hook["language"] == "system"
        names.add(program.removeprefix(".venv/bin/"))
    assert names == {"ruff", "mypy", "lint-imports"}
    assert all(f"$(BIN)/{name}" in makefile for name in names)


def test_what_the_pages_for_contributors_name_is_there() -> None:
    targets = set(re.findall(r"^([a-z-]+):.*## ", _text("Makefile"), re.MULTILINE))
    for page in ("CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md"):
        text = _text(page)
        assert set(re.findall(r"`make ([a-z-]+)", text)) <= targets
        files = re.findall(r"`((?:\.?[\w-]+/)*\.?[\w-]+(?:\.[a-z]+|/))`", text)
        assert [name for name in files if not (ROOT / name).exists()] == []


def test_a_reader_of_security_can_verify_what_the_release_signs() -> None:
    text = _text("SECURITY.md")
    assert r"release\.yml@refs/tags/v" in text
    assert "cosign verify ghcr.io/OWNER/hark:" in text
    assert '"v*.*.*"' in _text(".github/workflows/release.yml")
