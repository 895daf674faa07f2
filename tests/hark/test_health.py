import contextlib
import http.client
import json
import socket
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from prometheus_client import Counter

from externalsecret.errors import GiveUp
from hark.health import health_app, make_registry
from hark.serve import Served


class Half:
    """Something with a health."""

    def __init__(self) -> None:
        self.alive: list[str] = []
        self.ready: list[str] = []
        self.registry = make_registry()


@pytest.fixture
def half() -> Half:
    return Half()


@pytest.fixture
def served(half: Half) -> Iterator[Served]:
    app = health_app(half.registry, alive=lambda: half.alive, ready=lambda: half.ready)
    with Served(app, 0) as server:
        yield server


def _ask(
    served: Served, path: str, method: str = "GET", host: str = "127.0.0.1"
) -> tuple[int, str]:
    connection = http.client.HTTPConnection(host, served.port, timeout=5)
    with contextlib.closing(connection):
        connection.request(method, path)
        reply = connection.getresponse()
        return reply.status, reply.read().decode()


def _problems(text: str) -> Any:
    return json.loads(text)["problems"]


@pytest.mark.parametrize("path", ["/healthz", "/readyz"])
def test_without_problems_a_probe_succeeds(served: Served, path: str) -> None:
    code, text = _ask(served, path)
    assert (code, _problems(text)) == (200, [])


def test_a_probe_that_fails_says_why(served: Served, half: Half) -> None:
    half.ready = ["The watch is not fresh."]
    code, text = _ask(served, "/readyz")
    assert (code, _problems(text)) == (503, ["The watch is not fresh."])
    assert _ask(served, "/healthz")[0] == 200


def test_a_check_that_fails_itself_is_a_problem_without_its_text(half: Half) -> None:
    def broken() -> list[str]:
        raise RuntimeError("canary")

    app = health_app(half.registry, alive=broken, ready=broken)
    with Served(app, 0) as server:
        code, text = _ask(server, "/healthz")
    assert code == 503
    assert "RuntimeError" in text
    assert "canary" not in text


def test_metrics_hold_ours_and_the_process_own(served: Served, half: Half) -> None:
    Counter("hark_things", "Things.", registry=half.registry).inc()
    code, text = _ask(served, "/metrics")
    assert code == 200
    for name in (
        "hark_things_total 1.0",
        "process_cpu_seconds_total ",
        "process_resident_memory_bytes ",
        "process_start_time_seconds ",
        "process_open_fds ",
    ):
        assert name in text


def test_the_root_tells_the_paths(served: Served) -> None:
    _, text = _ask(served, "/")
    assert json.loads(text)["paths"] == ["/", "/healthz", "/metrics", "/readyz"]


def test_other_paths_and_methods_are_refused(served: Served) -> None:
    assert _ask(served, "/secrets")[0] == 404
    assert _ask(served, "/healthz", "POST")[0] == 405
    assert _ask(served, "/healthz", "HEAD") == (200, "")


def test_it_answers_over_ipv6_too(served: Served) -> None:
    assert socket.has_dualstack_ipv6(), "this machine has no IPv6; enable it to run this test"
    assert _ask(served, "/healthz", host="::1")[0] == 200


def test_closing_frees_the_port_and_ends_the_threads(half: Half) -> None:
    before = set(threading.enumerate())
    app = health_app(half.registry, alive=list, ready=list)
    server = Served(app, 0)
    assert _ask(server, "/healthz")[0] == 200
    server.close()
    server.close()
    assert set(threading.enumerate()) == before
    Served(app, server.port).close()


def test_a_taken_port_is_refused_with_a_sentence(served: Served, half: Half) -> None:
    app = health_app(half.registry, alive=list, ready=list)
    with pytest.raises(GiveUp, match="set METRICS_PORT") as refusal:
        Served(app, served.port)
    assert refusal.value.reason == "PortTaken"


def test_metrics_tell_no_times_at_which_counters_began(served: Served, half: Half) -> None:
    Counter("told", "How often.", registry=half.registry).inc()
    _, text = _ask(served, "/metrics")
    assert "told_total 1.0" in text
    assert "_created" not in text
