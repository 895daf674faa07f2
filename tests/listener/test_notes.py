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
from listener.standing import Standing

GROUP = "/apis/kubernetes-client.io/v1"
ENTRY = "secretsmanager/eu-west-1/db#AWSCURRENT"
ONE = ("shop", "one")
TWO = ("shop", "two")
ELSEWHERE = ("bank", "one")
PATIENCE = 60.0
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
        self.refused: list[Key] = []
        self.may_note = True
        self.standing: dict[str, Heard] = {}
        self.stands: Callable[[Key], Standing] = self._known
        self.stop = threading.Event()
        self.clock = Clock()
        self.writer = NoteWriter(
            self.api,
            ListenerMetrics(self.registry),
            stop=self.stop,
            on_reply=self._replied,
            on_pruned=lambda: self.pruned.append(True),
            on_refused=lambda key, _why: self.refused.append(key),
            may_note=lambda: self.may_note,
            standing=self._standing_of,
            clock=self.clock,
        )
        for key in (ONE, TWO, ELSEWHERE):
            self.api.seed(_path(key), {"spec": {}})

    def _standing_of(self, key: Key) -> Standing:
        return self.stands(key)

    def _known(self, key: Key) -> Standing:
        obj = self.api.find(_path(key)) or {"metadata": {"resourceVersion": ""}}
        return Standing(obj["metadata"]["resourceVersion"], self.standing)

    def _replied(self, reply: dict[str, Any]) -> None:
        self.on_reply(reply)

    def submit(self, *notes: Heard, key: Key = ONE, entry: str = ENTRY) -> Told:
        told = Told()
        for note in notes:
            self.writer.submit(key, {entry: note}, told)
        return told

    def write_all(self) -> None:
        """Write what can be written now."""
        while self.writer.write_due():
            pass

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
        desk.clock.seconds += 15.0
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
    desk.clock.seconds += 59.0
    desk.write_all()
    assert len(desk.api.made("PATCH")) == 1
    desk.clock.seconds += 1.0
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


@pytest.mark.parametrize("status", [409, 500])
def test_an_answer_about_one_object_ends_an_outage(desk: Desk, status: int) -> None:
    desk.api.fail_next(ApiRetry("no answer", 0))
    desk.submit(_note())
    desk.write_all()
    assert desk.writer.is_stuck()
    desk.api.fail_next(ApiRetry("about this object", status), times=1000, path="/one/")
    desk.wait_out()
    desk.write_all()
    assert not desk.writer.is_stuck()


def test_the_messages_of_an_object_that_fails_alone_for_a_minute_go_back(desk: Desk) -> None:
    desk.api.fail_next(STRANGE, times=1000, path="/one/")
    failing = desk.submit(_note())
    desk.write_all()
    desk.clock.seconds += 59.0
    desk.write_all()
    assert not failing.answers
    later = desk.submit(_note("e2"))
    desk.clock.seconds += 20.0
    desk.write_all()
    assert failing.answers == later.answers == [False]
    assert desk.refused == [ONE]
    before = len(desk.api.made("PATCH"))
    desk.wait_out()
    desk.write_all()
    assert len(desk.api.made("PATCH")) == before


def test_an_object_that_was_given_up_is_tried_anew_with_its_next_message(desk: Desk) -> None:
    desk.api.fail_next(STRANGE, times=2)
    desk.submit(_note())
    desk.write_all()
    desk.wait_out()
    desk.write_all()
    told = desk.submit(_note("e2"))
    desk.write_all()
    assert told.answers == [True]


def test_a_note_that_no_message_would_bring_again_is_tried_until_it_succeeds(desk: Desk) -> None:
    desk.api.fail_next(STRANGE, times=3)
    desk.writer.submit(ONE, {ENTRY: _note("missed")}, None)
    owned = desk.submit(_note(), entry="secretsmanager/eu-west-1/other#AWSCURRENT")
    for _ in range(4):
        desk.write_all()
        desk.wait_out()
    assert owned.answers == [False]
    assert desk.heard()["id"] == "missed"


def test_messages_are_kept_while_objects_of_several_namespaces_fail(desk: Desk) -> None:
    """As when the API server's own storage is away: to hand them back wears out deliveries."""
    desk.api.fail_next(STRANGE, times=1000)
    told = [desk.submit(_note()), desk.submit(_note(), key=ELSEWHERE)]
    for _ in range(5):
        desk.write_all()
        desk.wait_out()
    assert [one.answers for one in told] == [[], []]
    desk.api.heal()
    desk.write_all()
    assert [one.answers for one in told] == [[True], [True]]


