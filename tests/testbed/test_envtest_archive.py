import functools
import hashlib
import http.server
import io
import tarfile
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from testbed import cache, envtest

VERSION = "v1.35.0"


class QuietHandler(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_args: object) -> None:
        pass


@pytest.fixture
def releases(tmp_path: Path) -> Iterator[str]:
    handler = functools.partial(QuietHandler, directory=str(tmp_path / "served"))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()
        thread.join()


def publish(tmp_path: Path, checksum: str | None = None) -> None:
    name = f"envtest-{VERSION}-{cache.platform_name()}.tar.gz"
    folder = tmp_path / "served" / f"envtest-{VERSION}"
    folder.mkdir(parents=True)
    with tarfile.open(folder / name, "w:gz") as archive:
        for program in ("etcd", "kube-apiserver", "kubectl"):
            member = tarfile.TarInfo(f"controller-tools/envtest/{program}")
            member.size = len(program)
            archive.addfile(member, io.BytesIO(program.encode()))
    digest = checksum or hashlib.sha512((folder / name).read_bytes()).hexdigest()
    (folder / f"{name}.sha512").write_text(f"{digest}  {name}\n")


def test_the_programs_are_taken_out_of_a_sound_archive(tmp_path: Path, releases: str) -> None:
    publish(tmp_path)
    names = envtest.download(VERSION, tmp_path, lambda _line: None, releases)
    assert names == ("etcd", "kube-apiserver", "kubectl")
    assert (tmp_path / "kubectl").read_text() == "kubectl"


def test_an_archive_that_is_not_what_its_checksum_says_is_refused(
    tmp_path: Path, releases: str
) -> None:
    publish(tmp_path, checksum="0" * 128)
    with pytest.raises(cache.CannotProvideError, match="SHA-512"):
        envtest.download(VERSION, tmp_path, lambda _line: None, releases)
    assert not (tmp_path / "kubectl").exists()


def test_a_release_out_of_reach_is_said_and_is_no_error(tmp_path: Path, releases: str) -> None:
    lines: list[str] = []
    (tmp_path / "served").mkdir()
    assert envtest.download(VERSION, tmp_path, lines.append, releases) == ()
    assert lines == ["the envtest archive is out of reach here; building with Go instead"]
