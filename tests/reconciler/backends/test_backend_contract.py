"""What every backend promises; the worlds differ, the tests do not."""

import logging
import socket
import time
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest

from externalsecret.errors import GiveUp, Retry
from reconciler.backends.contract import CannotLook, Value, Versions
from worlds.backends import RETRY_AFTER, RemoteWorld, Trouble, World


def test_a_value_is_read_with_its_version(world: World) -> None:
    version = world.put("db", b"canary")
    read = world.read(world.current("db"))
    assert world.revealed(read) == b"canary"
    assert isinstance(read, Value)
    assert read.version == version


def test_the_newest_value_is_read_after_a_change(world: World) -> None:
    world.put("db", b"old")
    version = world.put("db", b"new")
    read = world.read(world.current("db"))
    assert world.revealed(read) == b"new"
    assert isinstance(read, Value)
    assert read.version == version


def test_a_missing_secret_is_given_up(world: World) -> None:
    read = world.read(world.current("nowhere"))
    assert isinstance(read, GiveUp)
    assert read.reason == "NotFound"
    assert "nowhere" in read.message


def test_a_missing_secret_among_others_spoils_nothing(world: World) -> None:
    names = ["a", "b", "nowhere", "c"]
    for name in ("a", "b", "c"):
        world.put(name, name.encode())
    references = [world.current(name) for name in names]
    answers = world.backend.read(references)
    assert [isinstance(answers[one.entry], Value) for one in references] == [
        True,
        True,
        False,
        True,
    ]
    assert isinstance(answers[references[2].entry], GiveUp)


def test_a_deleted_secret_is_given_up(world: World) -> None:
    world.put("db", b"x")
    world.delete("db")
    read = world.read(world.current("db"))
    look = world.backend.look([world.current("db")])[world.current("db").entry]
    assert isinstance(read, GiveUp)
    assert isinstance(look, GiveUp)
    assert read.reason == look.reason == "NotFound"


def test_denied_reads_are_given_up_and_denied_looks_can_not_look(world: World) -> None:
    world.put("db", b"x")
    world.befall(Trouble.DENIED)
    one = world.current("db")
    read = world.read(one)
    assert isinstance(read, GiveUp)
    assert read.reason == "Denied"
    look = world.backend.look([one])[one.entry]
    assert isinstance(look, CannotLook | GiveUp)


def test_a_throttle_says_how_long_to_wait_and_nobody_waits_in_the_call(world: World) -> None:
    world.put("db", b"x")
    one = world.current("db")
    world.befall(Trouble.THROTTLED)
    began = time.monotonic()
    answers: list[object] = [
        world.read(one),
        world.backend.look([one])[one.entry],
        world.backend.sweep([one])[one.entry],
    ]
    assert time.monotonic() - began < RETRY_AFTER
    for found in answers:
        assert isinstance(found, Retry)
        assert (found.reason, found.after) == ("Throttled", RETRY_AFTER)


@pytest.mark.parametrize("trouble", [Trouble.THROTTLED, Trouble.BROKEN])
def test_a_passing_failure_is_to_be_tried_again_and_then_answers(
    world: World, trouble: Trouble
) -> None:
    world.put("db", b"fine")
    world.befall(trouble)
    one = world.current("db")
    assert isinstance(world.read(one), Retry)
    assert isinstance(world.backend.look([one])[one.entry], Retry)
    assert isinstance(world.backend.sweep([one])[one.entry], Retry)
    world.heal()
    assert world.revealed(world.read(one)) == b"fine"


def test_a_passing_failure_of_many_is_said_of_each(world: World) -> None:
    references = [world.current(f"k{number}") for number in range(25)]
    for one in references:
        world.put(one.key, b"x")
    world.befall(Trouble.THROTTLED)
    answers = world.backend.read(references)
    assert set(answers) == {one.entry for one in references}
    assert all(isinstance(read, Retry) for read in answers.values())


def test_unicode_survives(world: World) -> None:
    text = "p\u00e4ss \u65e5\u672c \U0001f511\n\t".encode()
    world.put("db", text)
    assert world.revealed(world.read(world.current("db"))) == text


def test_every_byte_survives(world: World) -> None:
    every = bytes(range(256))
    world.put_bytes("db", every)
    assert world.revealed_bytes(world.read(world.current("db"))) == every


def test_the_largest_value_survives(world: World) -> None:
    text = (b"0123456789abcdef" * 4096)[: world.largest]
    world.put("db", text)
    assert world.revealed(world.read(world.current("db"))) == text


