"""The durable word that something changed."""

import threading
from collections.abc import Callable, Iterator, Mapping
from http import HTTPStatus
from typing import Any

import pytest
from prometheus_client import CollectorRegistry
from structlog.testing import capture_logs

from externalsecret.kubeapi import ApiRefusal, ApiRetry
from externalsecret.ledger import Heard
from externalsecret.reflect import Key
from externalsecret.resource import status_path
from fakes.kubeapi import FakeKubeApi, Request
from listener.metrics import ListenerMetrics
from listener.notes import NoteWriter

GROUP = "/apis/kubernetes-client.io/v1"
ENTRY = "secretsmanager/eu-west-1/db#AWSCURRENT"
ONE = ("shop", "one")
TWO = ("shop", "two")
PATIENCE = 10.0
AWAY = ApiRetry("away", HTTPStatus.SERVICE_UNAVAILABLE)
STRANGE = ApiRetry("an admission webhook failed", HTTPStatus.INTERNAL_SERVER_ERROR)


class Told:
    """Who waits for a note."""

    def __init__(self) -> None:
        self.answers: list[bool] = []
        self._changed = threading.Condition()

    def __call__(self, written: bool) -> None:  # noqa: FBT001 - the shape of Done
        with self._changed:
            self.answers.append(written)
            self._changed.notify_all()

    def wait(self, number: int = 1) -> list[bool]:
        with self._changed:
            assert self._changed.wait_for(lambda: len(self.answers) >= number, PATIENCE)
            return self.answers


class Clock:
    def __init__(self) -> None:
        self.seconds = 1000.0

    def __call__(self) -> float:
        return self.seconds


class Desk:
    """A writer on an API server in memory, worked by the test or by threads."""

    def __init__(self) -> None:
        self.api = FakeKubeApi()
        self.registry = CollectorRegistry()
        self.replies: list[dict[str, Any]] = []
        self.on_reply: Callable[[dict[str, Any]], None] = self.replies.append
        self.pruned: list[bool] = []
        self.standing: dict[str, Heard] = {}
        self.stop = threading.Event()
        self.clock = Clock()
        self.writer = NoteWriter(
            self.api,
            ListenerMetrics(self.registry),
            stop=self.stop,
            on_reply=self._replied,
            on_pruned=lambda: self.pruned.append(True),
            standing=lambda _key: self.standing,
            clock=self.clock,
        )
        for key in (ONE, TWO):
            self.api.seed(_path(key), {"spec": {}})

    def _replied(self, reply: dict[str, Any]) -> None:
        self.on_reply(reply)

    def submit(self, *notes: Heard, key: Key = ONE, entry: str = ENTRY) -> Told:
        told = Told()
        for note in notes:
            self.writer.submit(key, {entry: note}, told)
        return told

    def write_all(self) -> None:
        """Write what can be written now."""
        while self.writer.backlog():
            assert self.writer.write_next()

    def wait_out(self) -> None:
        """Let every backoff pass."""
        self.clock.seconds += 100.0

    def heard(self, key: Key = ONE, entry: str = ENTRY) -> Mapping[str, Any]:
        obj = self.api.find(_path(key)) or {}
        leaf: Mapping[str, Any] = obj.get("status", {}).get("keys", {}).get(entry, {})
        found: Mapping[str, Any] = leaf.get("heard", {})
        return found

    def count(self, name: str, **labels: str) -> float:
        return self.registry.get_sample_value(f"hark_listener_{name}_total", labels) or 0.0


@pytest.fixture
def desk() -> Iterator[Desk]:
    made = Desk()
    yield made
    made.stop.set()
    made.writer.wake()


def _path(key: Key) -> str:
    return status_path(key).removesuffix("/status")


def _note(identity: str = "e1", version: str | None = None) -> Heard:
    return Heard(identity, version, "2026-01-01T00:00:00Z", "sqs")


def test_a_note_is_written_and_then_reported(desk: Desk) -> None:
    told = desk.submit(_note("e1", "v1"))
    assert not told.answers
    desk.write_all()
    assert told.answers == [True]
    assert desk.heard() == {
        "id": "e1",
        "version": "v1",
        "at": "2026-01-01T00:00:00Z",
        "via": "sqs",
    }
    assert desk.count("notes_written") == 1


def test_a_note_says_what_it_does_not_know_so_that_nothing_old_shines_through(desk: Desk) -> None:
    desk.submit(_note("e1", "v1"))
    desk.write_all()
    desk.submit(_note("e2"))
    desk.write_all()
    assert desk.api.made("PATCH")[-1].body["status"]["keys"][ENTRY]["heard"]["version"] is None
    assert "version" not in desk.heard()


