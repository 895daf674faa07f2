"""Event Grid's pull delivery beyond the contract: delays, single tokens, odd events, identity."""

import json
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest

from externalsecret.errors import GiveUp, HarkError, Retry
from externalsecret.redacted import Redacted
from listener.sources.contract import Delivery
from listener.sources.eventgrid import EventGridSource, open_event_grid
from listener.sources.subscriptionurl import SubscriptionUrl
from testbed.azure import AzureDouble
from testbed.azurecall import Answer, Call
from worlds.eventgridqueue import EventGridQueue, new_version


@pytest.fixture
def queue(azure: AzureDouble) -> Iterator[EventGridQueue]:
    world = EventGridQueue(azure)
    world.prepare(60)
    yield world
    world.close()


def received(source: EventGridSource, count: int) -> list[Delivery]:
    held = list(source.receive())
    assert len(held) == count
    return held


@pytest.mark.parametrize(
    ("asked", "said"),
    [(-1, 0), (0, 0), (0.2, 10), (10, 10), (11, 60), (600, 600), (601, 3600), (1e9, 3600)],
)
def test_a_delay_is_rounded_up_to_one_that_event_grid_takes(
    queue: EventGridQueue, asked: float, said: int
) -> None:
    queue.put("one")
    source = queue.open()
    source.retry(received(source, 1), asked)
    assert queue.subscription.released == [said]


@pytest.mark.parametrize("verb", ["acknowledge", "release", "reject", "renewLock"])
def test_each_lock_token_has_its_own_result(queue: EventGridQueue, verb: str) -> None:
    queue.put("one", "two")
    source = queue.open()
    held = received(source, 2)
    queue.subscription.failing.add(verb)
    failed = source.ack(held)
    source.retry(held, 0)
    assert source.reject(held) == 0, "they were done with, or let go of, before"
    source.extend(held)
    assert list(failed) == (held if verb == "acknowledge" else [])


def test_a_rejected_event_is_dead_at_once(queue: EventGridQueue) -> None:
    queue.put("bad", "good")
    source = queue.open()
    bad, good = received(source, 2)
    assert source.reject([bad]) == 1
    assert not source.ack([good])
    assert queue.buried() == ["bad"]
    assert queue.left() == 0


def test_what_is_given_out_too_often_is_dead(queue: EventGridQueue) -> None:
    queue.subscription.max_deliveries = 2
    queue.put("one")
    source = queue.open()
    for attempt in (1, 2):
        held = received(source, 1)
        assert held[0].attempts == attempt
        source.retry(held, 0)
    assert not source.receive()
    assert queue.buried() == ["one"]


@pytest.mark.parametrize(
    "odd",
    [
        None,
        "text",
        {},
        {"id": "odd", "specversion": "1.0"},
        {"id": "odd", "source": "s", "type": "t", "specversion": "1.0", "time": "yesterday"},
        {
            "id": "odd",
            "source": "s",
            "type": "t",
            "specversion": "1.0",
            "data": 1,
            "data_base64": "",
        },
        {"id": "odd", "source": "s", "type": "t", "specversion": "1.0", "Upper-Case": "x"},
    ],
)
def test_an_event_that_the_sdk_cannot_hold_hides_no_neighbour(
    queue: EventGridQueue, odd: object
) -> None:
    queue.subscription.put(odd)
    queue.put("good")
    source = queue.open()
    held = received(source, 2)
    assert json.loads(held[0].body) == odd
    assert queue.name_of(held[1]) == "good"
    assert not source.ack(held)


def test_an_event_without_a_time_has_none(queue: EventGridQueue) -> None:
    event = new_version("vault", "db", "v1", "e1")
    queue.subscription.put({**event, "time": "no time"})
    assert received(queue.open(), 1)[0].sent_at == 0


def test_a_row_without_a_lock_is_left_out(queue: EventGridQueue) -> None:
    answer = Answer(200, {"value": [None, {"event": {}}, {"brokerProperties": {"lockToken": 1}}]})
    queue.azure.when(lambda call: answer if call.operation == "receive" else None)
    assert not queue.open().receive()


def test_a_key_works_in_place_of_a_token(queue: EventGridQueue) -> None:
    queue.put("one")
    source = open_event_grid(queue.url, Redacted(queue.azure.grid.key.encode()), wait_seconds=10)
    assert not source.ack(received(source, 1))
    source.close()
    assert not queue.azure.counts()["token"]


def test_many_calls_cost_one_login(queue: EventGridQueue) -> None:
    queue.put("one", "two")
    source = queue.open()
    held = received(source, 2)
    source.extend(held)
    source.ack(held)
    assert queue.azure.counts()["token"] == 1


def refusal(call: Callable[[], object]) -> HarkError:
    with pytest.raises(HarkError) as caught:
        call()
    return caught.value


