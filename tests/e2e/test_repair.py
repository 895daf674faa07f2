"""What somebody changed in a Secret by hand is put right, from memory where it holds the value."""

import base64
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from worlds.spine import await_until, unique
from worlds.whole import Whole

LABEL = "externalsecrets.kubernetes-client.io/managed-by"


def _encoded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


@dataclass(frozen=True, slots=True)
class Made:
    """A Secret that is in order."""

    world: Whole
    name: str

    def edit(self, patch: dict[str, Any]) -> None:
        self.world.edit_secret(self.name, patch)

    def await_metadata(self, good: Callable[[dict[str, Any]], bool], what: str) -> None:
        def look() -> dict[str, Any]:
            metadata: dict[str, Any] = (self.world.secret(self.name) or {}).get("metadata", {})
            return metadata

        await_until(look, good, what)

    def await_order(self) -> None:
        self.world.await_data(self.name, user=b"app", password=b"right")
        self.await_metadata(lambda data: LABEL in data.get("labels", {}), "it has our label")
        self.await_metadata(lambda data: len(data.get("ownerReferences", ())) == 1, "an owner")


@pytest.fixture
def made(world: Whole) -> Iterator[Made]:
    """A synced ExternalSecret; no value may be read while the test damages its Secret."""
    name = unique("repaired")
    world.create(name, {"user": "app", "password": "right"})
    world.apply(name, {"roleArn": world.own_role(), "dataFrom": [name]})
    world.await_data(name, user=b"app", password=b"right")
    world.await_synced(name)
    before = world.value_calls(name)
    yield Made(world, name)
    assert world.value_calls(name) == before


def test_an_edited_entry_is_put_right(made: Made) -> None:
    made.edit({"data": {"password": _encoded("wrong")}})
    made.await_order()


def test_a_removed_entry_comes_back(made: Made) -> None:
    made.edit({"data": {"password": None}})
    made.await_order()


def test_a_deleted_secret_comes_back(made: Made) -> None:
    made.world.delete_secret(made.name)
    made.await_order()
    made.world.await_synced(made.name)


def test_a_removed_label_comes_back(made: Made) -> None:
    made.edit({"metadata": {"labels": {LABEL: None}}})
    made.await_order()
    made.edit({"data": {"password": _encoded("wrong")}})
    made.await_order()


def test_a_removed_owner_comes_back(made: Made) -> None:
    made.edit({"metadata": {"ownerReferences": None}})
    made.await_order()
    owner = (made.world.secret(made.name) or {})["metadata"]["ownerReferences"][0]
    assert owner["uid"] == made.world.get(made.name)["metadata"]["uid"]
    assert owner["controller"] is True


def test_what_others_add_stays(made: Made) -> None:
    made.edit(
        {
            "metadata": {"labels": {"team": "red"}, "annotations": {"note": "theirs"}},
            "data": {"theirs": _encoded("kept"), "password": _encoded("wrong")},
        }
    )
    made.world.await_data(made.name, user=b"app", password=b"right", theirs=b"kept")

    made.world.edit_secret(made.name, {"data": {"user": None}})

    made.world.await_data(made.name, user=b"app", password=b"right", theirs=b"kept")
    metadata = (made.world.secret(made.name) or {})["metadata"]
    assert metadata["labels"]["team"] == "red"
    assert metadata["annotations"]["note"] == "theirs"
