"""The seam to the API server: what it sends beside the request itself."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from kubernetes.client import Configuration

from externalsecret.kubeapi import HttpKubeApi


class _Mirror(BaseHTTPRequestHandler):
    """Answers with the credentials that it was shown."""

    def do_GET(self) -> None:
        body = json.dumps({"shown": self.headers["Authorization"]}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the library's name
        """Write nothing to standard error."""


class _Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def mirror() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), _Mirror) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()


def test_a_new_token_is_used_within_seconds_though_the_library_is_not_asked_each_time(
    mirror: str,
) -> None:
    configuration: Any = Configuration(host=mirror)
    asked: list[str] = []

    def refresh(client_configuration: Configuration) -> None:
        asked.append("token")
        client_configuration.api_key["BearerToken"] = f"Bearer {len(asked)}"

    configuration.refresh_api_key_hook = refresh
    clock = _Clock()
    api = HttpKubeApi(configuration, 5.0, clock)
    shown = []
    for seconds in (0, 1, 8, 1, 1):
        clock.now += seconds
        shown.append(api.request("GET", "/")["shown"])
    assert shown == ["Bearer 1", "Bearer 1", "Bearer 1", "Bearer 2", "Bearer 2"]


def test_without_a_token_no_credentials_are_sent(mirror: str) -> None:
    assert HttpKubeApi(Configuration(host=mirror), 5.0).request("GET", "/")["shown"] is None
