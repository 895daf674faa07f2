"""The Vault source where Vault, or what stands in its place, misbehaves."""

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from prometheus_client import CollectorRegistry
from structlog.testing import capture_logs
from websockets.sync.server import Server, ServerConnection, serve

from externalsecret.dialect.contract import Defaults
from externalsecret.errors import HarkError, Retry
from externalsecret.manifest import read_manifest
from externalsecret.redacted import Redacted
from externalsecret.reference import Reference
from fakes.source import PATIENCE
from listener.metrics import ListenerMetrics
from listener.reader import Reader
from listener.sources.vault import Pace, VaultSource
from listener.sources.vaultinbox import Inbox
from listener.sources.vaultnews import Sight, Unseen
from listener.sources.vaultpoll import BATCH, VaultPoll
from listener.sources.vaultsocket import Ears, EventSocket

TOKEN = "s.canary-of-the-listener"


class Door:
    def __init__(self, address: str) -> None:
        self.address = address

    def trust(self) -> None:
        """Nobody in particular."""

    def token(self) -> Redacted:
        return Redacted(TOKEN.encode())


@contextmanager
def served(handler: Callable[[ServerConnection], None]) -> Iterator[Server]:
    with serve(handler, "127.0.0.1", 0) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.shutdown()
        thread.join(PATIENCE)


@contextmanager
def redirecting(location: str) -> Iterator[str]:
    """The address of a server that sends everybody elsewhere."""

    class Elsewhere(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            self.send_response(307)
            self.send_header("Location", location)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Elsewhere) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"ws://127.0.0.1:{server.server_address[1]}/v1"
        server.shutdown()
        thread.join(PATIENCE)


@contextmanager
def listening(address: str, *, clock: Callable[[], float] | None = None) -> Iterator[list[int]]:
    """Runs a socket; what is given has a member for each opening."""
    stop, opened = threading.Event(), list[int]()
    socket = EventSocket(
        Door(address),
        "",
        Ears(lambda _body, _namespace: None, lambda: opened.append(1)),
        metrics=ListenerMetrics(CollectorRegistry()),
        may_listen=lambda: True,
        stop=stop,
        **({} if clock is None else {"clock": clock}),
    )
    thread = threading.Thread(target=socket.run)
    thread.start()
    yield opened
    stop.set()
    thread.join(PATIENCE)
    assert not thread.is_alive()


@pytest.mark.parametrize("scheme", ["ws", "https"])
def test_the_token_is_taken_to_no_other_place_than_the_address_that_was_set(scheme: str) -> None:
    came: list[str | None] = []

    def note(connection: ServerConnection) -> None:
        assert connection.request is not None
        came.append(connection.request.headers.get("X-Vault-Token"))

    said = threading.Event()

    def tell(_logger: object, _method: str, line: Mapping[str, Any]) -> Mapping[str, Any]:
        if "VAULT_ADDR name the active node" in str(line.get("error")):
            said.set()
        return line

    with capture_logs(processors=[tell]) as logs, served(note) as other:
        port = other.socket.getsockname()[1]
        elsewhere = f"{scheme}://localhost:{port}/v1/sys/events/subscribe/kv*"
        with redirecting(elsewhere) as address, listening(address) as opened:
            assert said.wait(PATIENCE)
            assert not opened
    assert came == []
    assert "307" in str(logs)
    assert TOKEN not in str(logs)


def test_a_socket_that_ends_at_once_is_opened_ever_more_seldom() -> None:
    waits: list[float] = []
    enough = threading.Event()

    def tell(_logger: object, _method: str, line: Mapping[str, Any]) -> Mapping[str, Any]:
        if "retry_in" in line:
            waits.append(line["retry_in"])
            if len(waits) == 3:
                enough.set()
        return line

    with capture_logs(processors=[tell]), served(lambda _connection: None) as server:
        address = f"ws://127.0.0.1:{server.socket.getsockname()[1]}/v1"
        with listening(address):
            assert enough.wait(PATIENCE)
    # Half of 1, 2 and 4 seconds at least.
    assert [wait >= least for wait, least in zip(waits, (0.5, 1.0, 2.0), strict=False)] == [
        True
    ] * 3


