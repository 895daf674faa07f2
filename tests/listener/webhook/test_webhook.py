"""What is posted to the webhook, and what is answered."""

import json
import socket
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import pytest
from structlog.testing import capture_logs

from listener.webhook.callers import Callers
from worlds.webhook import (
    BEARER,
    CLOUD_EVENTS,
    SECRET,
    Hook,
    announcement,
    grid_cloud_event,
    grid_event,
    plan,
)

Open = Callable[..., Hook]
GRID = "/v1/eventgrid"
SUBSCRIBED = {**BEARER, "aeg-subscription-name": "SHOP-EVENTS", "aeg-event-type": "Notification"}
VALIDATION = {
    "id": "1",
    "eventType": "Microsoft.EventGrid.SubscriptionValidationEvent",
    "data": {"validationCode": "512d38b6", "validationUrl": "http://127.0.0.1:1/never"},
}


def in_thread(call: Callable[[], Any]) -> Any:
    """A call under way, whose `result` can be awaited."""
    pool = ThreadPoolExecutor(1)
    found = pool.submit(call)
    pool.shutdown(wait=False)
    return found


def _raw(hook: Hook, sent: bytes) -> bytes:
    """All that is answered until the webhook closes the connection."""
    with socket.create_connection(("127.0.0.1", hook.source.port), timeout=60) as connection:
        connection.sendall(sent)
        return b"".join(iter(lambda: connection.recv(4096), b""))


# What is taken.


def test_an_announcement_is_answered_once_it_is_noted(open_hook: Open) -> None:
    hook = open_hook()
    answer = in_thread(lambda: hook.post(announcement("secret/data/app")))
    (delivery,) = hook.source.receive()
    assert not answer.done()
    assert not hook.source.ack([delivery])
    assert answer.result().status == 200


def test_a_batch_is_answered_once_all_of_it_is_noted(open_hook: Open) -> None:
    hook = open_hook()
    events = [announcement(f"secret/data/{number}") for number in range(3)]
    answer = in_thread(lambda: hook.post(*events))
    first, *others = hook.source.receive()
    hook.source.ack(others)
    assert not answer.done()
    hook.source.ack([first])
    assert answer.result().status == 200


def test_binary_mode_is_understood(hook: Hook) -> None:
    event = announcement("secret/data/app")
    data = event.pop("data")
    headers = {f"ce-{name}": value for name, value in event.items()}
    answer = hook.post(data, content_type="application/json", headers={**BEARER, **headers})
    assert answer.status == 200
    assert hook.heard == ["secret/data/app"]


@pytest.mark.parametrize("make", [grid_event, grid_cloud_event])
def test_event_grid_is_understood_in_both_schemas(
    hook: Hook, make: Callable[[str], dict[str, Any]]
) -> None:
    answer = hook.post(make("db"), make("mail"), path=GRID, headers=SUBSCRIBED)
    assert answer.status == 200
    assert hook.heard == ["db", "mail"]


def test_the_largest_batch_is_taken(hook: Hook) -> None:
    events = [announcement(f"secret/data/{number}") for number in range(5_000)]
    assert hook.post(*events).status == 200
    assert len(hook.heard) == 5_000


def test_an_empty_batch_is_nothing_to_wait_for(hook: Hook) -> None:
    assert hook.post().status == 200


def test_a_redelivery_of_event_grid_tells_how_often_it_came(open_hook: Open) -> None:
    hook = open_hook()
    headers = {**SUBSCRIBED, "aeg-delivery-count": "3"}
    answer = in_thread(lambda: hook.post(grid_event("db"), path=GRID, headers=headers))
    (delivery,) = hook.source.receive()
    assert delivery.attempts == 4
    hook.source.ack([delivery])
    assert answer.result().status == 200


# The handshakes.