def test_nothing_is_reported_before_the_api_server_took_it(desk: Desk) -> None:
    told = desk.submit(_note())
    seen: list[list[bool]] = []
    desk.api.before = lambda _request: seen.append(list(told.answers))
    desk.write_all()
    assert seen == [[]]


def test_the_index_knows_the_note_before_it_is_reported(desk: Desk) -> None:
    told = desk.submit(_note())
    seen: list[list[bool]] = []
    desk.on_reply = lambda _reply: seen.append(list(told.answers))
    desk.write_all()
    assert seen == [[]]
    assert told.answers == [True]


@pytest.mark.parametrize("error", [AWAY, STRANGE, ApiRetry("no answer", 0)])
def test_a_note_that_fails_is_tried_until_it_succeeds(desk: Desk, error: ApiRetry) -> None:
    desk.api.fail_next(error, times=3)
    told = desk.submit(_note())
    for _ in range(3):
        desk.write_all()
        assert not told.answers
        desk.wait_out()
    desk.write_all()
    assert told.answers == [True]
    assert desk.count("notes_retried") == 3


def test_a_failed_note_waits_before_it_is_tried_again(desk: Desk) -> None:
    desk.api.fail_next(AWAY)
    desk.submit(_note())
    desk.write_all()
    desk.write_all()
    assert len(desk.api.made("PATCH")) == 1


def test_the_wait_that_the_api_server_asks_for_is_kept(desk: Desk) -> None:
    desk.api.fail_next(ApiRetry("slow down", HTTPStatus.TOO_MANY_REQUESTS, after=60.0))
    desk.submit(_note())
    desk.write_all()
    desk.clock.seconds += 29.0
    desk.write_all()
    assert len(desk.api.made("PATCH")) == 1
    desk.clock.seconds += 31.0
    desk.write_all()
    assert len(desk.api.made("PATCH")) == 2


def test_the_writer_is_stuck_while_the_api_server_is_away(desk: Desk) -> None:
    desk.api.fail_next(AWAY)
    desk.submit(_note())
    assert not desk.writer.is_stuck()
    desk.write_all()
    assert desk.writer.is_stuck()
    desk.wait_out()
    desk.write_all()
    assert not desk.writer.is_stuck()


def test_while_the_api_server_is_away_all_notes_wait(desk: Desk) -> None:
    desk.api.fail_next(AWAY)
    desk.submit(_note())
    desk.write_all()
    desk.submit(_note(), key=TWO)
    desk.write_all()
    assert len(desk.api.made("PATCH")) == 1


def test_one_object_that_fails_alone_makes_nobody_wait(desk: Desk) -> None:
    desk.api.fail_next(STRANGE, times=50, path="/one/")
    failing = desk.submit(_note())
    desk.write_all()
    assert not desk.writer.is_stuck()
    fine = desk.submit(_note(), key=TWO)
    desk.write_all()
    assert fine.answers == [True]
    assert not failing.answers


def test_an_object_that_is_gone_needs_no_note(desk: Desk) -> None:
    told = desk.submit(_note(), key=("shop", "gone"))
    desk.write_all()
    assert told.answers == [True]
    assert not desk.replies


@pytest.mark.parametrize("status", [403, 413, 422])
def test_a_refused_note_is_counted_and_holds_up_no_other(desk: Desk, status: int) -> None:
    desk.api.fail_next(ApiRefusal("no", status), times=9, path="/one/")
    refused = desk.submit(_note())
    fine = desk.submit(_note(), key=TWO)
    desk.write_all()
    assert refused.answers == [False]
    assert fine.answers == [True]
    assert desk.count("notes_refused", status=str(status)) == 1
    assert not desk.writer.is_stuck()


def test_notes_of_one_object_travel_together(desk: Desk) -> None:
    told = [
        desk.submit(_note(f"e{number}"), entry=f"secretsmanager/eu-west-1/{number}#AWSCURRENT")
        for number in range(5)
    ]
    desk.write_all()
    (patch,) = desk.api.made("PATCH")
    assert len(patch.body["status"]["keys"]) == 5
    assert [one.answers for one in told] == [[True]] * 5


def test_five_changes_of_one_key_are_one_note_and_all_are_reported(desk: Desk) -> None:
    told = desk.submit(*(_note(f"e{number}", f"v{number}") for number in range(5)))
    desk.write_all()
    assert told.answers == [True] * 5
    assert len(desk.api.made("PATCH")) == 1
    assert desk.heard()["id"].startswith("e4+")
    # Which of the five is current is for a look to tell, for messages come in any order.
    assert "version" not in desk.heard()


