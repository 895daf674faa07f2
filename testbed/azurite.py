"""Azure's storage queues on this machine: the queue service of Azurite, Microsoft's own emulator.

Used by the tests. `python -m testbed.azurite` installs it into the cache, once per machine and per
lock file, with npm and only from packages that have the pinned integrity. Started, it holds queues
in memory; it has one account, ACCOUNT. Nothing is kept.
"""

from __future__ import annotations

import base64
import hashlib
import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path
from types import TracebackType
from typing import Self

from testbed import cache, nodejs
from testbed.processgroup import ProcessGroup, how_it_ended

ACCOUNT = "harktestbed"
KEY = base64.b64encode(b"the key of an account of this machine".ljust(64, b".")).decode()

_PACKAGE = Path(__file__).parent / "azuritepackage"
_FILES = (".npmrc", "package.json", "package-lock.json")
_MAIN = "node_modules/azurite/dist/src/queue/main.js"
_READY = re.compile(r"successfully listens on https?://127\.0\.0\.1:(\d+)")
_READY_SECONDS = 60.0
_POLL_SECONDS = 0.05


class AzuriteError(Exception):
    """The server did not come up."""


def provide(progress: cache.Progress = cache.print_progress) -> list[str]:
    """The command that starts it, installed where it is absent; raises CannotProvideError."""
    programs = nodejs.of_the_machine() or nodejs.in_cache()
    folder = cache.cache_folder() / f"azurite-{_digest()}"
    if programs is not None and (folder / _MAIN).is_file():
        return [str(programs.node), str(folder / _MAIN)]
    with cache.scratch_folder(progress) as scratch:
        programs = programs or nodejs.in_cache() or nodejs.install(scratch, progress)
        if not (folder / _MAIN).is_file():
            progress("installing Azurite; this happens once per machine")
            _install(programs, scratch / "azurite")
            (scratch / "azurite").rename(folder)
    return [str(programs.node), str(folder / _MAIN)]


def provide_at_once() -> list[str]:
    """Do as `provide`, but raise CannotProvideError where that would take long."""

    def refuse(_line: str) -> None:
        raise cache.CannotProvideError(
            "Azurite is not on this machine yet. Run `python -m testbed.azurite` (or `make tools`) "
            "once, which needs npm or pip, and then try again."
        )

    return provide(refuse)


def connection_string(url: str) -> str:
    """What leads an SDK to the account of a server at this address."""
    return (
        f"DefaultEndpointsProtocol=http;AccountName={ACCOUNT};AccountKey={KEY};"
        f"QueueEndpoint={url}/{ACCOUNT};"
    )


class AzuriteServer:
    """A server of one's own; `stop` ends it."""

    def __init__(self, certificate: tuple[Path, Path] | None = None) -> None:
        """Start on a free port of 127.0.0.1 and wait until it answers.

        With the files of a certificate and its key it speaks https, and takes tokens beside the
        key: of each it judges the claims, not the signature.
        """
        command = [
            *provide_at_once(),
            *("--queueHost", "127.0.0.1", "--queuePort", "0"),
            *("--inMemoryPersistence", "--skipApiVersionCheck", "--disableTelemetry", "--silent"),
        ]
        if certificate is not None:
            file, key = certificate
            command += ["--cert", str(file), "--key", str(key), "--oauth", "basic"]
        self._group = ProcessGroup("azurite-")
        environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(self._group.folder),
            "AZURITE_ACCOUNTS": f"{ACCOUNT}:{KEY}",
        }
        child = self._group.start("azurite", command, environment)
        port = self._await_port(child)
        if port is None:
            text = self._group.log_tail("azurite")
            self._group.close()
            raise AzuriteError(f"Azurite {how_it_ended(child)}:\n{text}")
        scheme = "http" if certificate is None else "https"
        self.url = f"{scheme}://127.0.0.1:{port}"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def stop(self) -> None:
        """Kill it; may be called twice."""
        self._group.close()

    def _await_port(self, child: subprocess.Popen[bytes]) -> int | None:
        log = self._group.folder / "azurite.log"
        deadline = time.monotonic() + _READY_SECONDS
        while time.monotonic() < deadline and child.poll() is None:
            found = _READY.search(log.read_text(errors="replace"))
            if found is not None:
                return int(found[1])
            time.sleep(_POLL_SECONDS)
        return None


def _install(programs: nodejs.NodeJs, target: Path) -> None:
    target.mkdir()
    for name in _FILES:
        shutil.copy(_PACKAGE / name, target / name)
    command = [*programs.npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--silent"]
    done = subprocess.run(command, cwd=target, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise cache.CannotProvideError(
            "Azurite could not be installed with npm. Look at the way to npm's registry, or bring "
            f"the folder {cache.cache_folder()} from a machine that has it. npm said:\n"
            f"{(done.stdout + done.stderr)[-2000:]}"
        )


def _digest() -> str:
    digest = hashlib.sha256()
    for name in _FILES:
        digest.update((_PACKAGE / name).read_bytes())
    return digest.hexdigest()[:16]


if __name__ == "__main__":
    try:
        sys.stdout.write(f"{provide()[-1]}\n")
    except cache.CannotProvideError as problem:
        sys.exit(str(problem))
