from dataclasses import replace
from typing import Any

import pytest

from externalsecret.dialect.contract import Defaults
from externalsecret.manifest import Manifest, read_manifest
from externalsecret.reference import Identity
from fakes.guards import NAMING, Warden
from fakes.resources import (
    DEFAULTS,
    LANE,
    Clock,
    entry_of,
    heard,
    manifest,
    raw,
    reference,
    spec,
    synced,
)
from reconciler import objects as module
from reconciler.objects import Objects

KEY = ("team", "shop")
DB = (LANE, entry_of("db"))
WEB = (LANE, entry_of("web"))


@pytest.fixture
def woken() -> list[tuple[tuple[str, str], bool]]:
    return []


@pytest.fixture
def objects(woken: list[tuple[tuple[str, str], bool]]) -> Objects:
    return Objects(DEFAULTS, "", lambda key, urgent: woken.append((key, urgent)))


def _covered(**note: Any) -> dict[str, Any]:
    leaves = {"synced": synced(manifest(password="db"), "db", "v1"), **note}
    return {"uid": "u1", "keys": {entry_of("db"): leaves}}


def test_what_the_watch_shows_is_kept_and_looked_at(objects: Objects, woken: list[Any]) -> None:
    objects.upsert(raw())
    es = objects.get(KEY)
    assert es is not None
    assert es.spec == spec(password="db")
    assert (objects.keys(), len(objects)) == ([KEY], 1)
    assert woken == [(KEY, True)]


def test_an_older_state_replaces_no_newer_one_and_wakes_nobody(
    objects: Objects, woken: list[Any]
) -> None:
    assert objects.replace(raw(version=5))
    objects.upsert(raw(version=5))
    objects.upsert(raw(version=4))
    assert not objects.replace(raw(version=4))
    assert woken == []


@pytest.mark.parametrize(
    ("status", "urgent"),
    [({}, True), (_covered(), False), (_covered(heard=heard("e", "v2")), True)],
)
def test_at_the_first_list_what_has_work_goes_before_what_rests(
    objects: Objects, woken: list[Any], status: dict[str, Any], *, urgent: bool
) -> None:
    objects.upsert(raw(status=status))
    assert woken == [(KEY, urgent)]


def test_after_the_list_every_change_is_urgent(objects: Objects, woken: list[Any]) -> None:
    objects.listed(set())
    objects.upsert(raw(status=_covered()))
    assert woken == [(KEY, True)]


def test_after_a_list_all_are_looked_at_and_what_it_lacks_is_gone(
    objects: Objects, woken: list[Any]
) -> None:
    objects.replace(raw())
    objects.replace(raw("gone"))
    objects.listed({KEY})
    assert objects.get(("team", "gone")) is None
    assert woken == [(("team", "gone"), True), (KEY, False)]


def test_what_is_removed_is_gone_and_no_late_reply_brings_it_back(
    objects: Objects, woken: list[Any]
) -> None:
    objects.replace(raw(version=3))
    objects.remove(raw(version=5))
    assert woken == [(KEY, True)]
    assert not objects.replace(raw(version=4))
    assert objects.get(KEY) is None
    assert objects.readers(DB) == []
    assert objects.replace(raw(version=6, uid="u2"))


def test_the_end_of_a_predecessor_does_not_end_its_successor(objects: Objects) -> None:
    objects.replace(raw(version=6, uid="u2"))
    objects.remove(raw(version=5))
    assert objects.get(KEY) is not None


def test_readers_are_those_who_share_key_and_identity(objects: Objects) -> None:
    other = {**spec(password="db"), "roleArn": "arn:aws:iam::123456789012:role/other"}
    objects.replace(raw("one"))
    objects.replace(raw("two", wanted=spec(user="db", page="web")))
    objects.replace(raw("three", wanted=other))
    assert sorted(objects.readers(DB)) == [("team", "one"), ("team", "two")]
    assert objects.readers(WEB) == [("team", "two")]
    foreign = replace(LANE, identity=Identity("arn:aws:iam::123456789012:role/other"))
    assert objects.lanes() == {LANE: {DB[1], WEB[1]}, foreign: {DB[1]}}
    assert objects.reference(WEB) == reference("web")


