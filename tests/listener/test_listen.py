"""Receive, parse, match, note, acknowledge."""

import json
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from prometheus_client import CollectorRegistry
from structlog.testing import capture_logs

from externalsecret.dialect.contract import Defaults
from externalsecret.errors import Retry
from externalsecret.identity import secrets_manager
from externalsecret.kubeapi import ApiRefusal, ApiRetry
from externalsecret.manifest import read_manifest
from externalsecret.reflect import Key
from fakes.kubeapi import FakeKubeApi
from fakes.source import PATIENCE, Call, FakeSource
from listener.ear import Ear
from listener.hear import Parse
from listener.hold import Hold
from listener.index import Index
from listener.listen import MOST_HELD, Listener
from listener.messages import aws
from listener.messages.meaning import Change, ChangeEvent, IgnoredReason, Meaning
from listener.messages.testmessage import marked_event
from listener.metrics import ListenerMetrics
from listener.notes import NoteWriter
from listener.recent import Recent
from listener.sources.contract import Delivery, Origin

GROUP = "/apis/kubernetes-client.io/v1"
CANARY = "canary-7d1f"
AWAY = ApiRetry("away", 503)
QUEUE_AWAY = "QueueUnavailable"


class Desk:
    """A whole listener between a queue and an API server in memory.

    The test works it step by step; `listen` runs it with threads as the product does.
    """

    def __init__(self) -> None:
        self.api = FakeKubeApi()
        self.source = FakeSource()
        self.registry = CollectorRegistry()
        self.metrics = ListenerMetrics(self.registry)
        self.stop = threading.Event()
        self.ended = threading.Event()
        self.is_fresh = True
        self.seconds = 0.0
        """Set forward: this has passed for the notes."""
        self.freshness_asked = threading.Event()
        self.recent = Recent()
        self.index = Index(Defaults(region="eu-west-1"), "", self.recent, lambda _key, _notes: None)
        self.notes = NoteWriter(
            self.api,
            self.metrics,
            stop=self.ended,
            on_reply=self.index.refresh,
            on_pruned=lambda: None,
            on_refused=lambda _key, _why: None,
            may_note=lambda: True,
            standing=self.index.standing,
            clock=lambda: time.monotonic() + self.seconds,
        )
        self.hold = Hold(self.source, self.metrics)
        self.listener = self._listener(_parse)
        self._threads: list[threading.Thread] = []

    def with_parse(self, parse: Parse) -> Listener:
        self.listener = self._listener(parse)
        return self.listener

    def _listener(self, parse: Parse) -> Listener:
        ear = Ear(self.index, self.recent, self.notes, self.metrics, self._fresh, self.stop)
        return Listener(self.source, parse, self.hold, ear)

    def _fresh(self) -> bool:
        self.freshness_asked.set()
        return self.is_fresh

    def add(self, name: str, *keys: str, **spec: Any) -> None:
        """An ExternalSecret that reads these keys."""
        data = [{"key": key, "name": f"n{place}"} for place, key in enumerate(keys)]
        obj = {"spec": {"backendType": "secretsManager", "data": data, **spec}}
        self.index.upsert(self.api.seed(_path(name), obj))

    def take(self, *bodies: str) -> None:
        """Let the listener deal with messages, without threads."""
        self.source.put(*bodies)
        self.take_again()

    def take_again(self) -> None:
        self.listener.take(self.source.receive())

    def write_notes(self) -> None:
        while self.notes.write_due():
            pass

    def acked(self) -> list[int]:
        """Places of what is acknowledged, once all that is finished was."""
        self.hold.finish([])
        self.hold.close(0.0)
        self.hold.work_once()
        return [place for call in self.source.made("ack") for place in call.places]

    def settled(self) -> bool:
        """Whether a message waits for its acknowledgement."""
        return self.count("event_to_heard_seconds_count") > 0

    def heard(self, name: str) -> list[str]:
        obj = self.api.find(_path(name)) or {}
        keys: Mapping[str, Any] = obj.get("status", {}).get("keys", {})
        return [leaves["heard"]["id"] for leaves in keys.values()]

    def listen(self, *, writers: int = 2) -> None:
        runs: list[Callable[[], None]] = [self.listener.run, self.hold.run]
        runs += [self.notes.run] * writers
        for run in runs:
            thread = threading.Thread(target=run, daemon=True)
            thread.start()
            self._threads.append(thread)

    def end(self) -> None:
        self.stop.set()
        self.hold.close(0.0)
        self.ended.set()
        self.notes.wake()
        for thread in self._threads:
            thread.join(PATIENCE)
            assert not thread.is_alive()

    def count(self, name: str, **labels: str) -> float:
        found = {} if name.startswith("event_to") else {"source": self.source.name, **labels}
        return self.registry.get_sample_value(f"hark_listener_{name}", found) or 0.0


