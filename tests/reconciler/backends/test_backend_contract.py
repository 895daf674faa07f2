"""What every backend promises; the worlds differ, the tests do not."""

import pytest

from externalsecret.errors import GiveUp, Retry
from reconciler.backends.contract import CannotLook, Value, Versions
from worlds.backends import Trouble, World, revealed


def test_a_value_is_read_with_its_version(world: World) -> None:
    version = world.put("db", b"canary")
    read = world.read(world.current("db"))
    assert revealed(read) == b"canary"
    assert isinstance(read, Value)
    assert read.version == version


def test_the_newest_value_is_read_after_a_change(world: World) -> None:
    world.put("db", b"old")
    version = world.put("db", b"new")
    read = world.read(world.current("db"))
    assert revealed(read) == b"new"
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
    assert revealed(world.read(one)) == b"fine"


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
    assert revealed(world.read(world.current("db"))) == text


def test_a_long_value_survives(world: World) -> None:
    text = b"0123456789abcdef" * 256
    world.put("db", text)
    assert revealed(world.read(world.current("db"))) == text


def test_a_pinned_version_stays(world: World) -> None:
    first = world.put("db", b"first")
    world.put("db", b"second")
    one = world.pinned("db", first)
    read = world.read(one)
    assert revealed(read) == b"first"
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
    assert {revealed(answers[one.entry]) for one in references} == {
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