def test_event_grid_is_told_its_code_and_its_url_is_not_called(hook: Hook) -> None:
    headers = {**SUBSCRIBED, "aeg-event-type": "SubscriptionValidation"}
    body = json.dumps([VALIDATION]).encode()
    answer = hook.request("POST", GRID, body, {**headers, "Content-Type": "application/json"})
    assert (answer.status, answer.body) == (200, {"validationResponse": "512d38b6"})


def test_a_deleted_subscription_is_no_event(hook: Hook) -> None:
    headers = {**SUBSCRIBED, "aeg-event-type": "SubscriptionDeletion"}
    assert hook.post({}, path=GRID, headers=headers).status == 200
    assert not hook.heard


def test_a_handshake_of_cloud_events_is_answered_to_those_let_in(hook: Hook) -> None:
    asked = {"WebHook-Request-Origin": "eventgrid.azure.net"}
    answer = hook.request("OPTIONS", GRID, headers=asked)
    assert answer.status == 200
    assert answer.headers["WebHook-Allowed-Origin"] == "eventgrid.azure.net"
    assert answer.headers["WebHook-Allowed-Rate"] == "*"
    stranger = hook.request("OPTIONS", GRID, headers={"WebHook-Request-Origin": "evil.test"})
    assert stranger.status == 403
    assert "WebHook-Allowed-Origin" not in stranger.headers


@pytest.mark.parametrize("name", ["", "other"])
def test_an_unknown_subscription_is_refused(hook: Hook, name: str) -> None:
    headers = {**SUBSCRIBED, "aeg-subscription-name": name}
    answer = hook.post(grid_event("db"), path=GRID, headers=headers)
    assert answer.status == 403
    assert "HARK_WEBHOOK_EVENTGRID_SUBSCRIPTIONS" in answer.error
    assert not hook.heard


# Refusals.


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (b"", "one event"),
        (b"{", "one event"),
        (b'"text"', "one event"),
        (b"\xff\xfe", "one event"),
        (b"[" * 20_000, "one event"),
        (b"{}", "specversion"),
        (b"[7]", "no JSON object"),
    ],
)
def test_what_is_no_event_is_told_so(hook: Hook, body: bytes, says: str) -> None:
    answer = hook.request("POST", "/v1/changes", body, {**BEARER, "Content-Type": CLOUD_EVENTS})
    assert answer.status == 400
    assert says in answer.error


def test_good_neighbours_of_a_malformed_event_are_noted(hook: Hook) -> None:
    bad = announcement("secret/data/bad", change="sideways")
    answer = hook.post(announcement("secret/data/a"), bad, announcement("secret/data/b"))
    assert answer.status == 400
    assert "data.change" in answer.error
    assert sorted(hook.heard) == ["secret/data/a", "secret/data/b"]


def test_another_content_type_is_refused(hook: Hook) -> None:
    answer = hook.post(announcement("secret/data/app"), content_type="text/plain")
    assert answer.status == 415
    assert "application/cloudevents+json" in answer.error


def test_a_body_that_is_too_large_is_refused(open_hook: Open, tmp_path: Path) -> None:
    hook = open_hook(plan=replace(plan(tmp_path), longest_body=2_000))
    answer = hook.post(announcement("secret/data/" + "x" * 2_000))
    assert answer.status == 413
    assert answer.error


def test_a_body_without_a_length_that_is_too_large_is_refused(
    open_hook: Open, tmp_path: Path
) -> None:
    hook = open_hook(plan=replace(plan(tmp_path), longest_body=2_000))
    connection = hook.connect()
    parts = iter([b"[" + b" " * 1_500, b" " * 1_500, b"]"])
    headers = {**BEARER, "Content-Type": CLOUD_EVENTS}
    connection.request("POST", "/v1/changes", parts, headers, encode_chunked=True)
    reply = connection.getresponse()
    told = json.loads(reply.read())
    assert (reply.status, told) == (413, told)
    assert told["error"]
    connection.close()


