"""Requests that mean another thing to a proxy than to us, or that are never whole."""

import json
import socket
import time

import pytest

from listener.webhook import reading
from worlds.webhook import SECRET, Hook, announcement

BODY = json.dumps(announcement("secret/data/app")).encode()
LENGTH = f"Content-Length: {len(BODY)}"
TOKEN = f"Authorization: Bearer {SECRET}"


def answer(hook: Hook, *headers: str, body: bytes = BODY) -> bytes:
    """The first line of what is answered to a request with these headers, then silence."""
    head = ["POST /v1/changes HTTP/1.1", "Host: hark", "Content-Type: application/json", *headers]
    with socket.create_connection(("127.0.0.1", hook.source.port), timeout=60) as connection:
        connection.sendall("\r\n".join([*head, "Connection: close", "", ""]).encode() + body)
        return connection.makefile("rb").readline()


@pytest.mark.parametrize(
    "headers",
    [
        (TOKEN, "Content-Length: 3", LENGTH),
        (TOKEN, LENGTH, LENGTH),
        (TOKEN, f"Content-Length: +{len(BODY)}"),
        (TOKEN, "Content-Length: -1"),
        (TOKEN, "Content-Length: 1_0"),
        (TOKEN, "Content-Length: 3", f" {len(BODY)}"),
        (TOKEN, "Content-Length : 3", LENGTH),
        (TOKEN, LENGTH, "Transfer-Encoding: chunked"),
        (TOKEN, "Transfer-Encoding: ,"),
        (TOKEN, "Transfer-Encoding: chunked, chunked"),
        (TOKEN, TOKEN, LENGTH),
        (TOKEN, LENGTH, "X-Other: a", "\tb"),
    ],
)
def test_what_two_servers_may_read_in_two_ways_is_refused(
    hook: Hook, headers: tuple[str, ...]
) -> None:
    assert answer(hook, *headers).startswith(b"HTTP/1.1 400 ")
    assert not hook.heard


@pytest.mark.parametrize(
    ("version", "body"),
    [
        ("1.1", b"-1\r\n"),
        ("1.1", b"0\r\n\r\n"),
        ("1.1", b"f" * 2000 + b"\r\n"),
        ("1.0", b""),
    ],
    ids=["negative", "empty", "a size without end", "of another time"],
)
def test_nothing_that_follows_chunks_is_a_request(hook: Hook, version: str, body: bytes) -> None:
    head = f"POST /v1/changes HTTP/{version}\r\nHost: hark\r\n{TOKEN}\r\n".encode()
    kind = b"Content-Type: application/json\r\nConnection: Keep-Alive\r\n"
    smuggled = head.replace(b"changes", b"nowhere") + b"\r\n"
    with socket.create_connection(("127.0.0.1", hook.source.port), timeout=60) as connection:
        connection.sendall(head + kind + b"Transfer-Encoding: chunked\r\n\r\n" + body + smuggled)
        told = b"".join(iter(lambda: connection.recv(65536), b""))
    assert told.split()[1] in {b"400", b"413"}
    assert told.count(b"HTTP/1.1 ") == 1


def test_a_header_with_an_underscore_is_not_taken_for_another(hook: Hook) -> None:
    assert answer(hook, LENGTH, f"X_Hark_Secret: {SECRET}").startswith(b"HTTP/1.1 401 ")
    assert answer(hook, TOKEN, LENGTH, "Content_Length: 3").startswith(b"HTTP/1.1 200 ")


@pytest.mark.parametrize(
    ("started", "limit"),
    [
        ("POST /v1/changes HTTP/1.1\r\nX-A: ", "HEAD_SECONDS"),
        (f"POST /v1/changes HTTP/1.1\r\n{TOKEN}\r\n", "REST_SECONDS"),
        ("POST /v1/changes HTTP/1.1\r\n", "UNREAD_SECONDS"),
    ],
    ids=["head", "body", "body of a stranger"],
)
def test_who_sends_a_byte_from_time_to_time_is_not_waited_for(
    hook: Hook, monkeypatch: pytest.MonkeyPatch, started: str, limit: str
) -> None:
    monkeypatch.setattr(reading, limit, 0.3)
    rest = "Content-Type: application/json\r\nContent-Length: 9999\r\n\r\n"
    began = time.monotonic()
    with socket.create_connection(("127.0.0.1", hook.source.port), timeout=0.05) as connection:
        connection.sendall((started + ("" if limit == "HEAD_SECONDS" else rest)).encode())
        while time.monotonic() - began < 60 and not _is_answered(connection):
            try:
                connection.sendall(b"x")
            except OSError:
                break
    assert time.monotonic() - began < 5, "well before the server's own ten seconds"
    assert hook.post(announcement("secret/data/app")).status == 200


def _is_answered(connection: socket.socket) -> bool:
    try:
        connection.recv(1)
    except TimeoutError:
        return False
    except OSError:
        return True
    return True
