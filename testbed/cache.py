"""Where built and downloaded programs are kept, so that they are made once per machine.

Fed by binaries.py and gobuild.py. Guarantees: a program in the cache is complete (it appears by a
rename), and two processes never make things at once (one lock for the whole cache, because each
build uses every core anyway). Does not guarantee that an old version is ever deleted.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import platform
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

Progress = Callable[[str], None]

_SCRATCH_PREFIX = "unfinished-"


class CannotProvideError(Exception):
    """A program could not be had; the message is a sentence that says what to do."""


def print_progress(line: str) -> None:
    """Tell a person at a terminal what takes so long, without touching standard output."""
    sys.stderr.write(f"{line}\n")
    sys.stderr.flush()


def cache_folder() -> Path:
    """Return Hark's folder in the user's cache, made if it was absent."""
    root = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    folder = Path(root) / "hark"
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise CannotProvideError(
            f"The cache folder {folder} cannot be made ({error.strerror}); "
            "set XDG_CACHE_HOME to a folder that you may write to."
        ) from error
    return folder


def platform_name() -> str:
    """Return the platform as Go names it, such as linux-amd64."""
    machine = platform.machine().lower()
    architecture = {"x86_64": "amd64", "aarch64": "arm64"}.get(machine, machine)
    return f"{platform.system().lower()}-{architecture}"


@contextlib.contextmanager
def scratch_folder(progress: Progress) -> Iterator[Path]:
    """Hold the cache's lock and lend a folder beside the finished programs, deleted afterwards."""
    cache = cache_folder()
    with (cache / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            progress("another process is filling the cache; waiting for it")
            fcntl.flock(lock, fcntl.LOCK_EX)
        # The lock is ours, so whatever is unfinished was left behind by a process that was killed.
        for leftover in cache.glob(f"{_SCRATCH_PREFIX}*"):
            shutil.rmtree(leftover, ignore_errors=True)
        folder = Path(tempfile.mkdtemp(prefix=_SCRATCH_PREFIX, dir=cache))
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)


def publish(program: Path, destination: Path) -> None:
    """Move a finished program from the scratch folder to its place, in one step."""
    program.chmod(0o755)
    destination.parent.mkdir(parents=True, exist_ok=True)
    program.replace(destination)