@pytest.fixture
def desk() -> Iterator[Desk]:
    made = Desk()
    yield made
    made.end()


def _path(name: str) -> str:
    return f"{GROUP}/namespaces/shop/externalsecrets/{name}"


def _moved(
    identity: str = "e1",
    *,
    of: str = "db",
    version: str = "v2",
    label: str = "AWSCURRENT",
) -> str:
    """A native event of Secrets Manager."""
    arn = f"arn:aws:secretsmanager:eu-west-1:111122223333:secret:{of}-abcdef"
    detail = {"name": of, "labelUpdated": label, "versionId": version}
    return _event(identity, "aws.secretsmanager", "Secret Label Updated", detail, arn)


def _event(
    identity: str, source: str, kind: str, detail: Mapping[str, Any], *resources: str
) -> str:
    event = {
        "id": identity,
        "source": source,
        "detail-type": kind,
        "time": "2026-01-01T00:00:00Z",
        "region": "eu-west-1",
        "account": "111122223333",
        "resources": list(resources),
        "detail": detail,
    }
    return json.dumps(event)


def _recorded(name: str, **more: Any) -> str:
    """A call that CloudTrail recorded."""
    detail = {
        "eventSource": "secretsmanager.amazonaws.com",
        "eventName": name,
        "requestParameters": {"secretId": "db"},
        **more,
    }
    return _event("e1", "aws.secretsmanager", "AWS API Call via CloudTrail", detail)


def _put_with_labels(*labels: str) -> str:
    """A recorded call that moves several labels, and so is several changes."""
    detail = {
        "eventSource": "secretsmanager.amazonaws.com",
        "eventName": "PutSecretValue",
        "requestParameters": {"secretId": "db", "secretString": CANARY},
        "responseElements": {"name": "db", "versionId": "v2", "versionStages": labels},
    }
    return _event("e1", "aws.secretsmanager", "AWS API Call via CloudTrail", detail)


def test_a_change_is_noted_and_then_acknowledged(desk: Desk) -> None:
    desk.add("one", "db")
    desk.take(_moved())
    assert len(desk.hold) == 1
    desk.write_notes()
    assert desk.heard("one") == ["e1"]
    assert desk.acked() == [0]
    assert desk.count("messages_acted_on_total") == 1


def test_a_change_is_not_acknowledged_before_it_is_noted(desk: Desk) -> None:
    desk.add("one", "db")
    desk.take(_moved())
    assert desk.acked() == []
    assert desk.source.remaining() == [0]


NOTHING_TO_DO = [
    (_moved(of="unused"), "unused_secret"),
    (_moved().replace("eu-west-1", "us-east-1"), "other_scope"),
    (_moved(label="blue"), "other_version"),
    (_event("e1", "aws.secretsmanager", "Of the future", {}), "other_event"),
    (_recorded("PutSecretValue", errorCode="AccessDenied"), "failed_call"),
    (_recorded("GetSecretValue", readOnly=True), "read_only_call"),
    (_recorded("TagResource"), "not_a_change"),
    (_moved(label="AWSPENDING"), "pending_version"),
    (_event("e1", "aws.ec2", "EC2 Instance State-change", {}), "other_service"),
    (json.dumps({"Type": "SubscriptionConfirmation", "Message": ""}), "test_message"),
]


@pytest.mark.parametrize(("body", "reason"), NOTHING_TO_DO)
def test_what_asks_for_nothing_is_acknowledged_with_its_reason(
    desk: Desk, body: str, reason: str
) -> None:
    desk.add("one", "db")
    desk.take(body)
    assert desk.acked() == [0]
    assert desk.count("messages_ignored_total", reason=reason) == 1
    assert not desk.api.made("PATCH")


def test_every_reason_to_ignore_a_message_is_tried_here() -> None:
    tried = {reason for _, reason in NOTHING_TO_DO}
    # The next test, and Vault's own.
    elsewhere = {IgnoredReason.DUPLICATE, IgnoredReason.OTHER_NAMESPACE}
    assert tried | elsewhere == set(IgnoredReason)


