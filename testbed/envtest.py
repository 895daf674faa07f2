"""Downloads the control plane that Kubernetes' controller-tools publish, where the network allows.

Feeds binaries.py; spares it minutes of building kube-apiserver, etcd and kubectl. The archive is
checked against the SHA-512 published beside it. Where the release page cannot be reached this says
so within three seconds: most closed networks drop packets silently, and nobody shall wait for
them. Addresses and archive layout: controller-tools' envtest-releases.yaml and its release page.
"""

from __future__ import annotations

import concurrent.futures
import hashlib
import http.client
import shutil
import tarfile
import threading
import urllib.request
from pathlib import Path, PurePosixPath

from testbed import cache

_RELEASES = "https://github.com/kubernetes-sigs/controller-tools/releases/download"
_PROBE_SECONDS = 2.5
_STALL_SECONDS = 30.0
_SHA512_HEX_DIGITS = 128


def download(
    version: str, folder: Path, progress: cache.Progress, releases: str = _RELEASES
) -> tuple[str, ...]:
    """Put the programs of a release into a folder; returns their names, none if out of reach.

    Raises CannotProvideError if the archive is not what its checksum says.
    """
    archive_name = f"envtest-{version}-{cache.platform_name()}.tar.gz"
    address = f"{releases}/envtest-{version}/{archive_name}"
    expected = _published_checksum(f"{address}.sha512")
    if expected is None:
        progress("the envtest archive is out of reach here; building with Go instead")
        return ()
    progress(f"downloading {archive_name}")
    archive = folder / archive_name
    try:
        with (
            urllib.request.urlopen(address, timeout=_STALL_SECONDS) as answer,  # noqa: S310 - https, above
            archive.open("wb") as output,
        ):
            shutil.copyfileobj(answer, output)
    except (OSError, http.client.HTTPException) as error:
        progress(f"the download broke off ({error}); building with Go instead")
        return ()
    actual = hashlib.sha512(archive.read_bytes()).hexdigest()
    if actual != expected:
        raise cache.CannotProvideError(
            f"{archive_name} does not have the SHA-512 that is published beside it. Something "
            "between this machine and the release page changes downloads; set "
            "KUBEBUILDER_ASSETS to a folder with programs that you trust."
        )
    return _unpack(archive, folder)


def _published_checksum(address: str) -> str | None:
    """Return the published digest, or None if it did not come in time."""
    answer: concurrent.futures.Future[str | None] = concurrent.futures.Future()

    def fetch() -> None:
        try:
            with urllib.request.urlopen(address, timeout=_PROBE_SECONDS) as response:  # noqa: S310 - https
                words = response.read(1024).decode("ascii", errors="replace").split()
        except (OSError, http.client.HTTPException):
            words = []
        found = words[0].lower() if words and len(words[0]) == _SHA512_HEX_DIGITS else None
        answer.set_result(found)

    # A socket's timeout does not limit name resolution, which hangs longest behind a closed
    # network.
    threading.Thread(target=fetch, daemon=True).start()
    try:
        return answer.result(timeout=_PROBE_SECONDS)
    except TimeoutError:
        return None


def _unpack(archive: Path, folder: Path) -> tuple[str, ...]:
    names = []
    with tarfile.open(archive) as members:
        for member in members:
            name = PurePosixPath(member.name).name
            content = members.extractfile(member) if member.isfile() else None
            if content is None:
                continue
            with (folder / name).open("wb") as output:
                shutil.copyfileobj(content, output)
            names.append(name)
    return tuple(names)