def test_too_many_events_are_refused(hook: Hook) -> None:
    answer = hook.post(*[{}] * 5_001)
    assert answer.status == 413
    assert not hook.heard


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [("GET", "/", 404), ("GET", "/v1/changes", 405), ("POST", "/v1/other", 404)],
)
def test_other_places_are_refused_politely(hook: Hook, method: str, path: str, status: int) -> None:
    answer = hook.request(method, path)
    assert answer.status == status
    assert "POST" in answer.error


def test_what_is_no_http_is_told_so_in_json(hook: Hook) -> None:
    head, _, body = _raw(hook, b"nonsense\r\n\r\n").partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 400 ")
    assert json.loads(body)["error"]


def test_chunks_that_nobody_read_are_not_taken_for_a_request(hook: Hook) -> None:
    smuggled = b"POST /v1/changes HTTP/1.1\r\nHost: hark\r\n\r\n"
    asked = (
        b"POST /v1/changes HTTP/1.1\r\nHost: hark\r\nTransfer-Encoding: chunked\r\n\r\n"
        + f"{len(smuggled):x}\r\n".encode()
        + smuggled
        + b"\r\n0\r\n\r\n"
    )
    assert _raw(hook, asked).count(b"HTTP/1.1 401 ") == 1
    both = asked.replace(b"Host: hark\r\n", b"Host: hark\r\nContent-Length: 4\r\n", 1)
    assert _raw(hook, both).startswith(b"HTTP/1.1 400 ")


# Not in time, and too much.


def test_what_cannot_be_noted_in_time_is_to_be_sent_again(open_hook: Open) -> None:
    hook = open_hook(patience=0.2)
    answer = hook.post(announcement("secret/data/app"))
    assert answer.status == 503
    assert answer.headers["Retry-After"] == "5"
    assert not hook.source.receive(), "what was withdrawn is handed out to nobody"


def test_an_acknowledgement_that_comes_too_late_is_told(open_hook: Open) -> None:
    hook = open_hook(patience=0.2)
    answer = in_thread(lambda: hook.post(announcement("secret/data/app")))
    held = hook.source.receive()
    assert answer.result().status == 503
    assert hook.source.ack(held) == held


def test_what_the_listener_hands_back_is_to_be_sent_again_at_once(open_hook: Open) -> None:
    hook = open_hook()
    answer = in_thread(lambda: hook.post(announcement("secret/data/app")))
    hook.source.retry(hook.source.receive(), 0.0)
    assert answer.result(timeout=10).status == 503


def test_requests_that_wait_leave_threads_to_refuse_others(open_hook: Open) -> None:
    hook = open_hook()
    waiting = [in_thread(lambda: hook.post(announcement("secret/data/app"))) for _ in range(24)]
    held: list[Any] = []
    while len(held) < 24:
        held.extend(hook.source.receive())
    busy = hook.post(announcement("secret/data/app"))
    assert busy.status == 503
    assert "Too much" in busy.error
    assert hook.post(announcement("secret/data/app"), headers={}).status == 401
    hook.source.ack(held)
    assert [one.result().status for one in waiting] == [200] * 24


def test_what_waits_is_bounded_in_events(open_hook: Open, tmp_path: Path) -> None:
    hook = open_hook(plan=replace(plan(tmp_path), most_events=3))
    events = [announcement(f"secret/data/{number}") for number in range(3)]
    waiting = in_thread(lambda: hook.post(*events))
    held: list[Any] = []
    while len(held) < 3:
        held.extend(hook.source.receive())
    assert hook.post(announcement("secret/data/app")).status == 503
    hook.source.ack(held)
    assert waiting.result().status == 200


def test_what_was_withdrawn_does_not_pile_up_while_nobody_receives(open_hook: Open) -> None:
    hook = open_hook(patience=0.05)
    for _ in range(3):
        assert hook.post(announcement("secret/data/app")).status == 503
    assert not hook.source.receive()


