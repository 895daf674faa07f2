"""A half as a process: it waits for its definition, its threads do not die, its probes tell."""

import json
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from http import HTTPStatus
from pathlib import Path
from typing import Any

import pytest
import yaml
from structlog.testing import capture_logs

from externalsecret import definitions
from externalsecret.errors import GiveUp
from externalsecret.kubeapi import GROUP_PATH, ApiRefusal, ApiRetry
from externalsecret.kubeevents import ObjectRef
from externalsecret.reflect import Key
from fakes.kubeapi import FakeKubeApi, Request
from fakes.source import Call, FakeSource
from hark import half as half_module
from hark import listening, running
from hark.half import Half
from hark.serve import Served
from hark.settings import Settings, read_settings
from hark.sources.plan import Surroundings
from listener.messages.meaning import Meaning
from listener.sources.contract import Delivery, Source

PATIENCE = 60.0
SCHEMA = f"/openapi/v3{GROUP_PATH}"
COLLECTION = f"{GROUP_PATH}/externalsecrets"
CANARY = "canary-7d1f"
LABEL = "sqs:hark"
"""Of the only source in the settings."""


Start = Callable[[Half], Callable[[], None] | None]


class Sink:
    """Takes what a watch shows and keeps nothing."""

    def upsert(self, obj: dict[str, Any]) -> None:
        pass

    def remove(self, obj: dict[str, Any]) -> None:
        pass

    def listed(self, keys: set[Key], namespace: str = "") -> None:
        pass


