"""Parameter Store end to end: its events name no version, so a look goes before the read."""

import time
from typing import Any

from worlds.spine import await_until, unique
from worlds.whole import Whole


def _synced(world: Whole, name: str, *data: dict[str, Any]) -> None:
    spec = {"backendType": "systemManager", "roleArn": world.own_role(), "data": list(data)}
    world.apply(name, spec)
    world.await_synced(name)


def _await_noted(world: Whole, name: str, notes: int) -> None:
    """Wait until so many notes are covered, all that were heard."""

    def covered(keys: dict[str, Any]) -> bool:
        leaves = [leaf for leaf in keys.values() if leaf.get("heard")]
        return len(leaves) == notes and all(
            leaf["heard"]["id"] == leaf["synced"].get("note") for leaf in leaves
        )

    await_until(lambda: world.status(name)["keys"], covered, "every note is covered")


def test_every_kind_of_parameter_arrives_and_follows_its_event(world: Whole) -> None:
    name = unique("kinds")
    plain, listed, secure = (f"/{name}/{kind}" for kind in ("plain", "listed", "secure"))
    world.set_parameter(plain, "first\n")
    world.set_parameter(listed, "a,b,c", "StringList")
    world.set_parameter(secure, '{"password": "first"}', "SecureString")
    _synced(
        world,
        name,
        {"key": plain, "name": "plain"},
        {"key": listed, "name": "listed"},
        {"key": secure, "name": "secure", "property": "password"},
    )
    world.await_data(name, plain=b"first\n", listed=b"a,b,c", secure=b"first")

    looked = world.looks(plain)
    world.change_and_announce_parameter(plain, "second")
    world.await_data(name, plain=b"second", listed=b"a,b,c", secure=b"first")
    assert world.looks(plain) > looked
    world.change_and_announce_parameter(secure, '{"password": "second"}', "SecureString")
    world.await_data(name, plain=b"second", listed=b"a,b,c", secure=b"second")
    world.change_and_announce_parameter(listed, "d", "StringList")
    world.await_data(name, plain=b"second", listed=b"d", secure=b"second")


def test_an_unchanged_parameter_that_is_announced_costs_no_value(world: Whole) -> None:
    name = unique("unchanged")
    world.set_parameter(f"/{name}/one", "value")
    _synced(world, name, {"key": f"/{name}/one", "name": "one"})
    values, looks = world.value_calls(name), world.looks(name)

    world.announce_parameter(f"/{name}/one")

    _await_noted(world, name, 1)
    assert world.value_calls(name) == values
    # The note names no version, so an answer that shows no change is doubted once or twice.
    assert looks < world.looks(name) <= looks + 3


def test_a_version_that_is_pinned_stays(world: Whole) -> None:
    name = unique("pinned")
    world.set_parameter(name, "one")
    world.set_parameter(name, "two")
    _synced(world, name, {"key": f"{name}:1", "name": "pinned"}, {"key": name, "name": "newest"})
    world.await_data(name, pinned=b"one", newest=b"two")

    world.change_and_announce_parameter(name, "three")

    world.await_data(name, pinned=b"one", newest=b"three")


def test_a_path_takes_in_what_is_below_it(world: Whole) -> None:
    name = unique("tree")
    flat, deep = f"{name}-flat", f"{name}-deep"
    world.set_parameter(f"/{name}/one", "1")
    world.set_parameter(f"/{name}/below/two", "2")
    _synced(world, flat, {"path": f"/{name}"})
    _synced(world, deep, {"path": f"/{name}", "recursive": True})
    world.await_data(flat, one=b"1")
    world.await_data(deep, one=b"1", two=b"2")

    world.change_and_announce_parameter(f"/{name}/one", "1b")
    world.await_data(flat, one=b"1b")
    world.await_data(deep, one=b"1b", two=b"2")
    world.set_parameter(f"/{name}/three", "3")
    world.announce_parameter(f"/{name}/three", "Create")
    world.await_data(flat, one=b"1b", three=b"3")
    world.await_data(deep, one=b"1b", two=b"2", three=b"3")
    world.change_and_announce_parameter(f"/{name}/below/two", "2b")
    world.await_data(deep, one=b"1b", two=b"2b", three=b"3")


def test_a_member_that_was_deleted_keeps_its_entry_and_is_named(world: Whole) -> None:
    name = unique("shrinking")
    for member in ("one", "two"):
        world.set_parameter(f"/{name}/{member}", "value")
    _synced(world, name, {"path": f"/{name}"})
    world.await_data(name, one=b"value", two=b"value")

    world.aws("ssm").delete_parameter(Name=f"/{name}/two")
    world.announce_parameter(f"/{name}/two", "Delete")

    assert f"gone from path /{name}: two" in world.await_complaint(name, "BadValue")
    assert world.data(name) == {"one": b"value", "two": b"value"}
    world.change_and_announce_parameter(f"/{name}/one", "changed")
    world.await_data(name, one=b"changed", two=b"value")


def test_a_parameter_that_was_deleted_keeps_its_entry(world: Whole) -> None:
    name = unique("deleted")
    world.set_parameter(name, "value")
    _synced(world, name, {"key": name, "name": "entry"})
    world.await_data(name, entry=b"value")

    world.aws("ssm").delete_parameter(Name=name)
    world.announce_parameter(name, "Delete")

    assert name in world.await_complaint(name, "NotFound")
    assert world.data(name) == {"entry": b"value"}
    world.set_parameter(name, "again")
    world.announce_parameter(name, "Create")
    world.await_data(name, entry=b"again")


def test_a_parameter_that_was_deleted_and_made_anew_is_read_anew(world: Whole) -> None:
    name = unique("replaced")
    world.set_parameter(f"/{name}/one", "before")
    made_in = int(time.time())
    _synced(world, name, {"key": f"/{name}/one", "name": "one"})
    _synced(world, f"{name}-path", {"path": f"/{name}"})
    world.await_data(name, one=b"before")
    world.await_data(f"{name}-path", one=b"before")

    # Its versions are told apart by whole seconds.
    await_until(lambda: int(time.time()), lambda now: now > made_in, "the next second")
    world.aws("ssm").delete_parameter(Name=f"/{name}/one")
    world.set_parameter(f"/{name}/one", "after")
    for operation in ("Delete", "Create"):
        world.announce_parameter(f"/{name}/one", operation)

    world.await_data(name, one=b"after")
    world.await_data(f"{name}-path", one=b"after")