def test_what_everybody_has_noted_already_is_a_duplicate(desk: Desk) -> None:
    desk.add("one", "db")
    desk.take(_moved())
    desk.write_notes()
    desk.take(_moved())
    assert desk.acked() == [0, 1]
    assert desk.count("messages_acted_on_total") == 1
    assert desk.count("messages_ignored_total", reason="duplicate") == 1
    assert desk.count("event_to_heard_seconds_count") == 1


def test_what_asks_for_nothing_is_acknowledged_in_one_call(desk: Desk) -> None:
    desk.take(*(_moved(f"e{number}", of="unused") for number in range(10)))
    desk.acked()
    assert len(desk.source.made("ack")) == 1


def test_a_test_message_is_told_with_its_id_counted_and_acknowledged(desk: Desk) -> None:
    test_id = "0b0e0f5c-test"
    with capture_logs() as logs:
        desk.take(json.dumps(marked_event(test_id, datetime.now(UTC))))
    told = [line for line in logs if line["event"] == "test.heard"]
    assert [(line["id"], line["source"]) for line in told] == [(test_id, desk.source.name)]
    assert desk.count("messages_ignored_total", reason="test_message") == 1
    assert desk.acked() == [0]


def test_a_malformed_message_is_rejected_and_its_neighbours_go_on(desk: Desk) -> None:
    desk.add("one", "db")
    desk.source.parks = 1
    desk.take("no json", _moved(), "[]")
    desk.write_notes()
    assert desk.heard("one") == ["e1"]
    assert desk.source.made("reject") == [Call("reject", (0, 2))]
    assert desk.acked() == [1]
    assert desk.count("messages_malformed_total") == 2
    assert desk.count("messages_parked_total") == 1, "what the source says is gone for good"


def test_a_rejection_that_fails_ends_nothing(desk: Desk) -> None:
    desk.source.fail_next("reject", Retry("no answer", reason=QUEUE_AWAY))
    desk.take("no json")
    assert len(desk.hold) == 0
    assert desk.source.remaining() == [0]


def test_a_message_that_our_code_cannot_cope_with_stops_no_neighbour(desk: Desk) -> None:
    desk.add("one", "db")

    def parse(delivery: Delivery) -> Meaning:
        if delivery.body == CANARY:
            raise ZeroDivisionError(delivery.body)
        return _parse(delivery)

    desk.with_parse(parse)
    with capture_logs() as logs:
        desk.take(CANARY, _moved())
    desk.write_notes()
    assert desk.acked() == [1]
    # It may be our fault alone, so it comes again.
    assert desk.source.made("retry") == [Call("retry", (0,), 20.0)]
    assert desk.source.made("reject") == []
    assert desk.count("messages_faults_total") == 1
    assert CANARY not in str(logs)


def test_a_message_that_our_code_never_copes_with_is_rejected_in_the_end(desk: Desk) -> None:
    def parse(_delivery: Delivery) -> Meaning:
        raise ZeroDivisionError

    desk.with_parse(parse)
    desk.source.put(CANARY)
    [delivery] = desk.source.receive()
    for attempt in range(1, 11):
        desk.listener.take([replace(delivery, attempts=attempt)])
    waits = [call.after for call in desk.source.made("retry")]
    assert waits == [20.0, 40.0, 80.0, 160.0, 320.0, 600.0, 600.0, 600.0, 600.0]
    assert len(desk.source.made("reject")) == 1


def test_a_source_that_asks_for_a_pause_gets_it(desk: Desk) -> None:
    asked = Retry("slow down", reason="Throttled", after=70.0)
    desk.source.fail_next("receive", asked)
    waits: list[float] = []

    def stop_soon(_logger: object, _method: str, line: Any) -> Any:
        if line["event"] == "source.failed":
            waits.append(line["retry_in"])
            desk.stop.set()
        return line

    with capture_logs(processors=[stop_soon]):
        desk.listener.run()
    assert waits == [70.0]


def test_a_repeated_message_writes_nothing_and_is_acknowledged(desk: Desk) -> None:
    desk.add("one", "db")
    desk.take(_moved())
    desk.write_notes()
    desk.take(_moved())
    desk.write_notes()
    assert len(desk.api.made("PATCH")) == 1
    assert desk.acked() == [0, 1]


