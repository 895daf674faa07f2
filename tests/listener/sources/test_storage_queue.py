"""StorageQueueSource and a real emulator, beyond what all sources have in common."""

import base64
import json
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import jwt
import pytest
import trustme
from azure.core.credentials import AccessTokenInfo

from externalsecret.errors import GiveUp, HarkError, Retry
from listener.sources.contract import Delivery
from listener.sources.heldmessages import HeldMessage, HeldMessages
from listener.sources.storagequeue import Pace, StorageQueueSource, open_storage_queue
from listener.sources.storagequeueclient import StorageAccess, make_client
from listener.sources.storagequeueurl import parse_storage_queue_url
from testbed.actions import answer
from testbed.azurite import ACCOUNT, KEY, AzuriteServer, connection_string
from testbed.proxy import WireProxy
from testbed.request import any_request, calls
from worlds.storagequeue import QueuesOfATest, no_credential, refused

QUICK = Pace(shortest_pause=0.02, longest_pause=0.1, wait=1.0, reject=0, poison_after=2)
PUBLIC = parse_storage_queue_url("https://shop.queue.core.windows.net/changes")
Open = Callable[..., StorageQueueSource]


@pytest.fixture
def queues(azurite: str, azurite_proxy: WireProxy) -> Iterator[QueuesOfATest]:
    opened = QueuesOfATest(azurite, azurite_proxy.url)
    opened.queue.create_queue()
    yield opened
    opened.close()


@pytest.fixture
def open_source(queues: QueuesOfATest) -> Iterator[Open]:
    opened: list[StorageQueueSource] = []

    def start(pace: Pace = QUICK, stop: threading.Event | None = None) -> StorageQueueSource:
        source = queues.open(pace, stop)
        opened.append(source)
        return source

    yield start
    for source in opened:
        source.close()


def received(source: StorageQueueSource, count: int = 1) -> list[Delivery]:
    held: list[Delivery] = []
    deadline = time.monotonic() + 30
    while len(held) < count:
        assert time.monotonic() < deadline
        held.extend(source.receive())
    return held


def encoded(data: bytes) -> str:
    return base64.b64encode(data).decode()


@pytest.mark.parametrize(
    ("sent", "body"),
    [
        ('{"a": 1}', '{"a": 1}'),
        ('  [{"a": "<&>"}]', '  [{"a": "<&>"}]'),
        (encoded(b'{"a": "\xc3\xa4"}'), '{"a": "\u00e4"}'),
        (encoded(b'\xef\xbb\xbf{"a": 1}'), '{"a": 1}'),
        (encoded(b"\xff\xfe"), "//4="),
        ("no event", "no event"),
        ("\u00e4\u00f6", "\u00e4\u00f6"),
    ],
)
def test_a_body_is_given_as_text_whether_it_was_encoded_or_not(
    queues: QueuesOfATest, open_source: Open, sent: str, body: str
) -> None:
    queues.send(sent)
    assert [delivery.body for delivery in received(open_source())] == [body]


def test_an_empty_queue_is_asked_ever_more_seldom(
    open_source: Open, azurite_proxy: WireProxy
) -> None:
    assert not open_source(Pace(shortest_pause=0.1, longest_pause=0.8, wait=3.0)).receive()
    # At 0, 0.1, 0.3, 0.7, 1.5 and 2.3 s.
    assert 2 <= azurite_proxy.count(calls("GET", "/messages")) <= 6


def test_a_stop_ends_the_wait(open_source: Open, azurite_proxy: WireProxy) -> None:
    stop = threading.Event()
    source = open_source(Pace(shortest_pause=600.0, longest_pause=600.0, wait=1200.0), stop)
    with ThreadPoolExecutor() as threads:
        waiting = threads.submit(source.receive)
        azurite_proxy.wait_for(calls("GET", "/messages"))
        stop.set()
        assert not waiting.result(timeout=30)


def test_a_message_comes_while_it_is_waited_for(queues: QueuesOfATest, open_source: Open) -> None:
    source = open_source(Pace(shortest_pause=0.05, longest_pause=0.1, wait=60.0))
    with ThreadPoolExecutor() as threads:
        waiting = threads.submit(source.receive)
        queues.send("news")
        assert [delivery.body for delivery in waiting.result(timeout=30)] == ["news"]


def test_poison_is_moved_as_it_came_into_a_queue_that_is_made_for_it(
    queues: QueuesOfATest, open_source: Open
) -> None:
    poison = encoded(b"no event")
    queues.send(poison)
    source = open_source()
    assert source.reject(received(source)) == 0
    assert queues.buried() == []
    assert source.reject(received(source)) == 1
    assert queues.buried() == [poison]
    assert queues.left() == 0


def test_poison_that_cannot_be_moved_waits_ever_longer_and_that_is_said(
    queues: QueuesOfATest, open_source: Open, azurite_proxy: WireProxy
) -> None:
    queues.send("no event")
    source = open_source()
    source.reject(received(source))
    azurite_proxy.when(
        calls("POST", "-poison/messages"), refused(403, "AuthorizationPermissionMismatch")
    )
    held = received(source)
    with pytest.raises(GiveUp, match=r"-poison refused .* Storage Queue Data") as caught:
        source.reject(held)
    assert caught.value.reason == "QueueDenied"
    assert queues.left() == 1
    source.reject(received(source))
    assert queues.buried() == ["no event"]


def test_no_poison_queue_may_be_made_and_that_is_said(
    queues: QueuesOfATest, open_source: Open, azurite_proxy: WireProxy
) -> None:
    queues.send("no event")
    source = open_source(Pace(wait=1.0, reject=60, poison_after=1))
    azurite_proxy.when(calls("PUT", "-poison"), refused(403, "AuthorizationPermissionMismatch"))
    with pytest.raises(GiveUp, match="-poison refused"):
        source.reject(received(source))
    assert queues.queue.peek_messages(1) == [], "it is to come at once"
    assert queues.left() == 1