def test_who_stops_reading_is_no_reader_any_more(objects: Objects) -> None:
    objects.replace(raw(version=1))
    objects.replace(raw(version=2, wanted=spec(page="web")))
    assert objects.readers(DB) == []
    assert objects.readers(WEB) == [KEY]
    assert objects.reference(DB) is None
    assert objects.lanes() == {LANE: {WEB[1]}}


def test_what_another_installation_serves_is_not_ours(objects: Objects, woken: list[Any]) -> None:
    theirs = {**spec(password="db"), "controllerId": "theirs"}
    objects.upsert(raw(version=1, wanted=theirs))
    assert (objects.get(KEY), objects.readers(DB), woken) == (None, [], [])
    objects.replace(raw(version=2))
    objects.upsert(raw(version=3, wanted=theirs))
    assert (objects.get(KEY), objects.readers(DB)) == (None, [])


def test_an_object_that_cannot_be_understood_is_kept_and_reads_nothing(
    objects: Objects, woken: list[Any]
) -> None:
    objects.upsert(raw(wanted={"backendType": "abacus"}))
    assert objects.get(KEY) is not None
    assert objects.lanes() == {}
    assert woken == [(KEY, False)]


def test_what_nobody_needs_is_not_kept(objects: Objects) -> None:
    big = raw()
    big["metadata"]["managedFields"] = [{"manager": "kubectl"}]
    big["metadata"]["annotations"] = {
        "kubectl.kubernetes.io/last-applied-configuration": "long",
        "externalsecrets.kubernetes-client.io/adopt": "true",
    }
    objects.replace(big)
    es = objects.get(KEY)
    assert es is not None
    assert es.annotations == {"externalsecrets.kubernetes-client.io/adopt": "true"}
    assert es.may_adopt()


def test_a_fault_over_one_object_makes_it_read_nothing_and_costs_the_others_nothing(
    objects: Objects, woken: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fragile(found: dict[str, Any], defaults: Defaults) -> Manifest:
        if found.get("backendType") == "surprise":
            raise AttributeError(found)
        return read_manifest(found, defaults)

    monkeypatch.setattr(module, "read_manifest", fragile)
    objects.upsert(raw("odd", wanted={"backendType": "surprise"}))
    objects.upsert(raw())
    assert woken == [(("team", "odd"), False), (KEY, True)]
    assert objects.get(("team", "odd")) is not None
    assert objects.readers(DB) == [KEY]


def test_what_is_gone_is_remembered_for_a_while_without_any_list() -> None:
    clock = Clock()
    objects = Objects(DEFAULTS, "", lambda _key, _urgent: None, clock)
    objects.remove(raw(version=5))
    clock.seconds += 500
    objects.remove(raw("other", version=6))
    assert not objects.replace(raw(version=4))
    clock.seconds += 200
    objects.remove(raw("other", version=7))
    assert objects.replace(raw(version=4))
    assert not objects.replace(raw("other", version=6))


def test_a_read_that_only_denied_objects_use_is_in_no_lane(woken: list[Any]) -> None:
    changed: list[str] = []
    warden = Warden(changed=changed.append)
    objects = Objects(
        DEFAULTS, "", lambda key, urgent: woken.append((key, urgent)), guard=warden.guard
    )
    objects.upsert(raw())
    objects.upsert(raw("cart", wanted=spec(password="db", user="web"), uid="u2"))
    # The namespace is not known yet.
    assert objects.lanes() == {}
    assert objects.reference(DB) is None

    warden.annotate()
    assert objects.lanes() == {LANE: {DB[1], WEB[1]}}
    woken.clear()
    warden.annotate(annotations={NAMING: "^db$"})
    assert changed == ["team", "team"]
    objects.wake_all_of("team")
    objects.wake_all_of("other")
    assert sorted(woken) == [(("team", "cart"), True), (KEY, True)]
    assert objects.lanes() == {LANE: {DB[1]}}
    assert objects.reference(DB) == reference("db")
    assert objects.reference(WEB) is None
    assert objects.readers(WEB) == [("team", "cart")]
