"""What the status of an ExternalSecret says, and when it moves."""

from worlds.spine import await_until, unique
from worlds.whole import Whole


def test_the_status_speaks_as_kubernetes_external_secrets_does(world: Whole) -> None:
    name = unique("told")
    world.create(name, "value")
    world.apply(name, {"roleArn": world.own_role(), "data": [{"key": name, "name": "entry"}]})

    status = world.await_synced(name)

    assert status["status"] == "SUCCESS"
    assert status["observedGeneration"] == 1
    assert len(status["lastSync"]) == len("2026-01-01T00:00:00.000Z")
    assert status["lastSync"].endswith("Z")
    assert world.ready(name)["reason"] == "Synced"
    assert world.await_event(name, "Synced")
    secret = (world.secret(name) or {})["metadata"]
    assert status["secret"] == {"uid": secret["uid"], "resourceVersion": secret["resourceVersion"]}


def test_nothing_is_written_while_nothing_changes(world: Whole) -> None:
    name = unique("resting")
    world.create(name, "value")
    world.apply(name, {"roleArn": world.own_role(), "data": [{"key": name, "name": "entry"}]})
    world.await_synced(name)
    world.await_event(name, "Synced")
    before, secret = world.get(name), world.secret(name)

    # Somebody else's mark on the object has it looked at; another object shows that it was.
    world.annotate(name, {"note": "theirs"})
    world.pass_by()

    assert world.status(name) == before["status"]
    assert world.secret(name) == secret
    assert len(world.events(name)) == 1
    assert world.value_calls(name) == 1


def test_events_tell_changes_of_the_outcome_and_no_more(world: Whole) -> None:
    name = unique("eventful")
    world.create(name, {"user": "one"})
    data = [{"key": name, "name": "user", "property": "user"}]
    world.apply(name, {"roleArn": world.own_role(), "data": data})
    world.await_data(name, user=b"one")
    world.await_version(name, world.change_and_announce(name, {"user": "two"}))
    assert world.data(name) == {"user": b"two"}
    synced_at = world.status(name)["lastSync"]
    world.change_and_announce(name, "broken")
    world.await_complaint(name, "BadValue")
    moved_at = world.ready(name)["lastTransitionTime"]
    assert world.status(name)["lastSync"] == synced_at

    def note() -> str:
        (leaf,) = world.status(name)["keys"].values()
        told: str = leaf["heard"]["id"]
        return told

    before = note()
    world.change_and_announce(name, "broken again")
    await_until(note, lambda told: told != before, "the note is there")
    world.change_and_announce(name, {"user": "three"})
    world.await_data(name, user=b"three")
    world.await_synced(name)
    assert [reason for reason, _ in world.events(name)].count("BadValue") == 1
    assert world.ready(name)["lastTransitionTime"] != moved_at
    assert len(world.events(name)) == 2


def test_a_new_object_of_the_same_name_begins_anew(world: Whole) -> None:
    name = unique("reborn")
    world.create(name, "value")
    spec = {"roleArn": world.own_role(), "data": [{"key": name, "name": "entry"}]}
    world.apply(name, spec)
    world.await_synced(name)
    first = world.get(name)["metadata"]["uid"]

    world.delete(name)
    world.await_collected(name)
    world.apply(name, spec)

    world.await_data(name, entry=b"value")
    status = world.await_synced(name)
    assert status["uid"] == world.get(name)["metadata"]["uid"] != first