def test_connections_that_say_nothing_hold_up_nobody(hook: Hook) -> None:
    silent = [socket.create_connection(("127.0.0.1", hook.source.port)) for _ in range(210)]
    assert hook.post(announcement("secret/data/app")).status == 200
    assert silent[0].recv(1) == b"", "the longest silent ones went for those that came after them"
    # Else all of them end at one moment, which is more than threads and their queue take.
    hook.close()
    for connection in silent:
        connection.close()


def test_who_waits_at_the_end_is_told_to_come_again_and_nobody_listens_then(
    open_hook: Open,
) -> None:
    hook = open_hook()
    answer = in_thread(lambda: hook.post(announcement("secret/data/app")))
    assert hook.source.receive()
    hook.source.close()
    assert answer.result().status == 503
    with pytest.raises(ConnectionRefusedError):
        hook.post(announcement("secret/data/app"))
    hook.source.close()


def test_who_comes_while_the_last_is_noted_is_told_to_come_again_at_once(open_hook: Open) -> None:
    hook = open_hook()
    answer = in_thread(lambda: hook.post(announcement("secret/data/app")))
    held = hook.source.receive()
    hook.stop.set()
    assert hook.post(announcement("secret/data/app")).status == 503
    hook.source.ack(held)
    assert answer.result().status == 200


# What is told and what is not.


def test_answers_are_counted_by_route_and_code(hook: Hook) -> None:
    hook.post(announcement("secret/data/app"))
    hook.post(announcement("secret/data/app"), headers={})
    hook.post(grid_event("db"), path=GRID, headers=SUBSCRIBED)
    hook.request("GET", "/nowhere")
    counted = {
        (route, code): hook.sample("webhook_requests_total", route=route, code=code)
        for route, code in (
            ("changes", "200"),
            ("changes", "401"),
            ("eventgrid", "200"),
            ("other", "404"),
        )
    }
    assert set(counted.values()) == {1.0}


def test_neither_body_nor_secret_is_ever_logged(
    hook: Hook, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")
    with capture_logs() as logs:
        hook.post(announcement("secret/data/canary-body"))
        hook.post({"canary-body": 1})
        hook.request("POST", f"/v1/changes?secret={SECRET}", b"canary-body", {})
        hook.request("POST", "/v1/changes?secret=canary-body", b"canary-body", {})
    shown = f"{logs}{caplog.text}{capfd.readouterr()}"
    assert "canary-body" not in shown
    assert SECRET not in shown


def test_a_fault_of_ours_is_an_answer_without_details(
    open_hook: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(_callers: Callers, _caller: str) -> bool:
        raise RuntimeError("canary-fault")

    monkeypatch.setattr(Callers, "knows", broken)
    with capture_logs() as logs:
        answer = open_hook().post(announcement("secret/data/app"))
    assert answer.status == 500
    assert "canary" not in f"{answer}{logs}"


@pytest.mark.parametrize("place", ["webhook.app.split", "messages.announced.parse"])
def test_a_fault_of_ours_in_reading_a_body_is_an_answer_and_keeps_nobody(
    hook: Hook, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    faults = [KeyError, MemoryError, OverflowError, RecursionError, RuntimeError, UnicodeError]
    body = json.dumps(announcement("secret/data/canary")).encode()
    headers = {**BEARER, "Content-Type": "application/json"}
    connection = hook.connect()

    def told() -> tuple[int, dict[str, Any]]:
        connection.request("POST", "/v1/changes", body, headers)
        reply = connection.getresponse()
        return reply.status, json.loads(reply.read())

    with monkeypatch.context() as patched, capture_logs() as logs:
        broken = Mock(side_effect=[fault("canary-fault") for fault in faults])
        patched.setattr(f"listener.{place}", broken)
        answers = [told() for _ in faults]
    assert [(status, list(answer)) for status, answer in answers] == [(500, ["error"])] * 6
    assert [entry["event"] for entry in logs] == ["webhook.fault"] * 6
    assert "canary" not in f"{answers}{logs}"
    # The same connection is good for the sender's next try.
    assert told()[0] == 200
    assert hook.heard == ["secret/data/canary"]
    connection.close()
