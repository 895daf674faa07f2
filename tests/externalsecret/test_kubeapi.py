"""The seam to the Kubernetes API, spoken to a small server that answers as it is told."""

import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import yaml
from kubernetes.client import Configuration

from externalsecret.errors import GiveUp
from externalsecret.kubeapi import MERGE_PATCH, ApiRefusal, ApiRetry, HttpKubeApi, connect
from testbed.tunnel import Tunnel


@dataclass
class Server:
    """What it answers, and what it was asked."""

    status: int = 200
    body: bytes = b"{}"
    headers: dict[str, str] = field(default_factory=dict)
    chunks: list[bytes] | None = None
    asked: list[tuple[str, str, str | None, bytes]] = field(default_factory=list)
    tokens: list[str | None] = field(default_factory=list)
    url: str = ""

    def handle(self, handler: BaseHTTPRequestHandler) -> None:
        length = int(handler.headers.get("Content-Length") or 0)
        sent = handler.rfile.read(length)
        kind = handler.headers.get("Content-Type")
        self.asked.append((handler.command, handler.path, kind, sent))
        self.tokens.append(handler.headers.get("Authorization"))
        handler.send_response(self.status)
        for name, value in self.headers.items():
            handler.send_header(name, value)
        if self.chunks is None:
            handler.send_header("Content-Length", str(len(self.body)))
            handler.end_headers()
            handler.wfile.write(self.body)
            return
        handler.send_header("Transfer-Encoding", "chunked")
        handler.end_headers()
        for chunk in self.chunks:
            handler.wfile.write(f"{len(chunk):x}\r\n".encode() + chunk + b"\r\n")
        handler.wfile.write(b"0\r\n\r\n")


@pytest.fixture
def server() -> Iterator[Server]:
    told = Server()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            told.handle(self)

        def do_PATCH(self) -> None:
            told.handle(self)

        def log_message(self, *_told: object) -> None:
            """Nothing on the screen."""

    serving = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    serving.daemon_threads = True
    thread = threading.Thread(target=serving.serve_forever, args=(0.01,))
    thread.start()
    told.url = f"http://127.0.0.1:{serving.server_port}"
    yield told
    serving.shutdown()
    thread.join()
    serving.server_close()


@dataclass
class _Clock:
    seconds: float = 0.0

    def __call__(self) -> float:
        return self.seconds


def test_a_token_that_was_replaced_on_disk_is_used_within_seconds(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    token = tmp_path / "token"

    def refresh(configuration: Configuration) -> None:
        configuration.api_key["BearerToken"] = f"Bearer {token.read_text()}"

    configuration, clock = Configuration(), _Clock()
    configuration.host = server.url
    monkeypatch.setattr(configuration, "refresh_api_key_hook", refresh)
    api = HttpKubeApi(configuration, 5.0, clock)
    for text, seconds in (("first", 0.0), ("second", 1.0), ("second", 11.0)):
        token.write_text(text)
        clock.seconds = seconds
        api.request("GET", "/x")
    assert server.tokens == ["Bearer first", "Bearer first", "Bearer second"]


def test_an_api_server_may_stand_below_a_path(server: Server, tmp_path: Path) -> None:
    api = connect(_kubeconfig(tmp_path / "kubeconfig", f"{server.url}/k8s/clusters/c-1/"))
    api.request("GET", "/api/v1/x", query={"limit": "1"})
    server.chunks = []
    assert list(api.stream("/api/v1/y", query={}, accept="", read_timeout=5)) == []
    assert [path for _, path, *_ in server.asked] == [
        "/k8s/clusters/c-1/api/v1/x?limit=1",
        "/k8s/clusters/c-1/api/v1/y",
    ]


def test_a_proxy_to_an_api_server_without_tls_is_handed_whole_urls(server: Server) -> None:
    configuration = Configuration()
    configuration.host, configuration.proxy = "http://cluster.example/base", server.url
    HttpKubeApi(configuration, 5.0).request("GET", "/x")
    assert [path for _, path, *_ in server.asked] == ["http://cluster.example/base/x"]


def test_a_redirection_is_not_followed(api: HttpKubeApi, server: Server) -> None:
    server.status, server.headers = 307, {"Location": f"{server.url}/elsewhere"}
    api.request("GET", "/x")
    assert [path for _, path, *_ in server.asked] == ["/x"]


def _kubeconfig(path: Path, url: str) -> str:
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "c", "cluster": {"server": url}}],
        "users": [{"name": "u", "user": {"token": "hunter2"}}],
        "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u"}}],
        "current-context": "x",
    }
    path.write_text(yaml.safe_dump(config))
    return str(path)


@pytest.fixture
def api(server: Server, tmp_path: Path) -> HttpKubeApi:
    return connect(_kubeconfig(tmp_path / "kubeconfig", server.url))


def test_an_answer_is_parsed_and_the_question_carries_what_it_should(
    api: HttpKubeApi, server: Server
) -> None:
    server.body = b'{"kind": "Secret"}'
    query = {"fieldManager": "hark", "labelSelector": "a=b c"}
    reply = api.request("PATCH", "/x", query=query, body={"a": None}, content_type=MERGE_PATCH)
    assert reply == {"kind": "Secret"}
    path = "/x?fieldManager=hark&labelSelector=a%3Db+c"
    assert server.asked == [("PATCH", path, MERGE_PATCH, b'{"a":null}')]