def test_several_objects_that_fail_are_given_up_once_another_is_written(desk: Desk) -> None:
    desk.api.fail_next(STRANGE, times=1000, path="/one/")
    told = [desk.submit(_note()), desk.submit(_note(), key=ELSEWHERE)]
    desk.write_all()
    desk.submit(_note(), key=TWO)
    desk.write_all()
    desk.wait_out()
    desk.write_all()
    assert [one.answers for one in told] == [[False], [False]]


def test_an_outage_does_not_count_as_failing_alone(desk: Desk) -> None:
    desk.api.fail_next(STRANGE)
    desk.api.fail_next(AWAY, times=5)
    told = desk.submit(_note())
    for _ in range(6):
        desk.write_all()
        desk.wait_out()
    desk.api.fail_next(STRANGE)
    desk.write_all()
    assert not told.answers


def test_a_right_that_was_taken_away_is_waited_for(desk: Desk) -> None:
    desk.may_note = False
    desk.api.fail_next(ApiRefusal("no", HTTPStatus.FORBIDDEN), times=1000)
    first, second = desk.submit(_note()), desk.submit(_note(), key=ELSEWHERE)
    desk.write_all()
    # The first alone is taken for its own refusal; its message comes again.
    assert (first.answers, second.answers) == ([False], [])
    assert desk.writer.is_stuck()
    again = desk.submit(_note())
    for _ in range(20):
        desk.wait_out()
        desk.write_all()
        assert desk.writer.is_stuck()
    desk.api.heal()
    desk.wait_out()
    desk.write_all()
    assert second.answers == again.answers == [True]
    assert not desk.writer.is_stuck()


def test_refusals_of_several_objects_while_we_have_the_right_are_their_own(desk: Desk) -> None:
    """An admission policy that dislikes two tenants' objects must not silence all the others."""
    desk.api.fail_next(ApiRefusal("no", HTTPStatus.FORBIDDEN), times=1000)
    told = [desk.submit(_note(), key=key) for key in (ONE, TWO, ELSEWHERE)]
    desk.write_all()
    assert [one.answers for one in told] == [[False]] * 3
    assert not desk.writer.is_stuck()


def test_refusals_with_a_success_in_between_are_no_lost_right(desk: Desk) -> None:
    desk.may_note = False
    desk.api.fail_next(ApiRefusal("no", HTTPStatus.FORBIDDEN), times=1000, path="/one/")
    told = []
    for key in (ONE, TWO, ELSEWHERE):
        told.append(desk.submit(_note(), key=key))
        desk.write_all()
    assert [one.answers for one in told] == [[False], [True], [False]]


def test_no_wait_that_is_asked_for_is_longer_than_a_minute(desk: Desk) -> None:
    desk.api.fail_next(ApiRetry("slow down", HTTPStatus.TOO_MANY_REQUESTS, after=86400.0))
    told = desk.submit(_note())
    desk.write_all()
    desk.clock.seconds += 60.0
    desk.write_all()
    assert told.answers == [True]


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
    assert desk.refused == [ONE]
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


def test_a_note_of_another_replica_that_came_in_between_is_not_hidden(desk: Desk) -> None:
    """v1 is what the Secret holds, and of the other one's note we know nothing yet."""

    def be_faster(request: Request) -> None:
        if request.path == status_path(ONE) and not desk.standing:
            foreign = _note("e2", "v2")
            desk.standing = {ENTRY: foreign}
            status = {"keys": {ENTRY: {"heard": foreign.leaf()}}}
            desk.api.seed(_path(ONE), {**(desk.api.find(_path(ONE)) or {}), "status": status})

    desk.api.before = be_faster
    told = desk.submit(_note("late", "v1"))
    desk.write_all()
    assert not told.answers
    assert desk.heard()["id"] == "e2"

    desk.wait_out()
    desk.write_all()
    assert told.answers == [True]
    assert desk.heard()["id"].startswith("late+")
    assert "version" not in desk.heard()
    assert not desk.writer.is_stuck()


def test_a_note_that_was_overtaken_waits_for_the_watch_and_no_longer(desk: Desk) -> None:
    desk.api.fail_next(ApiRetry("overtaken", HTTPStatus.CONFLICT))
    told = desk.submit(_note("e1"), key=ONE)
    desk.write_all()
    desk.clock.seconds += 0.05
    desk.write_all()
    assert told.answers == [True]


def test_an_object_takes_no_note_before_the_index_knows_it(desk: Desk) -> None:
    known = desk.stands
    desk.stands = lambda _key: Standing()
    told = desk.submit(_note("e1"))
    desk.write_all()
    assert not told.answers
    assert not desk.heard()

    desk.stands = known
    desk.wait_out()
    desk.write_all()
    assert told.answers == [True]


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
    assert not desk.writer.write_due()
    assert not told.answers


def _ignore(_anything: object) -> None:
    """Give a hook that must return nothing."""
