"""What an edit of the manifest does to the Secret, and what it costs."""

import base64
from typing import Any

from worlds.spine import unique
from worlds.whole import Whole

DOCUMENT = {"user": "app", "password": "first", "port": 5432}


def _synced(world: Whole, name: str, *data: dict[str, Any], **spec: Any) -> None:
    world.apply(name, {"roleArn": world.own_role(), "data": list(data), **spec})
    world.await_synced(name)


def _taken(key: str, entry: str, **rest: Any) -> dict[str, Any]:
    return {"key": key, "name": entry, "property": entry, **rest}


def test_items_come_change_their_names_and_go(world: Whole) -> None:
    name = unique("edited")
    world.create(name, DOCUMENT)
    _synced(world, name, _taken(name, "user"))
    world.await_data(name, user=b"app")

    world.apply(name, {"data": [_taken(name, "user"), _taken(name, "port")]})
    world.await_data(name, user=b"app", port=b"5432")
    renamed = {"key": name, "name": "login", "property": "user"}
    world.apply(name, {"data": [renamed, _taken(name, "port")]})
    world.await_data(name, login=b"app", port=b"5432")
    world.apply(name, {"data": [{**renamed, "property": "password"}, _taken(name, "port")]})
    world.await_data(name, login=b"first", port=b"5432")
    world.apply(name, {"data": [_taken(name, "port")]})
    world.await_data(name, port=b"5432")

    world.await_synced(name)
    # The value was kept and is still current, as a look at its versions tells.
    assert world.value_calls(name) == 1


def test_a_key_that_is_dropped_leaves_secret_and_ledger(world: Whole) -> None:
    app, kept, dropped = unique("app"), unique("kept"), unique("dropped")
    for name in (kept, dropped):
        world.create(name, "value")
    keep = {"key": kept, "name": "kept"}
    _synced(world, app, keep, {"key": dropped, "name": "dropped"})
    world.await_data(app, kept=b"value", dropped=b"value")

    world.apply(app, {"data": [keep]})

    world.await_data(app, kept=b"value")
    keys = world.await_synced(app)["keys"]
    assert [entry for entry in keys if dropped in entry] == []
    assert world.value_calls(kept) == 1


def test_a_new_key_that_cannot_be_read_takes_nothing_away(world: Whole) -> None:
    app, there, typo = unique("app"), unique("there"), unique("typo")
    world.create(there, "value")
    _synced(world, app, {"key": there, "name": "before"})

    world.apply(app, {"data": [{"key": typo, "name": "before"}]})

    assert typo in world.await_complaint(app, "NotFound")
    assert world.data(app) == {"before": b"value"}
    world.apply(app, {"data": [{"key": there, "name": "after"}]})
    world.await_data(app, after=b"value")


def test_another_type_is_refused_in_a_sentence_until_the_secret_is_deleted(world: Whole) -> None:
    name = unique("typed")
    world.create(name, DOCUMENT)
    _synced(world, name, _taken(name, "user"), _taken(name, "password"))

    world.edit(name, {"spec": {"type": "kubernetes.io/basic-auth"}})

    assert "Delete the Secret" in world.await_complaint(name, "TypeConflict")
    assert world.data(name) == {"user": b"app", "password": b"first"}
    assert (world.secret(name) or {})["type"] == "Opaque"

    world.change_and_announce(name, {**DOCUMENT, "password": "second"})
    login = {**_taken(name, "user"), "name": "username"}
    world.apply(name, {"data": [_taken(name, "password"), login]})
    world.delete_secret(name)
    world.await_data(name, username=b"app", password=b"second")
    assert (world.secret(name) or {})["type"] == "kubernetes.io/basic-auth"
    world.await_synced(name)


def test_a_type_conflict_stays_said_however_often_it_is_looked_at(world: Whole) -> None:
    name = unique("typed")
    world.create(name, DOCUMENT)
    _synced(world, name, _taken(name, "user"))
    world.edit(name, {"spec": {"type": "example.com/other"}})
    world.await_complaint(name, "TypeConflict")

    for touch in range(3):
        world.edit_secret(name, {"metadata": {"annotations": {"touch": str(touch)}}})
        world.pass_by()

    assert world.ready(name)["reason"] == "TypeConflict"
    world.edit(name, {"spec": {"type": None}})
    world.await_synced(name)