FAILURES: list[tuple[int, str, type[HarkError], str]] = [
    (404, "QueueNotFound", GiveUp, "QueueMissing"),
    (409, "QueueBeingDeleted", GiveUp, "QueueMissing"),
    (403, "AuthenticationFailed", GiveUp, "NoCredentials"),
    (401, "InvalidAuthenticationInfo", GiveUp, "NoCredentials"),
    (403, "AuthorizationFailure", GiveUp, "QueueDenied"),
    (403, "AuthorizationPermissionMismatch", GiveUp, "QueueDenied"),
    (403, "KeyBasedAuthenticationNotPermitted", GiveUp, "QueueDenied"),
    (400, "OutOfRangeQueryParameterValue", GiveUp, "QueueRefused"),
    (503, "ServerBusy", Retry, "Throttled"),
    (429, "", Retry, "Throttled"),
    (500, "InternalError", Retry, "QueueAway"),
    (502, "", Retry, "QueueAway"),
]


@pytest.mark.parametrize(("status", "code", "kind", "reason"), FAILURES)
def test_a_refusal_is_a_sentence_of_its_kind(
    open_source: Open,
    azurite_proxy: WireProxy,
    status: int,
    code: str,
    kind: type[HarkError],
    reason: str,
) -> None:
    azurite_proxy.when(any_request, refused(status, code), times=None)
    with pytest.raises(HarkError) as caught:
        open_source().receive()
    assert (type(caught.value), caught.value.reason) == (kind, reason)
    assert str(code or status) in str(caught.value)
    assert str(caught.value).endswith(".")
    assert "canary" not in str(caught.value)


def test_what_is_no_storage_queue_is_told(open_source: Open, azurite_proxy: WireProxy) -> None:
    azurite_proxy.when(any_request, answer(200, b"<html>Log in!", {"Content-Type": "text/html"}))
    with pytest.raises(HarkError, match="no storage queue"):
        open_source().receive()


def test_messages_that_others_have_by_now_are_forgotten() -> None:
    now = [0.0]
    held = HeldMessages(lambda: now[0])
    early = held.keep(HeldMessage("one", "a", until=10.0))
    late = held.keep(HeldMessage("two", "b", until=20.0))
    now[0] = 15.0
    held.forget_overdue()
    assert held.get(early) is None
    assert held.get(late) is not None
    assert len(held) == 1


# As whom a queue is asked.


class Tokens:
    """A credential; what it was asked for is kept."""

    def __init__(self) -> None:
        self.scopes: list[str] = []

    def get_token_info(self, *scopes: str, options: object = None) -> AccessTokenInfo:
        assert options is None or isinstance(options, dict)
        self.scopes += scopes
        now = int(time.time())
        claims = {
            "aud": "https://storage.azure.com",
            "iss": "https://sts.windows.net/11111111-2222-3333-4444-555555555555/",
            "iat": now - 60,
            "nbf": now - 60,
            "exp": now + 3600,
        }
        return AccessTokenInfo(jwt.encode(claims, "k" * 32, algorithm="HS256"), now + 3600)


def access(tokens: Tokens | None = None, **options: Any) -> StorageAccess:
    return StorageAccess(no_credential if tokens is None else lambda: tokens, **options)


def test_a_token_of_the_identity_opens_the_queue_over_https(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    authority = trustme.CA()
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    certificate = authority.issue_cert("127.0.0.1")
    certificate.cert_chain_pems[0].write_to_path(tmp_path / "cert.pem")
    certificate.private_key_pem.write_to_path(tmp_path / "key.pem")
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path / "ca.pem"))
    tokens = Tokens()
    with AzuriteServer(certificate=(tmp_path / "cert.pem", tmp_path / "key.pem")) as server:
        assert server.url.startswith("https://")
        queue = parse_storage_queue_url(f"{server.url}/{ACCOUNT}/changes")
        client = make_client(queue, access(tokens))
        client.create_queue()
        client.send_message(json.dumps({"a": 1}))
        client.close()
        source = open_storage_queue(queue, access(tokens), QUICK, threading.Event())
        assert not source.ack(received(source))
        source.close()
    assert set(tokens.scopes) == {"https://storage.azure.com/.default"}


def test_a_token_goes_over_https_only() -> None:
    queue = parse_storage_queue_url("http://queues.example.com/changes")
    with pytest.raises(GiveUp, match="https"):
        make_client(queue, access())


@pytest.mark.parametrize("text", ["hunter2", "AccountName=shop", "AccountKey=hunter2"])
def test_what_is_no_connection_string_is_refused_and_not_shown(text: str) -> None:
    with pytest.raises(GiveUp, match="CONNECTION_STRING is no connection string") as caught:
        make_client(PUBLIC, access(connection_string=text))
    assert "hunter2" not in f"{caught.value!r}{caught.value.__cause__}{caught.value.__context__}"


def test_a_connection_string_of_another_account_leaves_the_queue_to_the_identity() -> None:
    asked = []

    def credential() -> Tokens:
        asked.append(True)
        return Tokens()

    make_client(PUBLIC, StorageAccess(credential, connection_string("http://127.0.0.1:1"))).close()
    assert asked


@pytest.mark.parametrize("secret", [f"AccountKey={KEY}", "SharedAccessSignature=sv=1&sig=abc"])
def test_a_connection_string_of_the_account_makes_a_token_needless(secret: str) -> None:
    text = f"AccountName=shop;{secret};QueueEndpoint=https://shop.queue.core.windows.net"
    make_client(PUBLIC, access(connection_string=text)).close()