def test_a_socket_that_was_open_for_long_is_opened_again_soon() -> None:
    waits: list[float] = []
    enough = threading.Event()
    seconds = iter(range(0, 100_000, 1_000))

    def tell(_logger: object, _method: str, line: Mapping[str, Any]) -> Mapping[str, Any]:
        if "retry_in" in line:
            waits.append(line["retry_in"])
            if len(waits) == 3:
                enough.set()
        return line

    with capture_logs(processors=[tell]), served(lambda _connection: None) as server:
        address = f"ws://127.0.0.1:{server.socket.getsockname()[1]}/v1"
        with listening(address, clock=lambda: float(next(seconds))):
            assert enough.wait(PATIENCE)
    assert all(wait <= 1.0 for wait in waits)


def references(*paths: str) -> list[Reference]:
    spec = {"backendType": "vault", "data": [{"key": path, "name": path[-1]} for path in paths]}
    return list(read_manifest(spec, Defaults()).references.values())


class Shelf:
    """Index and Eyes in one: what is read, and what Vault says of it."""

    def __init__(self, paths: int) -> None:
        self.wanted = references(*(f"secret/data/p{number}" for number in range(paths)))
        self.troubled: dict[str, HarkError] = {}
        self.denied = False
        self.reader = "shop"
        self.looks = 0

    def references(self, _backend: object) -> list[Reference]:
        return self.wanted

    def readers(self, reference: Reference) -> list[Reader]:
        return [Reader(("team", self.reader), reference, "", ("", ""), None)]

    def look(self, asked: Sequence[Reference]) -> Mapping[str, Sight | Unseen | HarkError]:
        self.looks += len(asked)
        return {one.entry: self._seen(one.entry) for one in asked}

    def _seen(self, entry: str) -> Sight | Unseen | HarkError:
        if self.denied:
            return Unseen("denied", "It is denied.")
        return self.troubled.get(entry) or Sight("1", is_gone=False)

    def close(self) -> None:
        """Nothing is open."""


def poll_of(shelf: Any, clock: Callable[[], float] = lambda: 0.0) -> VaultPoll:
    metrics = ListenerMetrics(CollectorRegistry())
    return VaultPoll(shelf, shelf, metrics, lambda *_: None, clock=clock, jitter=lambda: 0.5)


def test_one_path_that_gets_no_answer_does_not_hurry_the_others() -> None:
    shelf = Shelf(BATCH + 1)
    shelf.troubled[shelf.wanted[-1].entry] = Retry("slow down", reason="Throttled", after=60.0)
    poll = poll_of(shelf)
    poll.look()
    poll.look()
    assert shelf.looks == BATCH + 1
    assert poll.wait_for(30.0) == 30.0


def test_where_a_whole_round_gets_no_answer_the_longest_wait_is_told_and_another_follows() -> None:
    shelf = Shelf(2)
    for after, reference in zip((5.0, 60.0), shelf.wanted, strict=True):
        shelf.troubled[reference.entry] = Retry("slow down", reason="Throttled", after=after)
    poll = poll_of(shelf)
    with pytest.raises(Retry) as told:
        poll.look()
    assert told.value.after == 60.0
    assert poll.wait_for(30.0) == 0.0


def test_objects_that_came_and_went_are_not_remembered() -> None:
    shelf: Any = Shelf(1)
    shelf.denied = True
    told: list[tuple[str, str]] = []
    metrics = ListenerMetrics(CollectorRegistry())
    poll = VaultPoll(shelf, shelf, metrics, lambda key, *_: told.append(key), jitter=lambda: 0.5)
    for name in ("run-1", "run-2", "run-1"):
        shelf.reader = name
        poll.look()
    # Forgotten in between, the first is told anew.
    assert told == [("team", "run-1"), ("team", "run-2"), ("team", "run-1")]


def test_what_a_socket_hears_after_the_lead_was_lost_is_for_the_next_leader() -> None:
    shelf: Any = Shelf(0)
    leads = True
    inbox = Inbox()
    source = VaultSource(
        poll_of(shelf),
        shelf,
        inbox,
        Pace(),
        metrics=ListenerMetrics(CollectorRegistry()),
        is_leader=lambda: leads,
    )
    source.receive()
    leads = False
    # Between the loss and its being noticed.
    source.hear('{"of": "the old leader"}', "")
    assert not source.receive()
    source.hear('{"of": "nobody"}', "")
    assert len(inbox) == 0
