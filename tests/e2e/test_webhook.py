"""The webhook through the whole product: announcements become Secrets, and none is lost."""

import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from testbed.actions import hang_up, hold_until
from testbed.cluster import Cluster
from testbed.proxy import WireProxy
from testbed.request import Request, any_request, calls
from worlds.pipeline import Pipeline
from worlds.spine import Spine, await_until, unique


@pytest.fixture
def pipeline(spine: Spine, tmp_path: Path) -> Pipeline:
    return Pipeline(spine, tmp_path)


def test_an_announced_change_reaches_the_secret(pipeline: Pipeline) -> None:
    listener = pipeline.listener()
    name = unique("db")
    pipeline.synced(name)
    pipeline.post_until_taken(listener, pipeline.change(name, "second"))
    (entry,) = pipeline.spine.status(name)["keys"].values()
    assert entry["heard"]["via"] == "webhook", "the note is written before the answer"
    pipeline.spine.await_data(name, entry=b"second")
    pipeline.token = pipeline.spine.cluster.service_account_token(
        pipeline.spine.namespace, "pipeline"
    )
    assert pipeline.post(listener, pipeline.change(name, "third")) == 401
    assert listener.terminate() == 0


def test_what_was_not_answered_when_the_listener_was_killed_is_sent_again(
    pipeline: Pipeline, cluster: Cluster
) -> None:
    name = unique("db")
    with WireProxy(cluster.url, cluster.ca_file) as proxy:
        listener = pipeline.listener(server=proxy.url)
        pipeline.synced(name)

        def is_note(request: Request) -> bool:
            if request.method != "PATCH":
                return False
            listener.kill()
            return True

        proxy.when(is_note, hang_up, times=None)
        event = pipeline.change(name, "second")
        assert pipeline.post(listener, event) == 0
    pipeline.post_until_taken(pipeline.listener(), event)
    pipeline.spine.await_data(name, entry=b"second")


def test_while_the_api_server_is_away_callers_are_asked_to_come_again_and_nothing_is_lost(
    pipeline: Pipeline, cluster: Cluster
) -> None:
    name = unique("db")
    with WireProxy(cluster.url, cluster.ca_file) as proxy:
        listener = pipeline.listener(server=proxy.url)
        pipeline.synced(name)
        away = proxy.when(any_request, hang_up, times=None)
        proxy.cut_connections()
        event = pipeline.change(name, "second")
        # Nobody can tell now whose token it is.
        assert pipeline.answer(listener, event) == (503, "5")
        away.retire()
        pipeline.post_until_taken(listener, event)
        # The token was looked at a moment ago; the answer waits for the note, while that is tried.
        is_note = calls("PATCH", f"/{name}/status")
        away = proxy.when(is_note, hang_up, times=None)
        written = proxy.count(is_note)
        with ThreadPoolExecutor(1) as pool:
            answer = pool.submit(pipeline.post, listener, pipeline.change(name, "third"))
            proxy.wait_for(is_note, count=written + 1)
            assert not answer.done()
            away.retire()
            assert answer.result() == 200
        pipeline.spine.await_data(name, entry=b"third")


def test_what_is_under_way_at_the_end_is_noted_and_answered(
    pipeline: Pipeline, cluster: Cluster
) -> None:
    name = unique("db")
    released = threading.Event()
    is_note = calls("PATCH", f"/{name}/status")
    with WireProxy(cluster.url, cluster.ca_file) as proxy, ThreadPoolExecutor(2) as pool:
        listener = pipeline.listener(server=proxy.url)
        pipeline.synced(name)
        proxy.when(is_note, hold_until(released))
        event = pipeline.change(name, "second")
        answer = pool.submit(pipeline.post, listener, event)
        proxy.wait_for(is_note)
        end = pool.submit(listener.terminate)
        await_until(listener.text, lambda text: "half.stopping" in text, "it is ending")
        assert pipeline.post(listener, event) == 503, "who comes now has to come again"
        released.set()
        assert end.result() == 0
        assert answer.result() == 200
    pipeline.spine.await_data(name, entry=b"second")
