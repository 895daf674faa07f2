"""What a reflector does when the sink that it feeds fails."""

import threading
from typing import Any

import pytest

from externalsecret.reflect import Key, Reflector
from fakes.kubeapi import FakeKubeApi

MAPS = "/api/v1/namespaces/team/configmaps"


class Clumsy:
    """A sink that fails to take its first list."""

    def __init__(self) -> None:
        self.lists: list[set[Key]] = []

    def upsert(self, obj: dict[str, Any]) -> None:
        """Nothing is kept."""

    def remove(self, obj: dict[str, Any]) -> None:
        """Nothing was kept."""

    def listed(self, keys: set[Key], namespace: str = "") -> None:
        assert namespace == "team"
        self.lists.append(keys)
        if len(self.lists) == 1:
            raise RuntimeError("clumsy")


def test_a_list_that_the_sink_failed_to_take_is_made_again() -> None:
    api = FakeKubeApi()
    api.seed(f"{MAPS}/one", {"metadata": {"name": "one"}})
    sink = Clumsy()
    stop = threading.Event()
    reflector = Reflector(api, MAPS, sink, stop=stop)
    with pytest.raises(RuntimeError, match="clumsy"):
        reflector.run()
    assert not reflector.synced.is_set()

    thread = threading.Thread(target=reflector.run)
    thread.start()
    assert reflector.synced.wait(60)
    stop.set()
    while thread.is_alive():
        # It may open one more before it sees the stop.
        api.end_watches()
        thread.join(0.01)
    assert sink.lists == [{("team", "one")}] * 2
