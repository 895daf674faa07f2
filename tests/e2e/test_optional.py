"""What an optional key that the backend does not have makes of the Secret, and what brings it."""

from typing import Any

import pytest

from worlds.spine import await_until, unique
from worlds.whole import DENIED, Whole


@pytest.fixture
def name() -> str:
    """A secret's name that nobody created yet."""
    return unique("missing")


def _spec(world: Whole, *items: dict[str, Any]) -> dict[str, Any]:
    return {"roleArn": world.own_role(), "data": list(items)}


def _optional(key: str, entry: str, **more: Any) -> dict[str, Any]:
    return {"key": key, "name": entry, "optional": True, **more}


def _create_and_announce(world: Whole, name: str, value: Any) -> None:
    arn = world.create(name, value)
    world.announce_call("secretsmanager", "CreateSecret", {"name": name}, arn=arn, name=name)


def test_the_secret_is_made_without_it_and_its_creation_brings_it(world: Whole, name: str) -> None:
    there = unique("there")
    world.create(there, "value")
    app = unique("app")
    items = [{"key": there, "name": "there"}, _optional(name, "extra")]
    world.apply(app, _spec(world, *items))

    world.await_data(app, there=b"value")
    world.await_synced(app)
    assert name in world.ready(app)["message"]
    asked = world.value_calls(name)
    world.change_and_announce(there, "second")
    world.await_data(app, there=b"second")
    # What is missing is not asked for again on that occasion.
    assert world.value_calls(name) == asked
    _create_and_announce(world, name, "came")
    world.await_data(app, there=b"second", extra=b"came")
    await_until(lambda: world.ready(app)["message"], lambda text: name not in text, "all is there")


def test_with_nothing_there_the_secret_is_empty_and_ready(world: Whole, name: str) -> None:
    app = unique("app")
    world.apply(app, _spec(world, _optional(name, "one"), _optional(name, "two", property="two")))

    world.await_synced(app)

    assert world.secret(app) is not None
    assert world.data(app) == {}
    ready = world.ready(app)
    assert ready["status"] == "True"
    assert f"({name})" in ready["message"]
    assert f"property two of {name}" in ready["message"]
    asked = world.value_calls(name) + world.looks(name)
    world.pass_by()
    assert world.value_calls(name) + world.looks(name) == asked
    _create_and_announce(world, name, {"two": 2})
    world.await_data(app, one=b'{"two": 2}', two=b"2")


def test_a_missing_property_is_spared_and_text_that_is_no_json_is_not(
    world: Whole, name: str
) -> None:
    app = unique("app")
    world.create(name, {"user": "app"})
    items = [
        {"key": name, "name": "user", "property": "user"},
        _optional(name, "port", property="port"),
    ]
    world.apply(app, _spec(world, *items))
    world.await_synced(app)
    assert world.data(app) == {"user": b"app"}
    assert "port" in world.ready(app)["message"]

    world.change_and_announce(name, {"user": "app", "port": 5432})
    world.await_data(app, user=b"app", port=b"5432")
    world.change_and_announce(name, {"user": "second"})
    # An entry that is there stays.
    world.await_data(app, user=b"second", port=b"5432")
    world.await_synced(app)
    world.change_and_announce(name, "no json")
    assert "JSON" in world.await_complaint(app, "BadValue")
    assert world.data(app) == {"user": b"second", "port": b"5432"}


def test_an_entry_stays_when_its_optional_secret_is_deleted(world: Whole, name: str) -> None:
    app = unique("app")
    world.create(name, "value")
    world.apply(app, _spec(world, _optional(name, "entry")))
    world.await_data(app, entry=b"value")

    world.aws("secretsmanager").delete_secret(SecretId=name, ForceDeleteWithoutRecovery=True)
    world.announce_call("secretsmanager", "DeleteSecret", {"secretId": name}, name=name)

    await_until(lambda: world.ready(app)["message"], lambda text: name in text, "it is told")
    world.await_synced(app)
    assert world.data(app) == {"entry": b"value"}
    _create_and_announce(world, name, "again")
    world.await_data(app, entry=b"again")


def test_a_denied_optional_key_is_an_error(world: Whole, name: str) -> None:
    app = unique("app")
    world.create(name, "value")
    rule = world.refuse(name, DENIED)
    world.apply(app, _spec(world, _optional(name, "entry")))

    world.await_complaint(app, "Denied")

    assert world.secret(app) is None
    rule.retire()
    world.change_and_announce(name, "second")
    world.await_data(app, entry=b"second")


def test_an_edit_that_makes_it_required_complains(world: Whole, name: str) -> None:
    app = unique("app")
    world.apply(app, _spec(world, _optional(name, "entry")))
    world.await_synced(app)

    world.edit(app, {"spec": {"data": [{"key": name, "name": "entry"}]}})

    assert name in world.await_complaint(app, "NotFound")
    world.edit(app, {"spec": {"data": [_optional(name, "entry")]}})
    world.await_synced(app)


def test_a_sweep_brings_what_was_never_announced(whole: Whole) -> None:
    app, name = unique("app"), unique("missing")
    whole.reconciler(environment={"HARK_SWEEP_INTERVAL": "1s"})
    whole.apply(app, _spec(whole, _optional(name, "entry")))
    whole.await_synced(app)
    before = whole.value_calls(name)
    looked = whole.looks(name)
    await_until(lambda: whole.looks(name), lambda looks: looks >= looked + 3, "some sweeps")
    assert whole.value_calls(name) <= before

    whole.create(name, "value")

    whole.await_data(app, entry=b"value")
