"""Several keys in one ExternalSecret: what fails holds up nothing else, and what rests is left."""

from worlds.spine import await_until, unique
from worlds.whole import DENIED, Whole


def test_a_changed_key_is_written_although_another_is_denied(world: Whole) -> None:
    app, good, bad = unique("app"), unique("good"), unique("bad")
    for name in (good, bad):
        world.create(name, "first")
    keys = [{"key": good, "name": "good"}, {"key": bad, "name": "bad"}]
    world.apply(app, {"roleArn": world.own_role(), "data": keys})
    world.await_data(app, good=b"first", bad=b"first")

    rule = world.refuse(bad, DENIED)
    world.change_and_announce(bad, "second")
    world.await_complaint(app, "Denied")
    world.change_and_announce(good, "second")

    world.await_data(app, good=b"second", bad=b"first")
    ready = world.ready(app)
    assert ready["reason"] == "Denied"
    assert bad in ready["message"]
    assert good not in ready["message"]
    rule.retire()
    world.change_and_announce(bad, "third")
    world.await_data(app, good=b"second", bad=b"third")


def test_the_first_sync_writes_nothing_until_every_key_was_read(world: Whole) -> None:
    app, there, missing = unique("app"), unique("there"), unique("missing")
    world.create(there, "value")
    keys = [{"key": there, "name": "there"}, {"key": missing, "name": "missing"}]
    world.apply(app, {"roleArn": world.own_role(), "data": keys})

    assert missing in world.await_complaint(app, "NotFound")
    assert world.secret(app) is None

    arn = world.create(missing, "value")
    world.announce_call("secretsmanager", "CreateSecret", {"name": missing}, arn=arn, name=missing)
    world.await_data(app, there=b"value", missing=b"value")
    assert world.value_calls(there) <= 3


def test_one_change_among_ten_keys_costs_one_value(world: Whole) -> None:
    app = unique("app")
    names = [unique(f"key{number}") for number in range(10)]
    for name in names:
        world.create(name, "first")
    keys = [{"key": name, "name": f"entry{place}"} for place, name in enumerate(names)]
    world.apply(app, {"roleArn": world.own_role(), "data": keys})
    first = {f"entry{place}": b"first" for place in range(10)}
    world.await_data(app, **first)
    before = {name: world.value_calls(name) for name in names}
    assert set(before.values()) == {1}

    world.change_and_announce(names[4], "second")

    world.await_data(app, **{**first, "entry4": b"second"})
    after = {name: world.value_calls(name) for name in names}
    assert after == {**before, names[4]: before[names[4]] + 1}


def test_many_readers_of_a_secret_share_one_value_read(world: Whole) -> None:
    name, role = unique("shared"), world.own_role()
    world.create(name, {"user": "app", "password": "first"})
    readers = [unique("reader") for _ in range(8)]
    for reader in readers:
        data = [{"key": name, "name": "password", "property": "password"}]
        world.apply(reader, {"roleArn": role, "data": data})
    for reader in readers:
        world.await_data(reader, password=b"first")
    before = world.value_calls(name)

    world.change_and_announce(name, {"user": "app", "password": "second"})

    for reader in readers:
        world.await_data(reader, password=b"second")
    await_until(lambda: world.value_calls(name), lambda calls: calls == before + 1, "read once")