def test_another_role_reads_again_as_itself(world: Whole) -> None:
    name = unique("roles")
    world.create(name, "value")
    _synced(world, name, {"key": name, "name": "entry"})
    before = next(iter(world.status(name)["keys"].values()))["synced"]["fingerprint"]

    world.edit(name, {"spec": {"roleArn": world.own_role()}})

    after = next(iter(world.await_synced(name)["keys"].values()))["synced"]["fingerprint"]
    assert after != before
    assert world.value_calls(name) == 2


def test_stages_and_versions_may_be_pinned(world: Whole) -> None:
    name = unique("pinned")
    world.create(name, "one")
    described = world.aws("secretsmanager").describe_secret(SecretId=name)
    pinned = next(iter(described["VersionIdsToStages"]))
    world.change(name, "two")
    _synced(
        world,
        name,
        {"key": name, "name": "current"},
        {"key": name, "name": "former", "versionStage": "AWSPREVIOUS"},
        {"key": name, "name": "pinned", "versionId": pinned},
    )
    world.await_data(name, current=b"two", former=b"one", pinned=b"one")

    world.change_and_announce(name, "three")

    world.await_data(name, current=b"three", former=b"two", pinned=b"one")


def test_documents_become_entries_and_later_items_win(world: Whole) -> None:
    name, other = unique("document"), unique("staged")
    world.create(name, {"user": "app", "shared": "document"})
    world.create(other, {"staged": "old"})
    world.change(other, {"staged": "new"})
    _synced(
        world,
        name,
        {"key": name, "name": "shared", "property": "user"},
        dataFrom=[name],
        dataFromWithOptions=[{"key": other, "versionStage": "AWSPREVIOUS"}],
    )
    world.await_data(name, user=b"app", shared=b"app", staged=b"old")

    world.change_and_announce(name, {"user": "app2", "new": "member"})
    world.await_data(name, user=b"app2", shared=b"app2", new=b"member", staged=b"old")

    world.edit(name, {"spec": {"dataFrom": []}})
    world.await_data(name, shared=b"app2", staged=b"old")


def test_bytes_pass_as_they_are(world: Whole) -> None:
    raw, text, encoded = bytes(range(256)), "grün\n", base64.b64encode(b"\x00\xff").decode()
    binary, plain, wrapped = unique("binary"), unique("plain"), unique("wrapped")
    world.create(binary, raw)
    world.create(plain, text)
    world.create(wrapped, {"file": encoded})
    app = unique("app")
    _synced(
        world,
        app,
        {"key": binary, "name": "binary"},
        {"key": plain, "name": "plain"},
        {"key": wrapped, "name": "file", "property": "file", "isBinary": True},
    )
    world.await_data(app, binary=raw, plain=text.encode(), file=b"\x00\xff")

    world.change_and_announce(binary, raw[::-1])

    world.await_data(app, binary=raw[::-1], plain=text.encode(), file=b"\x00\xff")


def test_a_key_may_be_an_arn_whole_or_without_its_suffix(world: Whole) -> None:
    name = unique("by-arn")
    arn = world.create(name, "first")
    _synced(world, name, {"key": arn, "name": "whole"}, {"key": arn[:-7], "name": "partial"})
    world.await_data(name, whole=b"first", partial=b"first")

    world.change_and_announce(name, "second")

    world.await_data(name, whole=b"second", partial=b"second")


def test_a_region_of_its_own_is_read_and_heard(world: Whole) -> None:
    name, region = unique("regional"), "us-east-1"
    away = world._session.client(
        "secretsmanager", endpoint_url=world._env["AWS_ENDPOINT_URL"], region_name=region
    )
    away.create_secret(Name=name, SecretString="away")
    world.create(name, "here")
    _synced(world, name, {"key": name, "name": "entry"}, region=region)
    world.await_data(name, entry=b"away")

    world.edit(name, {"spec": {"region": None}})

    world.await_data(name, entry=b"here")
    keys = world.await_synced(name)["keys"]
    assert len(keys) == 1


def test_an_empty_list_of_items_is_an_empty_secret(world: Whole) -> None:
    name = unique("empty")
    _synced(world, name)
    secret = world.secret(name)
    assert secret is not None
    assert secret.get("data") is None