def test_a_repeated_message_of_several_changes_writes_nothing(desk: Desk) -> None:
    desk.add("one", "/shop/db", backendType="systemManager")
    detail = {
        "eventSource": "ssm.amazonaws.com",
        "eventName": "LabelParameterVersion",
        "requestParameters": {"name": "/shop/db", "labels": ["a", "b"], "parameterVersion": 2},
    }
    body = _event("e1", "aws.ssm", "AWS API Call via CloudTrail", detail)
    for _ in range(3):
        desk.take(body)
        desk.write_notes()
    assert len(desk.api.made("PATCH")) == 1
    assert desk.acked() == [0, 1, 2]


def test_a_message_repeated_after_its_read_does_not_hide_a_later_note(desk: Desk) -> None:
    """e1 was read and e2 stands: with e1 in its place again the ledger would look covered."""
    desk.add("one", "db")
    desk.take(_moved("e1", version="v1"))
    desk.write_notes()
    _sync(desk, "one", note="e1", version="v1")
    desk.take(_moved("e2", version="v2"))
    desk.write_notes()
    desk.take(_moved("e1", version="v1"))
    desk.write_notes()
    assert desk.heard("one") == ["e2"]
    assert desk.acked() == [0, 1, 2]


def test_another_word_of_what_was_read_does_not_hide_a_later_note(desk: Desk) -> None:
    """CloudTrail tells minutes later what the native event has told."""
    desk.add("one", "db")
    desk.take(_moved("native-1", version="v1"))
    desk.write_notes()
    _sync(desk, "one", note="native-1", version="v1")
    desk.take(_moved("native-2", version="v2"), _moved("recorded-1", version="v1"))
    desk.write_notes()
    (key,) = desk.index.standing(("shop", "one")).uncovered
    assert desk.index.standing(("shop", "one")).uncovered[key].version is None


def _sync(desk: Desk, name: str, *, note: str, version: str) -> None:
    """What the reconciler writes after a read."""
    obj = desk.api.find(_path(name))
    assert obj is not None
    ((entry, leaves),) = obj["status"]["keys"].items()
    fingerprint = _fingerprint(obj)
    leaves["synced"] = {"note": note, "version": version, "fingerprint": fingerprint}
    status = {"uid": obj["metadata"]["uid"], "keys": {entry: leaves}}
    desk.index.upsert(desk.api.seed(_path(name), {**obj, "status": status}))


def _fingerprint(obj: Mapping[str, Any]) -> str:
    manifest = read_manifest(obj["spec"], Defaults(region="eu-west-1"))
    (entry,) = manifest.references
    return manifest.fingerprint(entry)


def test_a_message_of_several_readers_is_acknowledged_once_all_are_noted(desk: Desk) -> None:
    for name in ("one", "two", "three"):
        desk.add(name, "db")
    desk.take(_moved())
    for _ in range(2):
        assert desk.notes.write_due()
        assert not desk.settled()
    assert desk.notes.write_due()
    assert desk.settled()
    assert desk.acked() == [0]


def test_a_message_that_one_reader_refuses_comes_again(desk: Desk) -> None:
    desk.add("one", "db")
    desk.add("two", "db")
    desk.api.fail_next(ApiRefusal("no", 422), path="/one/")
    desk.take(_moved())
    desk.write_notes()
    assert desk.heard("two") == ["e1"]
    assert desk.acked() == []
    assert len(desk.hold) == 0


def test_five_messages_about_one_object_are_all_acknowledged(desk: Desk) -> None:
    desk.add("one", "db")
    desk.take(*(_moved(f"e{number}", version=f"v{number}") for number in range(5)))
    desk.write_notes()
    assert [note.partition("+")[0] for note in desk.heard("one")] == ["e4"]
    assert desk.acked() == [0, 1, 2, 3, 4]


def test_several_labels_of_one_call_note_each_reader_once(desk: Desk) -> None:
    data = [
        {"key": "db", "name": "now"},
        {"key": "db", "name": "blue", "versionStage": "blue"},
        {"key": "db", "name": "red", "versionStage": "red"},
    ]
    desk.add("one", data=data)
    desk.take(_put_with_labels("AWSCURRENT", "blue"))
    desk.write_notes()
    (patch,) = desk.api.made("PATCH")
    assert len(patch.body["status"]["keys"]) == 2
    assert desk.acked() == [0]


