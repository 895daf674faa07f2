import hashlib
import threading
from pathlib import Path

import pytest

from testbed import binaries, cache

PROGRAMS = ("etcd", "kube-apiserver", "kube-controller-manager", "kubectl")


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.delenv("KUBEBUILDER_ASSETS", raising=False)


def say_nothing(_line: str) -> None:
    pass


def make_programs(folder: Path, *names: str) -> None:
    folder.mkdir(parents=True)
    for name in names:
        (folder / name).write_text(name)


def cached_programs() -> Path:
    key = f"kubernetes-{binaries.KUBERNETES}-etcd-{binaries.ETCD}-{cache.platform_name()}"
    return cache.cache_folder() / key


def test_a_complete_assets_folder_is_taken_as_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_programs(tmp_path / "assets", *PROGRAMS)
    monkeypatch.setenv("KUBEBUILDER_ASSETS", str(tmp_path / "assets"))
    assert binaries.provide_at_once() == tmp_path / "assets"


def test_an_assets_folder_without_controllers_is_completed_from_the_cache(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_programs(tmp_path / "assets", "etcd", "kube-apiserver", "kubectl")
    make_programs(cached_programs(), "kube-controller-manager")
    monkeypatch.setenv("KUBEBUILDER_ASSETS", str(tmp_path / "assets"))
    folder = binaries.provide_at_once()
    assert sorted(path.name for path in folder.iterdir()) == sorted(PROGRAMS)
    assert (folder / "etcd").resolve() == tmp_path / "assets" / "etcd"


def test_an_assets_folder_without_an_api_server_is_refused_in_a_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_programs(tmp_path / "assets", "etcd")
    monkeypatch.setenv("KUBEBUILDER_ASSETS", str(tmp_path / "assets"))
    with pytest.raises(cache.CannotProvideError, match="has no kube-apiserver, kubectl"):
        binaries.provide()


def test_programs_in_the_cache_are_found() -> None:
    make_programs(cached_programs(), *PROGRAMS)
    assert binaries.provide_at_once() == cached_programs()


def test_tests_are_told_to_build_the_programs_first_instead_of_waiting() -> None:
    with pytest.raises(cache.CannotProvideError, match="python -m testbed"):
        binaries.provide_at_once()


def test_two_fillers_of_the_cache_take_turns() -> None:
    entered, told = threading.Event(), threading.Event()
    lines: list[str] = []

    def tell(line: str) -> None:
        lines.append(line)
        told.set()

    def fill() -> None:
        with cache.scratch_folder(tell):
            entered.set()

    with cache.scratch_folder(say_nothing) as folder:
        other = threading.Thread(target=fill)
        other.start()
        assert told.wait(60)
        assert not entered.is_set()
        assert folder.exists()
    other.join(timeout=60)
    assert entered.is_set()
    assert lines == ["another process is filling the cache; waiting for it"]


def test_what_a_killed_filler_left_is_deleted_by_the_next() -> None:
    leftover = cache.cache_folder() / "unfinished-long-ago"
    leftover.mkdir()
    with cache.scratch_folder(say_nothing):
        assert not leftover.exists()


def test_a_published_program_can_be_executed(tmp_path: Path) -> None:
    made = tmp_path / "made"
    made.write_bytes(b"#!")
    place = cache.cache_folder() / "key" / "program"
    cache.publish(made, place)
    assert hashlib.sha256(place.read_bytes()).digest() == hashlib.sha256(b"#!").digest()
    assert place.stat().st_mode & 0o111