def test_a_pinned_version_stays(world: World) -> None:
    first = world.put("db", b"first")
    world.put("db", b"second")
    one = world.pinned("db", first)
    read = world.read(one)
    assert world.revealed(read) == b"first"
    assert isinstance(read, Value)
    assert read.version == first
    look = world.backend.look([one])[one.entry]
    # Or it tells that it cannot say: a read does.
    assert isinstance(look, CannotLook) or (isinstance(look, Versions) and look.current == first)


def test_a_look_and_a_sweep_see_the_version_that_a_read_gives(world: World) -> None:
    world.put("db", b"first")
    one = world.current("db")
    before = world.backend.look([one])[one.entry]
    version = world.put("db", b"second")
    for look in (world.backend.look([one])[one.entry], world.backend.sweep([one])[one.entry]):
        assert isinstance(look, Versions)
        assert look.current == version
        assert version in look.known
        assert look != before
    read = world.read(one)
    assert isinstance(read, Value)
    assert isinstance(look, Versions)
    assert read.version == look.current
    assert look.resource in {read.resource, ""}


def test_fifty_values_are_read_in_few_calls(world: World) -> None:
    references = [world.current(f"k{number}") for number in range(50)]
    for one in references:
        world.put(one.key, one.key.encode())
    before = world.calls()
    answers = world.backend.read(references)
    assert world.calls() - before == world.calls_for_fifty
    assert {world.revealed(answers[one.entry]) for one in references} == {
        one.key.encode() for one in references
    }


def test_fifty_versions_are_swept_in_few_calls(world: World) -> None:
    references = [world.current(f"k{number}") for number in range(50)]
    versions = {one.entry: world.put(one.key, b"x") for one in references}
    before = world.calls()
    looks = world.backend.sweep(references)
    assert world.calls() - before == world.calls_to_sweep_fifty
    for entry, look in looks.items():
        assert isinstance(look, Versions)
        assert look.current == versions[entry]


def test_nothing_asked_is_nothing_called(world: World) -> None:
    assert world.backend.read([]) == {}
    assert world.backend.look([]) == {}
    assert world.backend.sweep([]) == {}


def test_an_endpoint_where_nobody_listens_is_said_and_tried_again(
    remote_world: RemoteWorld, free_port: int
) -> None:
    one = remote_world.current("db")
    with closing(remote_world.backend_at(f"127.0.0.1:{free_port}", timeout=2)) as backend:
        _assert_unreachable(backend.read([one])[one.entry])
        _assert_unreachable(backend.look([one])[one.entry])
        _assert_unreachable(backend.sweep([one])[one.entry])


def test_an_answer_beyond_the_timeout_is_not_waited_for(
    remote_world: RemoteWorld, silent_address: str
) -> None:
    one = remote_world.current("db")
    began = time.monotonic()
    with closing(remote_world.backend_at(silent_address, timeout=0.3)) as backend:
        _assert_unreachable(backend.read([one])[one.entry])
    assert time.monotonic() - began < 30


def test_many_keys_wait_for_a_silent_server_but_once(
    remote_world: RemoteWorld, silent_address: str
) -> None:
    references = [remote_world.current(f"k{number}") for number in range(200)]
    began = time.monotonic()
    with closing(remote_world.backend_at(silent_address, timeout=0.3)) as backend:
        answers = backend.read(references)
    # Each for itself they would wait for a minute.
    assert time.monotonic() - began < 40
    assert set(answers) == {one.entry for one in references}
    for found in answers.values():
        _assert_unreachable(found)


def test_no_answer_and_no_log_shows_a_value(
    world: World, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    canary = "canary-5f1d0c"
    version = world.put("db", canary.encode())
    caplog.set_level(logging.DEBUG)
    references = [world.current("db"), world.pinned("db", version), world.current("nowhere")]
    answers = _everything(world, references)
    for trouble in Trouble:
        world.befall(trouble)
        answers += _everything(world, references)
        world.heal()
    shown = [*map(repr, answers), *map(str, answers), caplog.text, *capfd.readouterr()]
    shown += [repr(vars(record)) for record in caplog.records]
    assert canary not in " ".join(shown)


def _everything(world: World, references: list[Any]) -> list[object]:
    backend = world.backend
    calls = (backend.read, backend.look, backend.sweep)
    return [found for call in calls for found in call(references).values()]


def _assert_unreachable(found: object) -> None:
    assert isinstance(found, Retry), found
    assert found.reason == "BackendUnreachable"
    assert found.message.endswith(".")
    assert "127.0.0.1" in found.message


@pytest.fixture
def free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port: int = taken.getsockname()[1]
    return port


@pytest.fixture
def silent_address() -> Iterator[str]:
    """Where connections are taken, and nothing is ever said."""
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen(128)
        yield f"127.0.0.1:{silent.getsockname()[1]}"
