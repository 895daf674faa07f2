"""A working Secret never gets worse, and follows again once the cause has gone."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from worlds.spine import unique
from worlds.whole import BROKEN, DENIED, THROTTLED, Fault, Whole

GOOD = {"user": "app", "password": "first"}


@dataclass(frozen=True, slots=True)
class Cause:
    """Something that makes a secret unusable, and its mending."""

    reason: str
    sentence: str
    strike: Callable[[Whole, str], Callable[[], None]]
    """Does the harm; what it returns mends it."""
    is_alone: bool = False
    """Whether whoever reads with the same identity has to wait too."""


def _bad_value(value: Any) -> Callable[[Whole, str], Callable[[], None]]:
    def strike(world: Whole, name: str) -> Callable[[], None]:
        world.change_and_announce(name, value)

        def mend() -> None:
            world.change_and_announce(name, {"user": "app", "password": "second"})

        return mend

    return strike


def _refusal(fault: Fault) -> Callable[[Whole, str], Callable[[], None]]:
    """The change is announced, but AWS does not give it out."""

    def strike(world: Whole, name: str) -> Callable[[], None]:
        rule = world.refuse(name, fault)
        world.change_and_announce(name, {"user": "app", "password": "second"})
        return rule.retire

    return strike


def _denial(world: Whole, name: str) -> Callable[[], None]:
    retire = _refusal(DENIED)(world, name)

    def mend() -> None:
        retire()
        world.change_and_announce(name, {"user": "app", "password": "second"})

    return mend


def _deletion(world: Whole, name: str) -> Callable[[], None]:
    manager = world.aws("secretsmanager")
    manager.delete_secret(SecretId=name, RecoveryWindowInDays=7)
    world.announce_call("secretsmanager", "DeleteSecret", {"secretId": name})

    def mend() -> None:
        manager.restore_secret(SecretId=name)
        world.change_and_announce(name, {"user": "app", "password": "second"})

    return mend


CAUSES = {
    "deleted": Cause("MarkedForDeletion", "", _deletion),
    "no longer JSON": Cause("BadValue", "not JSON", _bad_value("plain words")),
    "property gone": Cause(
        "BadValue", "Could not find property password in", _bad_value({"user": "app"})
    ),
    "denied": Cause("Denied", "not authorized", _denial),
    "throttled": Cause("Throttled", "Rate exceeded", _refusal(THROTTLED), is_alone=True),
    "broken": Cause("BackendUnavailable", "server side", _refusal(BROKEN), is_alone=True),
}


@pytest.mark.parametrize("cause", CAUSES.values(), ids=CAUSES.keys())
def test_a_working_secret_survives_its_backend_and_follows_again(
    world: Whole, cause: Cause
) -> None:
    name, other = unique("db"), unique("other")
    role = world.own_role()
    roles = {name: role, other: world.own_role() if cause.is_alone else role}
    for each in (name, other):
        world.create(each, GOOD)
        keys = [
            {"key": each, "name": "user", "property": "user"},
            {"key": each, "name": "password", "property": "password"},
        ]
        world.apply(each, {"roleArn": roles[each], "data": keys})
    world.await_data(name, user=b"app", password=b"first")
    world.await_data(other, user=b"app", password=b"first")
    synced_at = world.await_synced(name)["lastSync"]

    mend = cause.strike(world, name)
    sentence = world.await_complaint(name, cause.reason)
    world.change_and_announce(other, {"user": "app", "password": "third"})

    assert cause.sentence in sentence
    assert name in sentence or cause.reason in {"Throttled", "BackendUnavailable"}
    assert world.data(name) == {"user": b"app", "password": b"first"}
    assert world.status(name)["lastSync"] == synced_at
    world.await_data(other, user=b"app", password=b"third")

    mend()
    world.await_data(name, user=b"app", password=b"second")
    world.await_synced(name)
    assert world.ready(name)["status"] == "True"


def test_a_member_that_cannot_name_an_entry_costs_no_entry(world: Whole) -> None:
    name = unique("document")
    world.create(name, {"user": "app", "password": "first"})
    world.apply(name, {"roleArn": world.own_role(), "dataFrom": [name]})
    world.await_data(name, user=b"app", password=b"first")

    world.change_and_announce(name, {"not an entry": "x", "password": "first"})

    assert "cannot name an entry" in world.await_complaint(name, "BadValue")
    assert world.data(name) == {"user": b"app", "password": b"first"}
    world.change_and_announce(name, {"password": "third"})
    world.await_data(name, password=b"third")


@pytest.mark.parametrize("emptied", [{}, [], "words", "null"])
def test_a_document_that_is_no_filled_object_empties_no_secret(world: Whole, emptied: Any) -> None:
    name = unique("document")
    world.create(name, GOOD)
    world.apply(name, {"roleArn": world.own_role(), "dataFrom": [name]})
    world.await_data(name, user=b"app", password=b"first")

    world.change_and_announce(name, emptied)

    assert "spec.dataFrom[0]" in world.await_complaint(name, "BadValue")
    assert world.data(name) == {"user": b"app", "password": b"first"}
