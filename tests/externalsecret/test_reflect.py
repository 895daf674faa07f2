import queue
import threading
from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from externalsecret.errors import HarkError
from externalsecret.kubeapi import ApiRefusal, ApiRetry
from externalsecret.reflect import Key, Reflector, key_of
from fakes.kubeapi import FakeKubeApi, Request
from fakes.resources import Clock

MAPS = "/api/v1/namespaces/team/configmaps"
AWAY = ApiRetry("away", 0)


class Told:
    """A sink that tells what it was told."""

    def __init__(self) -> None:
        self.news: queue.Queue[tuple[str, Any]] = queue.Queue()

    def upsert(self, obj: dict[str, Any]) -> None:
        self.news.put(("upsert", key_of(obj)[1]))

    def remove(self, obj: dict[str, Any]) -> None:
        self.news.put(("remove", key_of(obj)[1]))

    def listed(self, keys: set[Key], namespace: str = "") -> None:
        self.news.put(("listed", (namespace, sorted(name for _, name in keys))))

    def next(self) -> tuple[str, Any]:
        return self.news.get(timeout=60)


class Hurried(threading.Event):
    """Remembers how long somebody wanted to wait, and does not wait."""

    def __init__(self) -> None:
        super().__init__()
        self.waits: list[float] = []

    def wait(self, timeout: float | None = None) -> bool:
        self.waits.append(timeout or 0.0)
        return self.is_set()


class Watching:
    """A reflector in its thread."""

    def __init__(self, api: FakeKubeApi, **options: Any) -> None:
        self.api = api
        self.told = Told()
        self.stop = Hurried()
        self.clock = Clock()
        self.reflector = Reflector(
            api, MAPS, self.told, stop=self.stop, clock=self.clock, **options
        )
        self.thread = threading.Thread(target=self.reflector.run, daemon=True)

    def start(self) -> None:
        self.thread.start()

    def end(self) -> None:
        self.stop.set()
        while self.thread.is_alive():
            # It may open one more before it sees the stop.
            self.api.end_watches()
            self.thread.join(0.01)


def put(api: FakeKubeApi, name: str, **data: str) -> None:
    api.seed(f"{MAPS}/{name}", {"metadata": {"labels": {"kept": "yes"}}, "data": data})


@pytest.fixture
def api() -> FakeKubeApi:
    api = FakeKubeApi()
    put(api, "one")
    return api


@pytest.fixture
def watching(api: FakeKubeApi) -> Iterator[Watching]:
    watching = Watching(api)
    watching.start()
    yield watching
    watching.end()


def _begin(watching: Watching) -> None:
    assert watching.told.next() == ("upsert", "one")
    assert watching.told.next() == ("listed", ("team", ["one"]))


def test_after_the_list_every_change_is_told_in_order(watching: Watching) -> None:
    _begin(watching)
    put(watching.api, "two")
    put(watching.api, "one", a="1")
    watching.api.request("DELETE", f"{MAPS}/two")
    told = [watching.told.next() for _ in range(3)]
    assert told == [("upsert", "two"), ("upsert", "one"), ("remove", "two")]
    assert watching.reflector.synced.is_set()


def test_a_watch_that_ends_is_taken_up_where_it_ended(watching: Watching) -> None:
    _begin(watching)
    watching.api.end_watches()
    put(watching.api, "two")
    assert watching.told.next() == ("upsert", "two")
    watching.api.end_watches()
    put(watching.api, "three")
    assert watching.told.next() == ("upsert", "three")
    assert len(watching.api.made("GET")) == 1


def test_when_the_past_is_forgotten_it_lists_anew(watching: Watching) -> None:
    _begin(watching)
    watching.api.end_watches(forget=True)
    assert watching.told.next() == ("upsert", "one")
    assert watching.told.next() == ("listed", ("team", ["one"]))


def test_a_refused_watch_of_an_old_version_lists_anew_too(api: FakeKubeApi) -> None:
    api.fail_next(ApiRefusal("gone", 410), method="WATCH")
    watching = Watching(api)
    watching.start()
    _begin(watching)
    _begin(watching)
    watching.end()


@pytest.mark.parametrize("error", [AWAY, ApiRetry("busy", 429), ApiRefusal("no", 403)])
@pytest.mark.parametrize("method", ["GET", "WATCH"])
def test_whatever_fails_is_tried_again_with_longer_waits(
    api: FakeKubeApi, error: HarkError, method: str
) -> None:
    api.fail_next(error, times=12, method=method)
    watching = Watching(api)
    watching.start()
    _begin(watching)
    put(api, "two")
    assert watching.told.next() == ("upsert", "two")
    watching.end()
    waits = watching.stop.waits
    assert len(waits) >= 12
    assert 0.1 <= waits[0] <= 0.2
    assert 15 <= waits[11] <= 30


def test_a_wait_that_was_asked_for_is_kept(api: FakeKubeApi) -> None:
    api.fail_next(ApiRetry("busy", 429, after=40.0), method="GET")
    watching = Watching(api)
    watching.start()
    _begin(watching)
    watching.end()
    assert 20 <= watching.stop.waits[0] <= 40


def test_a_list_comes_in_pages_and_is_complete_after_the_last() -> None:
    pages: list[Mapping[str, Any]] = [
        {"metadata": {"continue": "more"}, "items": [_named("one")]},
        {"metadata": {"resourceVersion": "5"}, "items": [_named("two")]},
    ]
    asked: list[str | None] = []

    class Paged(FakeKubeApi):
        def _serve(self, asked_for: Request) -> dict[str, Any]:
            asked.append(asked_for.query.get("continue"))
            return dict(pages[len(asked) - 1])

    watching = Watching(Paged())
    watching.start()
    told = [watching.told.next() for _ in range(3)]
    watching.end()
    assert told == [("upsert", "one"), ("upsert", "two"), ("listed", ("team", ["one", "two"]))]
    assert asked == [None, "more"]


def _named(name: str) -> dict[str, Any]:
    return {"metadata": {"name": name, "namespace": "team", "resourceVersion": "1"}}


def test_an_empty_list_that_comes_as_null_is_an_empty_list() -> None:
    api = FakeKubeApi()
    api.answer("GET", MAPS, {"metadata": {"resourceVersion": "5"}, "items": None})
    watching = Watching(api)
    watching.start()
    assert watching.told.next() == ("listed", ("team", []))
    watching.end()


def test_it_is_fresh_only_while_an_open_watch_has_spoken_lately(watching: Watching) -> None:
    _begin(watching)
    put(watching.api, "two")
    watching.told.next()
    assert watching.reflector.is_fresh()
    watching.clock.seconds += 99
    assert watching.reflector.is_fresh()
    watching.clock.seconds += 2
    assert not watching.reflector.is_fresh()
    put(watching.api, "three")
    watching.told.next()
    assert watching.reflector.is_fresh()


def test_it_is_not_fresh_before_it_began_nor_after_it_ended(api: FakeKubeApi) -> None:
    watching = Watching(api)
    assert not watching.reflector.is_fresh()
    watching.start()
    _begin(watching)
    watching.end()
    assert not watching.reflector.is_fresh()
    assert not watching.thread.is_alive()


def test_it_lists_and_watches_only_what_carries_the_label_and_only_metadata(
    api: FakeKubeApi,
) -> None:
    api.seed(f"{MAPS}/other", {"data": {}})
    watching = Watching(api, label_selector="kept=yes", metadata_only=True)
    watching.start()
    _begin(watching)
    api.seed(f"{MAPS}/another", {"data": {}})
    put(api, "two")
    assert watching.told.next() == ("upsert", "two")
    watching.end()
