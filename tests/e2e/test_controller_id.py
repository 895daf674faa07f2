"""Whose ExternalSecret it is: those of another controller are left alone by both halves."""

from worlds.spine import await_until, unique
from worlds.whole import Whole


def test_each_installation_serves_its_own_objects_only(whole: Whole) -> None:
    environment = {"INSTANCE_ID": "blue"}
    reconciler = whole.reconciler(environment=environment)
    listener = whole.listener(environment=environment)
    shared = unique("shared")
    whole.create(shared, "first")
    spec = {"roleArn": whole.role, "data": [{"key": shared, "name": "entry"}]}
    foreign, ownerless, ours = unique("green"), unique("none"), unique("blue")
    whole.apply(foreign, {**spec, "controllerId": "green"})
    whole.apply(ownerless, spec)
    whole.apply(ours, {**spec, "controllerId": "blue"})
    whole.await_synced(ours)

    whole.change_and_announce(shared, "second")

    whole.await_data(ours, entry=b"second")
    for name in (foreign, ownerless):
        assert whole.status(name) == {}
        assert whole.secret(name) is None
        assert whole.events(name) == []
    notes = "hark_listener_notes_written_total"
    await_until(lambda: listener.metric(notes), lambda count: count > 0, "the note is counted")
    assert listener.metric(notes) == 1

    # Handed over: the one who serves it now knows what the other has written.
    whole.edit(foreign, {"spec": {"controllerId": "blue"}})
    whole.await_data(foreign, entry=b"second")
    whole.edit(ours, {"spec": {"controllerId": "green"}})
    whole.pass_by(controllerId="blue")
    whole.change_and_announce(shared, "third")
    whole.await_data(foreign, entry=b"third")
    assert whole.data(ours) == {"entry": b"second"}
    # Two of them are of the object that passed by.
    assert reconciler.metric("hark_reconciler_value_reads_total") <= 6


def test_without_an_instance_id_objects_of_others_are_left_alone(world: Whole) -> None:
    name, beacon = unique("foreign"), unique("beacon")
    for each in (name, beacon):
        world.create(each, "value")
    spec = {"roleArn": world.own_role()}
    world.apply(name, {**spec, "controllerId": "x", "data": [{"key": name, "name": "entry"}]})
    world.apply(beacon, {**spec, "data": [{"key": beacon, "name": "entry"}]})

    world.await_synced(beacon)

    assert world.status(name) == {}
    assert world.secret(name) is None
    assert world.value_calls(name) == 0
