import os
import stat
from pathlib import Path

import pytest

from externalsecret.errors import GiveUp
from reconciler import scripts
from reconciler.provide import CannotProvideError, provide_scripts
from reconciler.scripts import (
    SCRIPTS,
    load_scripts,
    places,
)


def npm_that(folder: Path, does: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Puts a program named npm before the machine's own."""
    npm = folder / "npm"
    npm.write_text(f"#!/bin/sh\n{does}\n")
    npm.chmod(npm.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")


def test_what_was_provided_is_loaded(tmp_path: Path) -> None:
    folder = provide_scripts()
    lodash, yaml = load_scripts([tmp_path, folder])
    assert "4.17.21" in lodash
    assert "js-yaml 3.14.1" in yaml
    assert all((folder / script.license).is_file() for script in SCRIPTS)


def test_missing_libraries_are_told_with_their_remedy(tmp_path: Path) -> None:
    with pytest.raises(GiveUp) as refused:
        load_scripts([tmp_path])
    assert refused.value.message == (
        "Templates need the JavaScript libraries lodash 4.17.21 and js-yaml 3.14.1, which are not "
        f"in {tmp_path}. Run `python -m reconciler.provide FOLDER` and set HARK_SCRIPTS to that "
        "folder."
    )


def test_a_changed_library_is_not_loaded(tmp_path: Path) -> None:
    for script in SCRIPTS:
        (tmp_path / script.file).write_text("something else")
    with pytest.raises(GiveUp, match=r"lodash-4\.17\.21\.js is not the file of lodash 4\.17\.21"):
        load_scripts([tmp_path])


def test_what_npm_fetched_is_checked_and_not_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    npm_that(tmp_path, "echo forged > lodash-4.17.21.tgz", monkeypatch)
    with pytest.raises(CannotProvideError, match="is not what was published"):
        provide_scripts(tmp_path / "target")
    assert list((tmp_path / "target").iterdir()) == []


def test_a_failed_fetch_is_told_with_its_remedy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    npm_that(tmp_path, "echo no network >&2; exit 1", monkeypatch)
    with pytest.raises(CannotProvideError, match="bring the folder along") as refused:
        provide_scripts(tmp_path / "target")
    assert "no network" in str(refused.value)


def test_what_is_there_is_not_fetched_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = provide_scripts()
    npm_that(tmp_path, "exit 1", monkeypatch)
    assert provide_scripts(folder) == folder


def test_a_named_folder_is_the_only_place() -> None:
    assert places({"HARK_SCRIPTS": "/a", "HOME": "/h"}) == (Path("/a"),)
    package = Path(scripts.__file__).with_name("libraries")
    assert places({"HOME": "/h"}) == (package, Path("/h/.cache/hark/scripts"))
    assert places({"XDG_CACHE_HOME": "/c"}) == (package, Path("/c/hark/scripts"))
    assert places({}) == (package,)