def test_a_message_of_two_versions_says_of_neither_that_it_is_current(desk: Desk) -> None:
    """v1 is what the Secret holds: with it in the note, the ledger would look covered."""
    desk.add("app", "db")

    def of_both(_delivery: Delivery) -> tuple[ChangeEvent, ...]:
        secret = secrets_manager("db")
        return tuple(
            ChangeEvent(secret, Change.VALUE, identity, "", version, "AWSCURRENT")
            for identity, version in (("e2", "v2"), ("e1", "v1"))
        )

    desk.with_parse(of_both)
    desk.take("both")
    desk.write_notes()
    (note,) = desk.index.standing(("shop", "app")).uncovered.values()
    assert note.version is None
    assert note.id.startswith("e1+")
    assert desk.acked() == [0]


def test_two_equal_changes_without_an_id_are_two_notes(desk: Desk) -> None:
    desk.add("one", "/shop/db", backendType="systemManager")
    detail = {"name": "/shop/db", "operation": "Update", "type": "String"}
    for sent_at in (100.0, 200.0):
        desk.source.put(json.dumps(detail), sent_at=sent_at)
        desk.take_again()
        desk.write_notes()
    first, second = (
        patch.body["status"]["keys"].popitem()[1]["heard"]["id"] for patch in desk.api.made("PATCH")
    )
    assert first != second


def test_a_change_without_an_id_that_comes_again_is_the_same_note(desk: Desk) -> None:
    desk.add("one", "/shop/db", backendType="systemManager")
    detail = {"name": "/shop/db", "operation": "Update", "type": "String"}
    for _ in range(2):
        desk.source.put(json.dumps(detail), sent_at=100.0)
        desk.take_again()
        desk.write_notes()
    assert len(desk.api.made("PATCH")) == 1
    assert desk.acked() == [0, 1]


def test_no_body_stands_in_a_log(desk: Desk, capsys: pytest.CaptureFixture[str]) -> None:
    desk.add("one", "db")
    with capture_logs() as logs:
        desk.take(_put_with_labels("AWSCURRENT"), f'{{"{CANARY}": ', CANARY, f'["{CANARY}"]')
        desk.write_notes()
    assert {line["event"] for line in logs} >= {"change.heard", "message.malformed"}
    assert CANARY not in str(logs)
    assert CANARY not in "".join(capsys.readouterr())
    assert CANARY not in repr(Delivery(CANARY, CANARY, 1, 0.0, Origin()))


def test_what_is_held_keeps_no_body(desk: Desk) -> None:
    desk.add("one", "db")
    seen: list[int] = []

    class Watched(Hold):
        def take(self, deliveries: Any) -> None:
            seen.extend(len(delivery.body) for delivery in deliveries)
            super().take(deliveries)

    desk.hold = Watched(desk.source, desk.metrics)
    desk.with_parse(_parse)
    desk.take(_moved())
    assert seen == [0]


def test_nothing_is_received_while_the_watch_is_stale(desk: Desk) -> None:
    desk.is_fresh = False
    desk.listen()
    assert desk.freshness_asked.wait(PATIENCE)
    desk.freshness_asked.clear()
    assert desk.freshness_asked.wait(PATIENCE)
    assert not desk.source.made("receive")
    desk.is_fresh = True
    desk.source.await_calls("receive")


def test_nothing_is_received_while_notes_cannot_be_written(desk: Desk) -> None:
    desk.add("one", "db")
    desk.api.fail_next(AWAY)
    desk.take(_moved())
    assert desk.notes.write_due()
    assert desk.notes.is_stuck()
    before = len(desk.source.made("receive"))
    stuck: list[int] = []
    desk.api.before = lambda _request: stuck.append(len(desk.source.made("receive")))
    desk.listen()
    desk.source.await_calls("ack")
    assert stuck == [before]
    desk.source.await_calls("receive", before + 1)