class Desk:
    """A half on an API server in memory."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.api = FakeKubeApi()
        self.stop = threading.Event()
        self.started = threading.Event()
        self.ended = threading.Event()
        self.codes: list[int] = []
        self.half: Half
        self._thread = threading.Thread(target=self._run, daemon=True)

    def begin(self, start: Start = lambda _half: None) -> None:
        """Run the half in a thread; `start` fills it."""
        self._start = start
        self._thread.start()

    def wait(self) -> int:
        """The exit code, once it has ended."""
        self._thread.join(PATIENCE)
        assert not self._thread.is_alive()
        return self.codes[0]

    def end(self) -> int:
        self.stop.set()
        self.api.end_watches()
        return self.wait()

    def _run(self) -> None:
        def start() -> Callable[[], None]:
            end = self._start(self.half)
            self.started.set()

            def finish() -> None:
                if end is not None:
                    end()
                self.ended.set()

            return finish

        self.codes.append(self.half.run(start))


@pytest.fixture
def settings() -> Settings:
    return read_settings(
        {
            "AWS_REGION": "eu-west-1",
            "METRICS_PORT": "0",
            "HARK_LEADER_ELECTION": "false",
            "KUBECONFIG": str(Path(__file__)),
            "HARK_SQS_QUEUE_URLS": "https://sqs.eu-west-1.amazonaws.com/111122223333/hark",
        }
    )


@pytest.fixture
def desk(monkeypatch: pytest.MonkeyPatch, settings: Settings) -> Iterator[Desk]:
    made = Desk(settings)
    monkeypatch.setattr(half_module, "connect", lambda *_args, **_options: made.api)
    monkeypatch.setattr(half_module, "_RESTART_SECONDS", 0.01)
    made.half = Half("listener", settings, made.stop, 0)
    yield made
    made.stop.set()
    made.api.end_watches()


def _schema(text: str) -> dict[str, Any]:
    """As the API server publishes a definition."""
    (version,) = yaml.safe_load(text)["spec"]["versions"]
    kind = {"group": "kubernetes-client.io", "version": "v1", "kind": "ExternalSecret"}
    schema = version["schema"]["openAPIV3Schema"]
    named = {**schema, "x-kubernetes-group-version-kind": [kind]}
    return {"components": {"schemas": {"ExternalSecret": named}}}


def _install(desk: Desk) -> None:
    desk.api.answer("GET", SCHEMA, _schema(definitions.crd()))


def _install_older(desk: Desk) -> None:
    text = (Path(__file__).parents[1] / "externalsecret/kes-8.5.5-crd.yaml").read_text()
    desk.api.answer("GET", SCHEMA, _schema(text))


def _await_requests(desk: Desk, path: str, number: int) -> None:
    seen = threading.Event()

    def count(_request: Request) -> None:
        if len([one for one in list(desk.api.requests) if path in one.path]) >= number:
            seen.set()

    desk.api.before = count
    count(Request("", "", {}, None, ""))
    assert seen.wait(PATIENCE)


def test_a_half_starts_and_ends_as_asked(desk: Desk) -> None:
    _install(desk)
    desk.begin()
    assert desk.started.wait(PATIENCE)
    assert not desk.ended.is_set()
    assert desk.end() == 0
    assert desk.ended.is_set()


def test_a_missing_definition_is_waited_for(desk: Desk) -> None:
    with capture_logs() as logs:
        desk.begin()
        _await_requests(desk, SCHEMA, 1)
        _install(desk)
        assert desk.started.wait(PATIENCE)
    (waiting,) = {line["error"] for line in logs if line["event"] == "definition.waiting"}
    assert "hark crd | kubectl apply" in waiting
    assert desk.end() == 0


def test_the_wait_for_a_definition_ends_with_the_stop(desk: Desk) -> None:
    desk.begin()
    _await_requests(desk, SCHEMA, 1)
    assert desk.end() == 0
    assert not desk.started.is_set()


def test_an_api_server_that_is_away_at_the_start_is_waited_for(desk: Desk) -> None:
    _install(desk)
    desk.api.fail_next(ApiRetry("away", HTTPStatus.SERVICE_UNAVAILABLE))
    desk.begin()
    assert desk.started.wait(PATIENCE)


def test_a_definition_that_drops_the_ledger_ends_it_with_the_sentence_that_mends(
    desk: Desk,
) -> None:
    _install_older(desk)
    with capture_logs() as logs:
        desk.begin()
        assert desk.wait() == 1
    assert not desk.started.is_set()
    (failed,) = [line for line in logs if line["event"] == "half.failed"]
    assert "hark crd | kubectl apply --server-side --force-conflicts -f -" in failed["error"]


def test_a_failure_while_it_runs_ends_it_in_order(desk: Desk) -> None:
    _install(desk)
    desk.begin()
    assert desk.started.wait(PATIENCE)
    desk.half.fail(GiveUp("The definition was replaced by an older one.", reason="CrdOutdated"))
    assert desk.wait() == 1
    assert desk.ended.is_set()


def test_a_thread_that_fails_is_started_again_and_its_text_is_not_logged(desk: Desk) -> None:
    tries: list[int] = []
    again = threading.Event()

    def fail_twice() -> None:
        tries.append(1)
        if len(tries) < 3:
            raise RuntimeError(CANARY)
        again.set()
        desk.stop.wait()

    with capture_logs() as logs:
        desk.half.spawn("worker", fail_twice)
        assert again.wait(PATIENCE)
    faults = [line for line in logs if line["event"] == "thread.fault"]
    assert len(faults) == 2
    assert faults[0]["thread"] == "worker"
    assert faults[0]["fault"].startswith("test_half.py:")
    assert faults[0]["fault"].endswith("RuntimeError")
    assert CANARY not in str(logs)


def test_a_thread_that_fails_while_stopping_is_left(desk: Desk) -> None:
    desk.stop.set()
    tried: list[threading.Thread] = []

    def fail() -> None:
        tried.append(threading.current_thread())
        raise RuntimeError(CANARY)

    desk.half.spawn("worker", fail)
    desk.half.join("worker", _soon())
    (thread,) = tried
    assert not thread.is_alive()


def _soon() -> float:
    return time.monotonic() + PATIENCE


@pytest.fixture
def port(monkeypatch: pytest.MonkeyPatch) -> Callable[[], int]:
    """The port of the half's probes, once they are served."""
    ports: list[int] = []
    bound = threading.Event()

    def serving(app: Any, wanted: int) -> Served:
        made = Served(app, wanted)
        ports.append(made.port)
        bound.set()
        return made

    monkeypatch.setattr(half_module, "Served", serving)

    def wait() -> int:
        assert bound.wait(PATIENCE)
        return ports[0]

    return wait