@pytest.mark.parametrize("status", [401, 408, 409, 429, 500, 503])
def test_what_passes_is_to_be_tried_again(api: HttpKubeApi, server: Server, status: int) -> None:
    server.status = status
    with pytest.raises(ApiRetry) as busy:
        api.request("GET", "/x")
    assert (busy.value.status, busy.value.after) == (status, None)


@pytest.mark.parametrize(
    ("header", "after"), [("7", 7.0), (" 7 ", 7.0), ("soon", None), ("-7", None)]
)
def test_a_wait_that_the_server_asks_for_is_told(
    api: HttpKubeApi, server: Server, header: str, after: float | None
) -> None:
    server.status = 429
    server.headers = {"Retry-After": header}
    with pytest.raises(ApiRetry) as busy:
        api.request("GET", "/x")
    assert busy.value.after == after


@pytest.mark.parametrize("status", [400, 403, 404, 410, 413, 422])
def test_what_lasts_is_a_refusal(api: HttpKubeApi, server: Server, status: int) -> None:
    server.status = status
    with pytest.raises(ApiRefusal) as refusal:
        api.request("GET", "/x")
    assert refusal.value.status == status


def test_a_refusal_names_reason_and_fields_but_nothing_that_was_sent(
    api: HttpKubeApi, server: Server
) -> None:
    server.status = 422
    server.body = (
        b'{"reason": "Invalid", "message": "data: Invalid value: hunter2",'
        b' "details": {"causes": [{"field": "data", "message": "hunter2"}]}}'
    )
    with pytest.raises(ApiRefusal) as refusal:
        api.request("PATCH", "/x", body={})
    assert refusal.value.fields == ("data",)
    assert "Invalid, data" in str(refusal.value)
    assert "hunter2" not in str(refusal.value)


@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b'{"details": null}'])
def test_a_refusal_without_a_reason_is_a_refusal_too(
    api: HttpKubeApi, server: Server, body: bytes
) -> None:
    server.status = 403
    server.body = body
    with pytest.raises(ApiRefusal, match="no reason given"):
        api.request("GET", "/x")


def test_an_answer_that_is_no_json_is_to_be_tried_again(api: HttpKubeApi, server: Server) -> None:
    server.body = b"<html>"
    with pytest.raises(ApiRetry) as odd:
        api.request("GET", "/x")
    assert odd.value.status == 0


def test_a_server_that_is_not_there_is_to_be_tried_again(tmp_path: Path) -> None:
    nowhere = connect(_kubeconfig(tmp_path / "kubeconfig", "http://127.0.0.1:1"))
    with pytest.raises(ApiRetry) as away:
        nowhere.request("GET", "/x")
    assert away.value.status == 0
    with pytest.raises(ApiRetry):
        nowhere.stream("/x", query={}, accept="", read_timeout=1)


def test_a_watch_gives_each_line_however_it_was_cut(api: HttpKubeApi, server: Server) -> None:
    server.chunks = [b'{"a":1}\n{"a"', b":2}\n", b'{"a":3}\n{"a":4']
    lines = list(api.stream("/x", query={"watch": "1"}, accept="", read_timeout=5))
    assert lines == [{"a": 1}, {"a": 2}, {"a": 3}]
    assert server.asked[0][1] == "/x?watch=1"


def test_a_refused_watch_is_refused_when_it_is_opened(api: HttpKubeApi, server: Server) -> None:
    server.status = 410
    with pytest.raises(ApiRefusal) as gone:
        api.stream("/x", query={}, accept="", read_timeout=5)
    assert gone.value.status == 410


def test_a_line_of_a_watch_that_is_no_json_ends_it(api: HttpKubeApi, server: Server) -> None:
    server.chunks = [b"<html>\n"]
    with pytest.raises(ApiRetry):
        list(api.stream("/x", query={}, accept="", read_timeout=5))


@pytest.mark.parametrize("content", [None, "no: clusters", "{"])
def test_a_kubeconfig_that_is_of_no_use_is_named(tmp_path: Path, content: str | None) -> None:
    path = tmp_path / "kubeconfig"
    if content is not None:
        path.write_text(content)
    with pytest.raises(GiveUp, match="Set KUBECONFIG") as refusal:
        connect(str(path))
    assert str(path) in str(refusal.value)


def test_outside_of_a_pod_and_without_a_kubeconfig_there_is_no_cluster(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    with pytest.raises(GiveUp, match="ServiceAccount"):
        connect(None)


@pytest.mark.parametrize(
    ("variables", "asked"),
    [
        ({"HTTPS_PROXY": "{}"}, 1),
        ({"https_proxy": "{}"}, 1),
        ({"HTTP_PROXY": "{}"}, 0),
        ({"HTTPS_PROXY": "{}", "NO_PROXY": "127.0.0.0/8"}, 0),
    ],
)
def test_a_proxy_for_https_is_on_the_way_to_the_cluster_unless_no_proxy_has_its_range(
    variables: dict[str, str], asked: int, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name in ("HTTPS_PROXY", "HTTP_PROXY", "ALL_PROXY", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)
    nobody = _kubeconfig(tmp_path / "kubeconfig", "https://127.0.0.1:1")
    with Tunnel({}) as way:
        for name, text in variables.items():
            monkeypatch.setenv(name, text.format(way.url))
        with pytest.raises(ApiRetry):
            connect(nobody).request("GET", "/version")
        assert len(way.asked) == asked