def test_two_announcements_of_one_version_keep_the_version(desk: Desk) -> None:
    desk.submit(_note("native", "v2"), _note("recorded", "v2"))
    desk.write_all()
    assert (desk.heard()["id"], desk.heard()["version"]) == ("recorded", "v2")


def test_a_note_never_hides_one_that_no_read_has_covered(desk: Desk) -> None:
    """v1 is what the Secret holds: with it in the note, the ledger would look covered."""
    desk.standing = {ENTRY: _note("e2", "v2")}
    desk.submit(_note("late", "v1"))
    desk.write_all()
    assert desk.heard()["id"].startswith("late+")
    assert "version" not in desk.heard()


def test_notes_that_come_while_a_patch_is_under_way_travel_in_the_next(desk: Desk) -> None:
    later: list[Told] = []

    def submit_more(_request: Request) -> None:
        if not later:
            later.append(desk.submit(_note("e2"), _note("e3")))

    desk.api.before = submit_more
    told = desk.submit(_note("e1"))
    desk.write_all()
    assert told.answers == [True]
    assert later[0].answers == [True, True]
    sent = [_ids(patch).partition("+")[0] for patch in desk.api.made("PATCH")]
    assert sent == ["e1", "e3"]


def test_a_note_that_came_while_its_object_failed_follows_it(desk: Desk) -> None:
    desk.api.fail_next(STRANGE)
    later: list[Told] = []

    def submit_more(_request: Request) -> None:
        if not later:
            later.append(desk.submit(_note("e2")))

    desk.api.before = submit_more
    told = desk.submit(_note("e1"))
    desk.write_all()
    desk.wait_out()
    desk.write_all()
    assert told.answers == [True]
    assert later[0].answers == [True]
    assert desk.heard()["id"].startswith("e2+")


def _ids(patch: Request) -> str:
    identity: str = patch.body["status"]["keys"][ENTRY]["heard"]["id"]
    return identity


def test_a_definition_that_drops_the_ledger_is_told_and_nothing_is_reported_as_written(
    desk: Desk,
) -> None:
    desk.api.kept_status = {"status", "lastSync"}
    told = desk.submit(_note())
    desk.write_all()
    assert desk.pruned == [True]
    assert told.answers == [False]
    assert not desk.replies


def test_a_fault_of_ours_is_tried_again_and_shows_no_text(desk: Desk) -> None:
    faults = [RuntimeError("canary-7d1f")]

    def fail_once(_reply: dict[str, Any]) -> None:
        if faults:
            raise faults.pop()

    desk.on_reply = fail_once
    told = desk.submit(_note())
    with capture_logs() as logs:
        desk.write_all()
    assert not told.answers
    assert [line["event"] for line in logs] == ["note.fault"]
    assert "canary" not in str(logs)
    desk.wait_out()
    desk.write_all()
    assert told.answers == [True]


def test_workers_write_objects_side_by_side(desk: Desk) -> None:
    both = threading.Barrier(2)
    desk.api.before = lambda _request: _ignore(both.wait(PATIENCE))
    threads = [threading.Thread(target=desk.writer.run) for _ in range(2)]
    for thread in threads:
        thread.start()
    one, two = desk.submit(_note()), desk.submit(_note(), key=TWO)
    assert one.wait() == two.wait() == [True]
    desk.stop.set()
    desk.writer.wake()
    for thread in threads:
        thread.join(PATIENCE)
        assert not thread.is_alive()


def test_one_object_is_patched_by_one_worker_at_a_time(desk: Desk) -> None:
    under_way: list[int] = []
    most: list[int] = []
    lock = threading.Lock()
    release = threading.Event()

    def observe(_request: Request) -> None:
        with lock:
            under_way.append(1)
            most.append(len(under_way))
        release.wait(PATIENCE)
        with lock:
            under_way.pop()

    desk.api.before = observe
    threads = [threading.Thread(target=desk.writer.run) for _ in range(4)]
    for thread in threads:
        thread.start()
    told = desk.submit(*(_note(f"e{number}") for number in range(20)))
    release.set()
    told.wait(20)
    assert set(most) == {1}
    desk.stop.set()
    desk.writer.wake()
    for thread in threads:
        thread.join(PATIENCE)


def test_a_burst_of_a_thousand_messages_is_a_few_patches(desk: Desk) -> None:
    told = desk.submit(*(_note(f"e{number}") for number in range(1000)))
    desk.write_all()
    assert told.answers == [True] * 1000
    assert len(desk.api.made("PATCH")) == 1


def test_nothing_is_written_after_the_stop(desk: Desk) -> None:
    told = desk.submit(_note())
    desk.stop.set()
    assert not desk.writer.write_next()
    assert not told.answers


def _ignore(_anything: object) -> None:
    """Give a hook that must return nothing."""