def test_one_object_that_fails_for_ever_stops_no_source(desk: Desk) -> None:
    """Its messages would fill the hold, each of them for twelve hours."""
    desk.add("one", "db")
    desk.add("two", "other")
    desk.api.fail_next(ApiRetry("a webhook failed", 500), times=1000, path="/one/")
    for number in range(MOST_HELD // 10):
        desk.take(*(_moved(f"e{number}-{place}") for place in range(10)))
    assert len(desk.hold) == MOST_HELD
    desk.write_notes()
    desk.seconds += 61.0
    desk.write_notes()
    assert len(desk.hold) == 0
    desk.listen()
    desk.source.put(_moved("fine", of="other"))
    desk.source.await_calls("ack")
    assert desk.heard("two") == ["fine"]


def test_nothing_is_received_while_too_much_is_held(desk: Desk) -> None:
    desk.add("one", "db")
    desk.source.put(*(_moved(f"e{number}") for number in range(1000)))
    desk.listen(writers=0)
    desk.source.await_that(lambda: len(desk.hold) >= MOST_HELD)
    desk.freshness_asked.clear()
    assert desk.freshness_asked.wait(PATIENCE)
    assert len(desk.hold) == MOST_HELD
    assert desk.count("messages_held") == MOST_HELD
    threading.Thread(target=desk.notes.run, daemon=True).start()
    desk.source.await_that(lambda: not desk.source.remaining())
    assert len(desk.api.made("PATCH")) < 1000


def test_what_comes_while_the_watch_went_down_is_judged_when_it_is_back(desk: Desk) -> None:
    """A long poll lasts longer than a watch may."""
    desk.source.before = lambda call: _go_stale(desk, call)
    desk.source.put(_moved())
    desk.listen()
    desk.source.await_that(lambda: len(desk.hold) == 1)
    desk.freshness_asked.clear()
    assert desk.freshness_asked.wait(PATIENCE)
    assert not desk.source.made("ack")
    desk.add("one", "db")
    desk.source.before = lambda _call: None
    desk.is_fresh = True
    desk.source.await_calls("ack")
    assert desk.heard("one") == ["e1"]


def _go_stale(desk: Desk, call: Call) -> None:
    if call.verb == "receive":
        desk.is_fresh = False


def test_a_failing_source_backs_off_and_shows_in_metrics(desk: Desk) -> None:
    desk.source.fail_next("receive", Retry("no answer", reason=QUEUE_AWAY))
    with capture_logs() as logs:
        desk.listen()
        desk.source.await_calls("receive", 1)
        desk.source.await_that(lambda: desk.count("source_failures_total", reason=QUEUE_AWAY) == 1)
        desk.source.await_calls("receive", 2)
    assert desk.count("source_failures_total", reason=QUEUE_AWAY) == 1
    desk.source.await_calls("receive", 3)
    assert desk.count("source_up") == 1
    (failed,) = [line for line in logs if line["event"] == "source.failed"]
    assert 0 < failed["retry_in"] <= 1.0


def test_a_failing_source_is_down_in_metrics(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    desk.source.fail_next("receive", Retry("no answer", reason=QUEUE_AWAY), times=100)
    asked = threading.Event()
    wait = desk.stop.wait

    def waiting(timeout: float | None = None) -> bool:
        asked.set()
        return wait(timeout)

    monkeypatch.setattr(desk.stop, "wait", waiting)
    desk.listen()
    assert asked.wait(PATIENCE)
    assert desk.count("source_up") == 0
    assert desk.count("source_failures_total", reason=QUEUE_AWAY) >= 1


def test_what_is_received_while_stopping_is_handed_back_at_once(desk: Desk) -> None:
    desk.add("one", "db")
    desk.source.before = lambda call: desk.stop.set() if call.verb == "receive" else None
    desk.source.put(_moved())
    desk.listen()
    assert desk.source.await_calls("retry") == [Call("retry", (0,), 0.0)]
    desk.end()
    assert not desk.source.made("ack")
    assert [delivery.attempts for delivery in desk.source.receive()] == [2]


def test_the_end_does_not_wait_for_a_long_poll(desk: Desk) -> None:
    """What is in hand is finished; the poll under way belongs to a thread that may be left."""
    polling, go_on = threading.Event(), threading.Event()

    def poll(call: Call) -> None:
        if call.verb == "receive":
            polling.set()
            go_on.wait(PATIENCE)

    desk.source.before = poll
    desk.listen()
    assert polling.wait(PATIENCE)
    desk.stop.set()
    desk.hold.close(PATIENCE)
    desk.source.put(_moved())
    go_on.set()
    desk.source.await_calls("retry")
    assert desk.source.remaining() == [0]


def test_changes_that_come_by_threads_all_end_in_the_ledger(desk: Desk) -> None:
    names: list[Key] = [("shop", f"o{number}") for number in range(20)]
    for _, name in names:
        desk.add(name, f"db-{name}", "shared")
    desk.api.fail_next(AWAY, times=2, method="PATCH")
    bodies = [_moved(f"own-{name}", of=f"db-{name}") for _, name in names]
    desk.source.put(*bodies, _moved("shared", of="shared"))
    desk.listen()
    desk.source.await_that(lambda: not desk.source.remaining())
    for _, name in names:
        assert sorted(desk.heard(name)) == [f"own-{name}", "shared"]


def test_of_a_thousand_changes_at_once_all_are_noted_and_few_are_held(desk: Desk) -> None:
    """Every tenth message cannot be read, and nothing is acknowledged before no more fits."""
    names = [f"o{number}" for number in range(10)]
    for name in names:
        desk.add(name, f"db-{name}")
    bodies = [
        "no message" if turn % 10 == 9 else _moved(f"{name}-{turn}", of=f"db-{name}")
        for turn in range(100)
        for name in names
    ]
    unreadable = [place for place, body in enumerate(bodies) if body == "no message"]
    most = 0

    def hold_up(call: Call) -> None:
        nonlocal most
        while call.verb == "ack" and most < MOST_HELD:
            most = max(most, len(desk.hold))
            time.sleep(0.001)
        most = max(most, len(desk.hold))

    desk.source.before = hold_up
    desk.source.put(*bodies)
    desk.listen()
    desk.source.await_that(lambda: desk.source.remaining() == unreadable)
    assert MOST_HELD <= most < MOST_HELD + 10
    for name in names:
        (heard,) = desk.heard(name)
        assert heard.startswith(name)
    assert desk.count("messages_acted_on_total") >= len(bodies) - len(unreadable)
    assert len(desk.api.made("PATCH")) < len(bodies)


def _parse(delivery: Delivery) -> Meaning:
    return aws.parse(delivery.body, delivery.origin)


def test_a_fault_of_ours_in_receiving_is_a_failure_of_the_source_too(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken() -> None:
        desk.stop.set()
        raise ValueError(CANARY)

    monkeypatch.setattr(desk.source, "receive", broken)
    with capture_logs() as logs:
        desk.listener.run()
    assert CANARY not in str(logs)
    assert [line["event"] for line in logs] == ["source.fault", "source.failed"]
    samples = [sample for metric in desk.registry.collect() for sample in metric.samples]
    failures = [s for s in samples if s.name.endswith("source_failures_total")]
    assert [(s.labels["reason"], s.value) for s in failures] == [("Fault", 1.0)]
    assert [s.value for s in samples if s.name.endswith("source_up")] == [0.0]


def test_a_fault_of_ours_in_rejecting_or_handing_back_keeps_no_neighbour(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise ValueError(CANARY)

    def parse(delivery: Delivery) -> Meaning:
        if delivery.body == CANARY:
            raise ValueError(CANARY)
        return _parse(delivery)

    desk.add("one", "db")
    monkeypatch.setattr(desk.source, "reject", broken)
    monkeypatch.setattr(desk.source, "retry", broken)
    desk.with_parse(parse)
    with capture_logs() as logs:
        desk.take("no json", CANARY, _moved(), CANARY)
    desk.write_notes()
    assert desk.heard("one") == ["e1"]
    assert desk.acked() == [2]
    assert len(desk.hold) == 0, "what is let go of comes again by itself"
    faults = [line["event"] for line in logs if line["log_level"] == "error"]
    assert faults == ["message.fault"] * 2 + ["reject.fault"] + ["retry.fault"] * 2
    assert CANARY not in str(logs)


def test_one_that_cannot_be_told_of_its_note_leaves_no_other_untold(desk: Desk) -> None:
    told: list[bool] = []

    def broken(*_: bool) -> None:
        raise ValueError(CANARY)

    for done in (broken, told.append):
        desk.notes.submit(("shop", "gone"), {}, done)
    with capture_logs() as logs:
        desk.write_notes()
    assert told == [True]
    assert CANARY not in str(logs)


def test_a_receive_that_the_stop_ends_is_no_failure(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    def closed() -> None:
        desk.stop.set()
        raise Retry("the connection was closed", reason=QUEUE_AWAY)

    monkeypatch.setattr(desk.source, "receive", closed)
    with capture_logs() as logs:
        desk.listener.run()
    assert logs == []
