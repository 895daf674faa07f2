"""Provides Python programs that must not share the project's environment, such as linters with pins
of their own.

Fed by the locks requirements/NAME.txt; used by the tests and by make. Each program has a folder of
its own in the cache, installed once per machine, lock and Python, from packages that have the
pinned hash. It sees its own packages and Python's, and nothing of .venv.
`python -m testbed.pythontool NAME ...` installs; `make tools` does so.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from testbed import cache
from testbed.nodejs import pip

_LOCKS = Path(__file__).parent.parent / "requirements"


@dataclass(frozen=True, slots=True)
class PythonTool:
    """Packages of one lock, ready to run."""

    packages: Path

    def command(self, module: str) -> list[str]:
        """What runs a module of it; to be completed by arguments, with `environment`."""
        # Without the site module nothing but PYTHONPATH and Python's own library is looked at.
        return [sys.executable, "-S", "-m", module]

    def environment(self) -> dict[str, str]:
        """What `command` is to be run in; a caller may add to it."""
        return {
            "PATH": os.environ["PATH"],
            "HOME": str(self.packages),
            "PYTHONPATH": str(self.packages),
            "PYTHONDONTWRITEBYTECODE": "1",
        }


def provide(name: str, progress: cache.Progress = cache.print_progress) -> PythonTool:
    """Return the program, installed where it is absent; raises CannotProvideError."""
    lock = _lock(name)
    folder = _folder(name, lock)
    if folder.is_dir():
        return PythonTool(folder)
    with cache.scratch_folder(progress) as scratch:
        if not folder.is_dir():
            progress(f"installing {name}; this happens once per machine")
            _install(name, lock, scratch / "packages")
            (scratch / "packages").rename(folder)
    return PythonTool(folder)


def provide_at_once(name: str) -> PythonTool:
    """Do as `provide`, but raise CannotProvideError where that would take long."""

    def refuse(_line: str) -> None:
        raise cache.CannotProvideError(
            f"The program {name} is not on this machine yet. Run `make tools`, or "
            f"`python -m testbed.pythontool {name}`, once, and then try again."
        )

    return provide(name, refuse)


def _lock(name: str) -> Path:
    lock = _LOCKS / f"{name}.txt"
    if not lock.is_file():
        raise cache.CannotProvideError(
            f"There is no program called {name}: requirements/{name}.txt would be its lock. "
            "Run this from a checkout of Hark."
        )
    return lock


def _folder(name: str, lock: Path) -> Path:
    digest = hashlib.sha256(lock.read_bytes()).hexdigest()[:16]
    python = f"python{sys.version_info.major}.{sys.version_info.minor}"
    return cache.cache_folder() / f"{name}-{digest}-{python}-{cache.platform_name()}"


def _install(name: str, lock: Path, target: Path) -> None:
    command = [*pip(), "install", "--quiet", "--require-hashes"]
    command += ["--requirement", str(lock), "--target", str(target)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise cache.CannotProvideError(
            f"{name} could not be installed with pip. Look at the way to your package index, or "
            f"bring the folder {cache.cache_folder()} from a machine that has it. pip said:\n"
            f"{done.stderr[-2000:]}"
        )


if __name__ == "__main__":
    try:
        for wanted in sys.argv[1:]:
            sys.stdout.write(f"{provide(wanted).packages}\n")
    except cache.CannotProvideError as problem:
        sys.exit(str(problem))
