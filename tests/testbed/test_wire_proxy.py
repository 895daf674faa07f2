import contextlib
import http.client
import http.server
import json
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from testbed import actions
from testbed.cluster import Cluster
from testbed.proxy import WireProxy
from testbed.request import Request, any_request, aws, calls, watches
from worlds.spine import await_until


class Upstream(http.server.ThreadingHTTPServer):
    """Echoes a request; /stream answers a line at a time, as the test allows."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server_address[1]}"
        self.bodies: list[bytes] = []
        self.next_line = threading.Semaphore(0)

    def handle_error(self, request: object, client_address: object) -> None:
        pass


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Upstream

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        for number in range(3):
            self.server.next_line.acquire()
            self.wfile.write(b"7\r\nline %d\n\r\n" % number)
        self.wfile.write(b"0\r\n\r\n")

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.bodies.append(body)
        self.send_response(201)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_args: object) -> None:
        pass


@pytest.fixture
def upstream() -> Iterator[Upstream]:
    server = Upstream()
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def proxy(upstream: Upstream) -> Iterator[WireProxy]:
    with WireProxy(upstream.url) as running:
        yield running


@pytest.fixture
def client(proxy: WireProxy) -> Iterator[http.client.HTTPConnection]:
    address = proxy.url.removeprefix("http://")
    with contextlib.closing(http.client.HTTPConnection(address, timeout=60)) as connection:
        yield connection


def post(client: http.client.HTTPConnection, body: str, path: str = "/a?x=1") -> tuple[int, str]:
    client.request("POST", path, body, {"Content-Type": "application/json", "Secret": "hidden"})
    answer = client.getresponse()
    return answer.status, answer.read().decode()


def carries(value: Any) -> Any:
    def matches(request: Request) -> bool:
        return bool(request.json == value)

    return matches


def test_a_request_passes_unharmed_and_the_connection_is_kept(
    proxy: WireProxy, client: http.client.HTTPConnection
) -> None:
    assert post(client, "one") == (201, "one")
    kept = client.sock
    assert post(client, "two") == (201, "two")
    assert client.sock is kept
    assert proxy.count(calls("POST", "/a")) == 2


def test_the_log_tells_what_came_but_not_what_it_contained(
    proxy: WireProxy, client: http.client.HTTPConnection
) -> None:
    post(client, '"s3cret"')
    entry = proxy.wait_until_delivered(any_request)
    assert (entry.head.method, entry.head.path, dict(entry.head.query)) == (
        "POST",
        "/a",
        {"x": "1"},
    )
    assert entry.head.content_type == "application/json"
    assert (entry.forwarded, entry.status, entry.delivered) == (True, 201, True)
    assert "s3cret" not in repr(proxy.log)
    assert "hidden" not in repr(proxy.log)


def test_a_stream_passes_line_by_line(
    upstream: Upstream, client: http.client.HTTPConnection
) -> None:
    client.request("GET", "/stream")
    answer = client.getresponse()
    for number in range(3):
        upstream.next_line.release()
        assert answer.readline() == b"line %d\n" % number
    assert answer.read() == b""


def test_a_withheld_request_never_reaches_the_server(
    proxy: WireProxy, upstream: Upstream, client: http.client.HTTPConnection
) -> None:
    rule = proxy.when(carries({"note": 1}), actions.withhold)
    client.request("POST", "/a", json.dumps({"note": 1}))
    assert rule.wait().json == {"note": 1}
    client.sock.settimeout(0.2)
    with pytest.raises(TimeoutError):
        client.getresponse()
    assert upstream.bodies == []


def test_a_withheld_answer_is_work_done_that_the_client_does_not_hear_of(
    proxy: WireProxy, upstream: Upstream, client: http.client.HTTPConnection
) -> None:
    proxy.when(any_request, actions.withhold_answer)
    client.request("POST", "/a", "work")
    await_until(lambda: [entry.status for entry in proxy.log], lambda seen: seen == [201], "worked")
    client.sock.settimeout(0.3)
    with pytest.raises(TimeoutError):
        client.getresponse()
    assert upstream.bodies == [b"work"]
    assert [(entry.status, entry.delivered) for entry in proxy.log] == [(201, False)]


def test_a_held_request_goes_on_when_it_is_released(
    proxy: WireProxy, upstream: Upstream, client: http.client.HTTPConnection
) -> None:
    released = threading.Event()
    rule = proxy.when(any_request, actions.hold_until(released))
    client.request("POST", "/a", "late")
    rule.wait()
    assert upstream.bodies == []
    released.set()
    assert client.getresponse().read() == b"late"


def test_a_rule_can_answer_in_the_servers_place_as_often_as_it_says(
    proxy: WireProxy, upstream: Upstream, client: http.client.HTTPConnection
) -> None:
    proxy.when(calls("POST"), actions.answer(429, b"{}", {"Retry-After": "1"}), times=2)
    assert [post(client, "x")[0] for _attempt in range(3)] == [429, 429, 201]
    assert upstream.bodies == [b"x"]


def test_rules_are_taken_in_the_order_in_which_they_were_made(
    proxy: WireProxy, client: http.client.HTTPConnection
) -> None:
    proxy.when(any_request, actions.answer(500))
    second = proxy.when(any_request, actions.answer(503), times=None)
    assert [post(client, "x")[0] for _attempt in range(3)] == [500, 503, 503]
    second.retire()
    assert post(client, "x")[0] == 201


def test_a_hung_up_connection_carries_no_answer(
    proxy: WireProxy, client: http.client.HTTPConnection
) -> None:
    proxy.when(any_request, actions.hang_up)
    with pytest.raises((http.client.RemoteDisconnected, ConnectionError)):
        post(client, "x")


@pytest.mark.parametrize("moment", [actions.before, actions.after])
def test_a_process_can_be_killed_before_or_after_the_server_did_its_work(
    proxy: WireProxy, upstream: Upstream, moment: Any
) -> None:
    program = (
        "import urllib.request, sys; "
        "urllib.request.urlopen(urllib.request.Request(sys.argv[1], data=b'work'))"
    )
    victims: list[subprocess.Popen[bytes]] = []
    started = threading.Event()

    def kill() -> None:
        started.wait(60)
        victims[0].kill()
        victims[0].wait(60)

    proxy.when(any_request, moment(kill, then=actions.hang_up))
    victims.append(subprocess.Popen([sys.executable, "-c", program, proxy.url]))
    started.set()
    assert victims[0].wait(60) == -signal.SIGKILL
    assert upstream.bodies == ([b"work"] if moment is actions.after else [])


def test_an_answer_that_breaks_off_does_not_look_complete(
    proxy: WireProxy, upstream: Upstream, client: http.client.HTTPConnection
) -> None:
    client.request("GET", "/stream")
    answer = client.getresponse()
    upstream.next_line.release()
    answer.readline()
    proxy.cut_connections()
    with pytest.raises((http.client.IncompleteRead, ConnectionError)):
        answer.read()
    upstream.next_line.release(2)


def test_a_server_that_is_away_looks_like_a_broken_connection() -> None:
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        port = nobody.getsockname()[1]
        with WireProxy(f"http://127.0.0.1:{port}") as proxy:
            address = proxy.url.removeprefix("http://")
            client = http.client.HTTPConnection(address, timeout=60)
            with contextlib.closing(client), pytest.raises(http.client.RemoteDisconnected):
                post(client, "x")


def test_waiting_for_what_does_not_come_ends_with_the_count(proxy: WireProxy) -> None:
    with pytest.raises(TimeoutError, match="0 such requests came, 1 were awaited"):
        proxy.wait_for(any_request, timeout=0.05)


def test_aws_operations_of_both_protocols_have_names(
    proxy: WireProxy, client: http.client.HTTPConnection
) -> None:
    client.request("POST", "/", "{}", {"X-Amz-Target": "secretsmanager.GetSecretValue"})
    client.getresponse().read()
    form = {"Content-Type": "application/x-www-form-urlencoded; charset=utf-8"}
    client.request("POST", "/", "Action=AssumeRole&Version=2011-06-15", form)
    client.getresponse().read()
    assert proxy.count(aws("GetSecretValue")) == 1
    assert proxy.count(aws("AssumeRole")) == 1


def test_a_kubernetes_watch_passes_event_by_event_and_can_be_cut(
    cluster: Cluster, namespace: str, cluster_proxy: WireProxy
) -> None:
    path = f"/api/v1/namespaces/{namespace}/configmaps"
    kubeconfig = json.loads(cluster.admin_kubeconfig_through(cluster_proxy.url).read_text())
    token = kubeconfig["users"][0]["user"]["token"]
    address = kubeconfig["clusters"][0]["cluster"]["server"].removeprefix("http://")
    client = http.client.HTTPConnection(address, timeout=60)
    with contextlib.closing(client):
        client.request("GET", f"{path}?watch=true", headers={"Authorization": f"Bearer {token}"})
        events = client.getresponse()
        for name in ("one", "two"):
            cluster.request("POST", path, {"metadata": {"name": name}})
            assert json.loads(events.readline())["object"]["metadata"]["name"] == name
        cluster_proxy.cut_connections()
        with pytest.raises((http.client.IncompleteRead, ConnectionError)):
            events.read()
    assert cluster_proxy.wait_for(watches("configmaps")).path == path
