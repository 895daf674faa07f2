"""What a sweep costs, over every backend there is: metadata, and one value for each that changed.

Values are counted where they are given out, at the server. The first key-value engine of Vault is
not here: it has no metadata, so its values are what is swept (test_vault tells how).
"""

import pytest

from worlds.backends import RemoteWorld
from worlds.sweptworld import SweptWorld

NAMES = [f"db-{number}" for number in range(12)]


@pytest.fixture
def swept(remote_world: RemoteWorld) -> SweptWorld:
    for name in NAMES:
        remote_world.put(name, b"old")
    return SweptWorld(remote_world, *NAMES)


def test_of_what_did_not_change_no_value_is_asked_for_however_often_it_is_swept(
    swept: SweptWorld,
) -> None:
    before = swept.values_asked()
    assert sorted(before) == sorted(NAMES)
    for _ in range(3):
        swept.sweep()
    # Nor by a new process, which knows no more than the ledger.
    swept.restart()
    for _ in range(2):
        swept.sweep()
    assert swept.values_asked() == before


def test_of_what_changed_one_value_is_asked_for_once_and_of_its_neighbours_none(
    swept: SweptWorld,
) -> None:
    swept.sweep()
    before = swept.values_asked()
    swept.world.put(NAMES[7], b"new")
    for _ in range(3):
        swept.sweep()
    assert swept.values_asked() == [*before, NAMES[7]]
    assert swept.data() == {name: b"new" if name == NAMES[7] else b"old" for name in NAMES}