def _ask(port: int, path: str) -> tuple[int, list[str]]:
    """(status, problems) of a probe."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=PATIENCE) as reply:
            return reply.status, json.load(reply)["problems"]
    except urllib.error.HTTPError as error:
        with error:
            return error.code, json.load(error)["problems"]


def test_probes_tell_that_it_is_starting(desk: Desk, port: Callable[[], int]) -> None:
    desk.begin()
    assert _ask(port(), "/healthz") == (200, [])
    status, (problem,) = _ask(port(), "/readyz")
    assert (status, problem[:14]) == (503, "Still starting")
    _install(desk)
    assert desk.started.wait(PATIENCE)
    assert desk.end() == 0


def test_liveness_tells_of_a_dead_thread(desk: Desk, port: Callable[[], int]) -> None:
    _install(desk)
    dead: list[threading.Thread] = []

    def start(half: Half) -> None:
        half.spawn("worker", lambda: dead.append(threading.current_thread()))
        half.spawn("errand", lambda: None, until_stop=False)
        half.join("", _soon())

    desk.begin(start)
    assert desk.started.wait(PATIENCE)
    assert not dead[0].is_alive()
    status, problems = _ask(port(), "/healthz")
    assert status == 503
    assert problems == ["The thread listener-worker has ended; this process must be restarted."]
    desk.end()


def test_readiness_fails_while_the_watch_is_down(desk: Desk, port: Callable[[], int]) -> None:
    _install(desk)
    desk.begin(_watch)
    assert desk.started.wait(PATIENCE)
    _await_readiness(port(), 200)
    assert _ask(port(), "/healthz")[0] == 200
    desk.api.fail_next(ApiRefusal("no", HTTPStatus.FORBIDDEN), times=1000, path=COLLECTION)
    desk.api.end_watches()
    problems = _await_readiness(port(), 503)
    assert problems[0] == "A watch is down: the API server does not answer, or refuses."
    _await_problem(port(), "no The right to get, list and watch externalsecrets is missing.")
    assert _ask(port(), "/healthz")[0] == 200
    desk.api.heal()
    _await_readiness(port(), 200)
    assert desk.end() == 0


def _watch(half: Half) -> None:
    half.reflect(COLLECTION, Sink())
    assert half.await_lists()


def _await_problem(port: int, wanted: str) -> None:
    deadline = _soon()
    while time.monotonic() < deadline:
        if wanted in _ask(port, "/readyz")[1]:
            return
    raise AssertionError(f"readiness never said: {wanted}")


def _await_readiness(port: int, wanted: int) -> list[str]:
    deadline = _soon()
    while time.monotonic() < deadline:
        status, problems = _ask(port, "/readyz")
        if status == wanted:
            return problems
    raise AssertionError(f"readiness never answered {wanted}")


def test_lists_are_awaited_until_the_stop(desk: Desk) -> None:
    desk.api.fail_next(ApiRefusal("no", HTTPStatus.FORBIDDEN), times=1000, path=COLLECTION)
    desk.half.reflect(COLLECTION, Sink())
    desk.stop.set()
    assert not desk.half.await_lists()


@pytest.fixture
def queue(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> FakeSource:
    """The queue of a listener whose one ExternalSecret reads `db`."""
    source = FakeSource()
    monkeypatch.setattr("listener.sources.sqs.open_sqs", lambda _url, **_options: source)
    data = [{"key": "db", "name": "password"}]
    spec = {"backendType": "secretsManager", "data": data}
    desk.api.seed(f"{GROUP_PATH}/namespaces/shop/externalsecrets/one", {"spec": spec})
    _install(desk)
    return source


def _moved() -> str:
    detail = {"name": "db", "labelUpdated": "AWSCURRENT", "versionId": "v2"}
    event = {
        "id": "e1",
        "source": "aws.secretsmanager",
        "detail-type": "Secret Label Updated",
        "region": "eu-west-1",
        "account": "111122223333",
        "detail": detail,
    }
    return json.dumps(event)


def test_the_listener_hears_notes_and_acknowledges(desk: Desk, queue: FakeSource) -> None:
    desk.begin(listening.start)
    queue.put(_moved())
    queue.await_that(lambda: not queue.remaining())
    assert len(desk.api.made("PATCH", "/one/status")) == 1
    assert desk.end() == 0


def test_a_source_whose_thread_failed_goes_on(
    desk: Desk, queue: FakeSource, port: Callable[[], int]
) -> None:
    faults = [RuntimeError(CANARY)]

    def fail_once(call: Call) -> None:
        if call.verb == "receive" and faults:
            raise faults.pop()

    queue.before = fail_once
    desk.begin(listening.start)
    queue.put(_moved())
    queue.await_that(lambda: not queue.remaining())
    assert _ask(port(), "/healthz") == (200, [])
    assert desk.end() == 0


@pytest.mark.parametrize("reason", ["QueueMissing", "QueueDenied"])
def test_a_queue_that_is_missing_or_denied_never_makes_the_listener_unready(
    desk: Desk, queue: FakeSource, port: Callable[[], int], reason: str
) -> None:
    """It is tried again and shows in metrics and logs; readiness speaks of the cluster alone."""
    queue.fail_next("receive", GiveUp("No such queue, or no right.", reason=reason), times=1000)
    with capture_logs() as logs:
        desk.begin(listening.start)
        queue.await_calls("receive", 2)
    _await_readiness(port(), 200)
    assert _ask(port(), "/healthz") == (200, [])
    labels = {"source": LABEL, "reason": reason}
    count = desk.half.registry.get_sample_value("hark_listener_source_failures_total", labels)
    assert count
    up = desk.half.registry.get_sample_value("hark_listener_source_up", {"source": LABEL})
    assert up == 0
    assert "source.failed" in [line["event"] for line in logs]
    assert desk.end() == 0


def test_a_queue_that_cannot_be_opened_is_told_by_its_name_and_not_by_its_url(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, port: Callable[[], int]
) -> None:
    tried = threading.Event()

    def fail(_url: str, **_options: str) -> FakeSource:
        tried.set()
        raise GiveUp("No region is set.", reason="InvalidSetting")

    monkeypatch.setattr("listener.sources.sqs.open_sqs", fail)
    _install(desk)
    with capture_logs() as logs:
        desk.begin(listening.start)
        assert tried.wait(PATIENCE)
        _await_readiness(port(), 200)
        names = [thread.name for thread in threading.enumerate()]
        assert desk.end() == 0
    assert "listener-opening sqs:hark" in names
    assert "amazonaws.com" not in str(logs) + str(names)
    labels = {"source": "sqs:hark", "reason": "InvalidSetting"}
    assert desk.half.registry.get_sample_value("hark_listener_source_failures_total", labels)


POD = ObjectRef("hark-system", "hark-listener-0", "u-pod", "v1", "Pod")


def _await_events(desk: Desk) -> Callable[[int], list[Request]]:
    """Waits until so many Events were written in the namespace of our Pod."""
    written = threading.Semaphore(0)

    def count(request: Request) -> None:
        if request.method == "POST" and request.path.endswith("/namespaces/hark-system/events"):
            written.release()

    desk.api.before = count

    def wait(number: int) -> list[Request]:
        for _ in range(number):
            assert written.acquire(timeout=PATIENCE)
        return desk.api.made("POST", "/hark-system/events")

    return wait


def test_a_failing_source_and_its_recovery_are_events_on_our_own_pod(
    desk: Desk, queue: FakeSource
) -> None:
    desk.half.settings = replace(desk.half.settings, pod=POD)
    await_events = _await_events(desk)
    queue.fail_next("receive", GiveUp("No such queue. Make it.", reason="QueueMissing"), times=2)
    desk.begin(listening.start)
    await_events(2)
    failed, recovered = desk.api.made("POST", "/hark-system/events")
    assert (failed.body["type"], failed.body["reason"]) == ("Warning", "SourceFailed")
    assert failed.body["message"].endswith("cannot be listened to. No such queue. Make it.")
    assert failed.body["involvedObject"]["kind"] == "Pod"
    assert failed.body["involvedObject"]["uid"] == "u-pod"
    assert (recovered.body["type"], recovered.body["reason"]) == ("Normal", "SourceRecovered")
    assert desk.end() == 0


def test_a_source_that_cannot_be_opened_holds_up_neither_another_nor_the_end(
    desk: Desk, queue: FakeSource, port: Callable[[], int]
) -> None:
    opening, never = threading.Event(), threading.Event()

    @dataclass(frozen=True)
    class Stuck:
        label = "stuck:one"

        def open(self, _surroundings: Surroundings) -> Source:
            opening.set()
            never.wait()
            raise AssertionError

        def parse(self, _delivery: Delivery) -> Meaning:
            raise AssertionError

    @dataclass(frozen=True)
    class Refused(Stuck):
        label = "refused:one"

        def open(self, _surroundings: Surroundings) -> Source:
            raise GiveUp("No.", reason="InvalidSetting")

    sources = (Stuck(), Refused(), *desk.half.settings.sources)
    desk.half.settings = replace(desk.half.settings, sources=sources, pod=POD)
    await_events = _await_events(desk)
    desk.begin(listening.start)
    queue.put(_moved())
    queue.await_that(lambda: not queue.remaining())
    assert opening.wait(PATIENCE)
    (told,) = await_events(1)
    assert told.body["message"] == "refused:one cannot be listened to. No."
    _await_readiness(port(), 200)
    labels = {"source": "refused:one"}
    assert desk.half.registry.get_sample_value("hark_listener_source_up", labels) == 0
    assert desk.end() == 0
    never.set()


def test_an_object_that_refuses_its_note_is_told_so_by_an_event(
    desk: Desk, queue: FakeSource
) -> None:
    desk.api.fail_next(ApiRefusal("no", HTTPStatus.FORBIDDEN), method="PATCH")
    recorded = threading.Event()

    def await_event(request: Request) -> None:
        if request.method == "POST" and request.path.endswith("/namespaces/shop/events"):
            recorded.set()

    desk.api.before = await_event
    desk.begin(listening.start)
    queue.put(_moved())
    assert recorded.wait(PATIENCE)
    (told,) = desk.api.made("POST", "/events")
    assert (told.body["type"], told.body["reason"]) == ("Warning", "NoteRefused")
    one = desk.api.find(f"{GROUP_PATH}/namespaces/shop/externalsecrets/one") or {}
    assert told.body["involvedObject"]["uid"] == one["metadata"]["uid"]
    assert told.body["involvedObject"]["kind"] == "ExternalSecret"
    assert desk.end() == 0


def test_the_end_waits_for_no_long_poll(desk: Desk, queue: FakeSource) -> None:
    polling, go_on = threading.Event(), threading.Event()

    def poll(call: Call) -> None:
        if call.verb == "receive":
            polling.set()
            go_on.wait()

    queue.before = poll
    desk.begin(listening.start)
    assert polling.wait(PATIENCE)
    assert desk.end() == 0
    queue.put(_moved())
    go_on.set()
    # What the poll still brought is another listener's, at once.
    assert queue.await_calls("retry") == [Call("retry", (0,), 0.0)]
    assert queue.remaining() == [0]


class _Stub:
    """A half that ends as it is told to."""

    def __init__(self, name: str, stop: threading.Event, end: Callable[[], int]) -> None:
        self.name = name
        self._stop = stop
        self._end = end

    def run(self, _start: Callable[[], Callable[[], None]]) -> int:
        return self._end()


def _run_both(
    monkeypatch: pytest.MonkeyPatch,
    settings: Settings,
    listener: Callable[[threading.Event], int],
    reconciler: Callable[[threading.Event], int],
) -> int:
    ends = {"listener": listener, "reconciler": reconciler}
    monkeypatch.setattr(running, "stop_on_signals", lambda _stop: None)
    monkeypatch.setattr(
        running,
        "Half",
        lambda name, _settings, stop, _port: _Stub(name, stop, lambda: ends[name](stop)),
    )
    return running.run(settings)


def _until_stop(stop: threading.Event) -> int:
    assert stop.wait(PATIENCE)
    return 0


def _refused(_stop: threading.Event) -> int:
    raise GiveUp("Port 3002 cannot be served.", reason="PortTaken")


def _faulty(_stop: threading.Event) -> int:
    raise RuntimeError(CANARY)


@pytest.mark.parametrize("end", [_refused, _faulty])
def test_a_listener_that_cannot_start_ends_both_halves(
    monkeypatch: pytest.MonkeyPatch, settings: Settings, end: Callable[[threading.Event], int]
) -> None:
    with capture_logs() as logs:
        assert _run_both(monkeypatch, settings, end, _until_stop) == 1
    assert [line["event"] for line in logs] == ["half.failed"]
    assert CANARY not in str(logs)


def test_a_reconciler_that_cannot_start_ends_both_halves(
    monkeypatch: pytest.MonkeyPatch, settings: Settings
) -> None:
    with pytest.raises(GiveUp, match="Port 3002"):
        _run_both(monkeypatch, settings, _until_stop, _refused)


def test_the_worse_exit_code_of_both_halves_counts(
    monkeypatch: pytest.MonkeyPatch, settings: Settings
) -> None:
    def fail(_stop: threading.Event) -> int:
        return 1

    assert _run_both(monkeypatch, settings, fail, _until_stop) == 1
