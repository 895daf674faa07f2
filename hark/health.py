"""What probes and Prometheus are told: a small WSGI application.

Fed by functions that name what is wrong now, and by a metrics registry; feeds hark.serve.

    /healthz   200, or 503 with sentences: only a restart can help
    /readyz    200, or 503 with sentences: it does not do its work now
    /metrics   text exposition of Prometheus

Guarantees: no other path, no method but GET and HEAD, no body is read. A check that fails itself is
a problem, not an error page.
"""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from http import HTTPStatus
from typing import Any

import structlog
from prometheus_client import (
    CONTENT_TYPE_LATEST,
    CollectorRegistry,
    GCCollector,
    Metric,
    PlatformCollector,
    ProcessCollector,
    generate_latest,
)
from prometheus_client.registry import Collector

Problems = Callable[[], list[str]]
"""Sentences about what is wrong now; empty if nothing is."""
StartResponse = Callable[[str, list[tuple[str, str]]], object]
App = Callable[[Mapping[str, Any], StartResponse], Iterable[bytes]]
Answer = tuple[HTTPStatus, str, bytes]

_JSON = "application/json"

log = structlog.get_logger()


def make_registry() -> CollectorRegistry:
    """A registry with what the process itself uses: CPU, memory, open files, start time."""
    registry = CollectorRegistry()
    ProcessCollector(registry=registry)
    PlatformCollector(registry=registry)
    GCCollector(registry=registry)
    return registry


def health_app(
    registry: CollectorRegistry,
    *,
    alive: Problems,
    ready: Problems,
    expositions: Sequence[Callable[[], str]] = (),
) -> App:
    """The application; `alive` and `ready` are asked in each request and must not block.

    `expositions` give lines for Prometheus beside those of the registry.
    """

    def metrics() -> bytes:
        more = "".join(lines() for lines in expositions)
        return generate_latest(_WithoutCreated(registry)) + more.encode()

    answers: dict[str, Callable[[], Answer]] = {
        "/": lambda: _json(HTTPStatus.OK, {"name": "hark", "paths": sorted(answers)}),
        "/healthz": lambda: _checked(alive),
        "/readyz": lambda: _checked(ready),
        "/metrics": lambda: (HTTPStatus.OK, CONTENT_TYPE_LATEST, metrics()),
    }

    def app(environ: Mapping[str, Any], start_response: StartResponse) -> Iterable[bytes]:
        status, content_type, body = _answer(environ, answers)
        headers = [
            ("Content-Type", content_type),
            ("Content-Length", str(len(body))),
            ("Cache-Control", "no-store"),
        ]
        if status is HTTPStatus.METHOD_NOT_ALLOWED:
            headers.append(("Allow", "GET, HEAD"))
        start_response(f"{status.value} {status.phrase}", headers)
        return [] if environ["REQUEST_METHOD"] == "HEAD" else [body]

    return app


class _WithoutCreated(Collector):
    """A registry without the time at which each counter began, which would double its series."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._registry = registry

    def collect(self) -> Iterator[Metric]:
        for metric in self._registry.collect():
            metric.samples = [one for one in metric.samples if one.name != f"{metric.name}_created"]
            yield metric


def _answer(environ: Mapping[str, Any], answers: Mapping[str, Callable[[], Answer]]) -> Answer:
    if environ["REQUEST_METHOD"] not in {"GET", "HEAD"}:
        return _json(HTTPStatus.METHOD_NOT_ALLOWED, {"problems": ["Only GET and HEAD."]})
    answer = answers.get(environ.get("PATH_INFO") or "/")
    if answer is None:
        return _json(HTTPStatus.NOT_FOUND, {"paths": sorted(answers)})
    return answer()


def _checked(check: Problems) -> Answer:
    try:
        problems = check()
    except Exception as error:  # noqa: BLE001 - whatever it is, the probe must be told
        log.error("health.check_failed", error=type(error).__name__)
        problems = [f"A health check failed itself ({type(error).__name__})."]
    status = HTTPStatus.SERVICE_UNAVAILABLE if problems else HTTPStatus.OK
    return _json(status, {"problems": problems})


def _json(status: HTTPStatus, content: Mapping[str, Any]) -> Answer:
    return (status, _JSON, json.dumps(content).encode() + b"\n")