@pytest.mark.parametrize(
    ("status", "kind", "advice"),
    [
        (400, "GiveUp QueueRefused", "Check the URL"),
        (401, "GiveUp NoCredentials", "HARK_EVENTGRID_KEY"),
        (403, "GiveUp QueueDenied", "EventGrid Data Receiver"),
        (404, "GiveUp QueueMissing", "delivery mode is Queue"),
        (408, "Retry QueueAway", "passes by itself"),
        (429, "Retry Throttled", "slow down"),
        (500, "Retry QueueAway", "passes by itself"),
        (503, "Retry QueueAway", "passes by itself"),
    ],
)
def test_an_answer_becomes_one_of_two_kinds(
    queue: EventGridQueue, status: int, kind: str, advice: str
) -> None:
    answer = Answer(status, {"error": {"code": "Some", "message": "never shown"}})
    queue.azure.when(lambda call: answer if call.vault == queue.namespace else None)
    error = refusal(queue.open().receive)
    assert f"{type(error).__name__} {error.reason}" == kind
    assert advice in str(error)
    assert "never shown" not in str(error)
    assert error.__cause__ is None


@pytest.mark.parametrize(
    "body", [b"<html>", b"[]", b"{}", b'{"value": 7}', b'{"value": [', b"null", b""]
)
def test_an_answer_of_somebody_else_is_retried(queue: EventGridQueue, body: bytes) -> None:
    answer = Answer(200, body)
    queue.azure.when(lambda call: answer if call.operation == "receive" else None)
    error = refusal(queue.open().receive)
    assert f"{type(error).__name__} {error.reason}" == "Retry QueueAway"


def test_a_redirect_is_not_followed(queue: EventGridQueue) -> None:
    asked: list[Call] = []

    def reply(call: Call) -> Answer | None:
        if call.vault != queue.namespace:
            return None
        asked.append(call)
        return Answer(307, {}, {"Location": f"{queue.url.endpoint}/elsewhere"})

    queue.azure.when(reply)
    assert refusal(queue.open().receive).reason == "QueueRefused"
    assert len(asked) == 1


def test_what_does_not_exist_is_said(queue: EventGridQueue) -> None:
    missing = replace(queue.url, subscription="nobody")
    source = open_event_grid(missing, queue.credential(), wait_seconds=10)
    error = refusal(source.receive)
    assert (type(error), error.reason) == (GiveUp, "QueueMissing")
    assert f"{queue.namespace}/secrets/nobody" in str(error)


def test_a_wrong_key_is_said_and_not_shown(queue: EventGridQueue) -> None:
    source = open_event_grid(queue.url, Redacted(b"hunter2-key"), wait_seconds=10)
    error = refusal(source.receive)
    assert (type(error), error.reason) == (GiveUp, "NoCredentials")
    assert "hunter2-key" not in f"{error}{source!r}{vars(source)!r}"


def test_no_token_is_retried_with_what_entra_says(queue: EventGridQueue) -> None:
    queue.azure.entra.client_secret = "another"
    source = queue.open()
    queue.azure.entra.client_secret = "changed"
    error = refusal(source.receive)
    assert (type(error), error.reason) == (Retry, "NoCredentials")
    assert "AADSTS7000215" in str(error)


def test_nobody_listening_is_retried(
    queue: EventGridQueue, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{port}")
    source = open_event_grid(queue.url, Redacted(b"key"), wait_seconds=10)
    error = refusal(source.receive)
    assert (type(error), error.reason) == (Retry, "QueueAway")
    assert "check the host's name, DNS" in str(error)


def test_a_token_is_shown_over_https_only(queue: EventGridQueue) -> None:
    plain = SubscriptionUrl("http://127.0.0.1:1", "127.0.0.1", "secrets", "hark")
    source = open_event_grid(plain, queue.credential(), wait_seconds=10)
    assert isinstance(refusal(source.receive), Retry)
    assert not queue.azure.counts()["token"]


@pytest.mark.parametrize("module", ["eventgrid", "eventgridclient", "subscriptionurl"])
def test_no_sdk_is_loaded_before_a_subscription_is_opened(module: str) -> None:
    program = (
        f"import sys, listener.sources.{module}\n"
        "print([name for name in sys.modules if name.startswith(('azure', 'requests'))])"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"


def test_an_event_nested_too_deep_is_told_apart_from_its_neighbours(queue: EventGridQueue) -> None:
    def answer(*events: str) -> Answer:
        rows = [
            f'{{"brokerProperties": {{"lockToken": "lock-{number}", "deliveryCount": 1}}, '
            f'"event": {event}}}'
            for number, event in enumerate(events)
        ]
        return Answer(200, f'{{"value": [{", ".join(rows)}]}}'.encode())

    deep = f'{{"id": "bad", "data": {"[" * 3000}{"]" * 3000}}}'
    asked: list[str] = []
    answers = [answer(deep, '{"id": "good"}'), answer(deep), answer('{"id": "good"}')]

    def reply(call: Call) -> Answer | None:
        if not call.path.endswith(":receive"):
            return None
        asked.append(call.query["maxEvents"])
        return answers.pop(0)

    source = queue.open()
    end = queue.azure.when(reply)
    error = refusal(source.receive)
    assert (type(error), error.reason) == (Retry, "EventUnreadable")
    [bad] = source.receive()
    [good] = source.receive()
    end()
    assert asked == ["100", "1", "1"]
    assert (bad.receipt, good.receipt) == ("lock-0", "lock-0")
    assert json.loads(good.body) == {"id": "good"}
    with pytest.raises(ValueError, match="Expecting value"):
        json.loads(bad.body)
