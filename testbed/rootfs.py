"""A built image as a folder, and processes in it, without a container runtime: for `make
image-test`.

Fed by Dockerfile. The base is a Debian made by mmdebstrap instead of one that is pulled, so nothing
is asked of a registry; the build is buildah's, isolated by chroot. Needs root, and the two programs
from the system's packages. Guarantees that a process started here has the image's file system as
its root, read-only but for /tmp, and the image's user and no more: what a pod of the chart has. It
shares the network and the process table with the machine.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from testbed import cache
from testbed.image import ROOT, build_arguments, labels

BASE = "localhost/hark-base"
IMAGE = "localhost/hark:image-test"
_SUITE = "bookworm"
_PACKAGES = "python3,python3-pip,ca-certificates"
_CERTIFICATES = "/etc/ssl/certs/ca-certificates.crt"
_NEEDED = {"buildah": "buildah", "mmdebstrap": "mmdebstrap", "unshare": "util-linux"}

# As root in a mount namespace of its own: the image read-only, a /tmp, and then the image's user.
_ENTER = (
    'mount --bind "$0" "$0" && mount -o remount,bind,ro "$0" && '
    'mount -t tmpfs -o mode=1777 tmpfs "$0/tmp" && mount --rbind /dev "$0/dev" && '
    'if [ -n "$FILES" ]; then mkdir "$0/tmp/files" && mount --bind "$FILES" "$0/tmp/files"; fi && '
    'exec chroot --userspec="$1" "$0" /usr/bin/env -i "${@:2}"'
)


def check_machine() -> None:
    """Raise CannotProvideError where a build is not possible here, with what to install."""
    missing = [package for name, package in _NEEDED.items() if shutil.which(name) is None]
    if missing:
        raise cache.CannotProvideError(
            f"`make image-test` builds with programs that this machine lacks. Install them: "
            f"apt-get install {' '.join(sorted(missing))}"
        )
    if os.geteuid() != 0:
        raise cache.CannotProvideError(
            "`make image-test` mounts file systems and changes roots. Run it as root: "
            "sudo make image-test"
        )


class BuiltImage:
    """The image, built in a store of its own under `folder`."""

    def __init__(self, folder: Path, extras: str = "") -> None:
        """Make the base, build on it and mount the result. Raises CannotProvideError."""
        check_machine()
        self._folder = folder
        self._environment = {**os.environ, "STORAGE_DRIVER": "vfs", "BUILDAH_ISOLATION": "chroot"}
        self._make_base()
        arguments = {**labels(), "BASE": BASE, "EXTRAS": extras}
        trust = f"--volume={_CERTIFICATES}:{_CERTIFICATES}:ro"
        # npm looks at no system's certificates unless it is told to.
        (folder / "npmrc").write_text(f"cafile={_CERTIFICATES}\n")
        secret = f"--secret=id=npm,src={folder / 'npmrc'}"
        given = build_arguments(IMAGE, arguments)
        self._buildah("build", "--pull-never", trust, secret, *given)
        self._container = self._buildah("from", "--pull-never", IMAGE)
        self.root = Path(self._buildah("mount", self._container))

    def close(self) -> None:
        """Let go of the mount and delete the store."""
        self._buildah("umount", self._container)
        shutil.rmtree(self._folder, ignore_errors=True)

    def config(self) -> dict[str, Any]:
        """The image's configuration as OCI names it: User, Env, Entrypoint, Labels."""
        described = json.loads(self._buildah("inspect", "--type", "image", IMAGE))
        config: dict[str, Any] = described["OCIv1"]["config"]
        return config

    def size(self) -> int:
        """Bytes of all files, hard links counted once."""
        said = subprocess.run(
            ["du", "--summarize", "--block-size=1", "--apparent-size", str(self.root)],
            capture_output=True,
            text=True,
            check=True,
        )
        return int(said.stdout.split()[0])

    def command(self, *arguments: str) -> list[str]:
        """The image's entry point with these arguments, as a pod would start it."""
        return [*self.config()["Entrypoint"], *arguments]

    def start(
        self,
        command: Sequence[str],
        environment: Mapping[str, str],
        files: Path | None = None,
        *,
        output: int = subprocess.PIPE,
    ) -> subprocess.Popen[bytes]:
        """Start a command in the image, as its user; `files` is seen there as /tmp/files."""
        config = self.config()
        variables = [*config["Env"], *(f"{name}={value}" for name, value in environment.items())]
        enter = ["unshare", "--mount", "bash", "-c", _ENTER, str(self.root), config["User"]]
        return subprocess.Popen(
            [*enter, *variables, *command],
            env={"PATH": os.environ["PATH"], "FILES": str(files) if files else ""},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
        )

    def run(self, *command: str) -> tuple[int, str]:
        """(exit code, all that it printed) of a command in the image."""
        child = self.start(command, {})
        said, _ = child.communicate(timeout=120)
        return child.returncode, said.decode(errors="replace")

    def _make_base(self) -> None:
        archive = self._folder / "base.tar"
        options = ["--variant=minbase", f"--include={_PACKAGES}", "--quiet"]
        _run(["mmdebstrap", *options, _SUITE, str(archive)], self._environment)
        container = self._buildah("from", "scratch")
        self._buildah("add", container, str(archive), "/")
        self._buildah("commit", container, BASE)
        self._buildah("rm", container)
        archive.unlink()

    def _buildah(self, *arguments: str) -> str:
        store = ["--root", str(self._folder / "store"), "--runroot", str(self._folder / "run")]
        return _run(["buildah", *store, *arguments], self._environment)


def _run(command: Sequence[str], environment: Mapping[str, str]) -> str:
    done = subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        raise cache.CannotProvideError(
            f"{command[0]} failed:\n{(done.stdout + done.stderr)[-3000:]}"
        )
    return done.stdout.strip()
