"""Programs with pins of their own run on their own packages."""

import subprocess
import sys
from pathlib import Path

import pytest

from testbed import pythontool
from testbed.cache import CannotProvideError


def test_a_program_sees_its_own_packages_and_not_the_projects() -> None:
    tool = pythontool.provide_at_once("site")
    asked = "import mkdocs, importlib.util; print(importlib.util.find_spec('kubernetes'))"
    done = subprocess.run(
        [sys.executable, "-S", "-c", asked],
        env=tool.environment(),
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "None\n"


def test_an_unknown_program_is_refused_with_the_way_to_its_lock() -> None:
    with pytest.raises(CannotProvideError, match=r"requirements/elsewhere\.txt would be its lock"):
        pythontool.provide("elsewhere")


def test_a_missing_program_is_not_installed_in_the_midst_of_a_test(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    with pytest.raises(CannotProvideError, match="Run `make tools`"):
        pythontool.provide_at_once("site")


def test_what_pip_says_is_told_where_a_program_cannot_be_installed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path))
    with pytest.raises(CannotProvideError, match="site could not be installed with pip"):
        pythontool.provide("site")
