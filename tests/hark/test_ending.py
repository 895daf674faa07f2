"""How the reconciler ends, whatever hangs."""

import threading
import time
from collections.abc import Iterator

import pytest

from fakes.kubeapi import FakeKubeApi
from hark import half as half_module
from hark.ending import Patience, wind_down
from hark.half import Half
from hark.settings import read_settings

SHORT = Patience(workers=0.2, release=5.0, close=0.2)


@pytest.fixture
def hanging() -> Iterator[threading.Event]:
    """What waits for it hangs until the end of the test."""
    event = threading.Event()
    yield event
    event.set()


@pytest.fixture
def half(monkeypatch: pytest.MonkeyPatch) -> Half:
    monkeypatch.setattr(half_module, "connect", lambda *_args, **_more: FakeKubeApi())
    return Half("reconciler", read_settings({"POD_NAMESPACE": "hark"}), threading.Event(), 0)


def _nothing() -> None:
    """There is nothing to close."""


def test_a_worker_that_hangs_leaves_the_release_its_time(
    half: Half, hanging: threading.Event
) -> None:
    half.spawn("worker-0", lambda: _wait(hanging))
    released, done = threading.Event(), threading.Event()

    def lead() -> None:
        released.wait()
        # A release is a request and takes its time.
        hanging.wait(0.3)
        done.set()

    half.spawn("lease", lead, until_stop=False)
    wind_down(half, released, _nothing, SHORT)
    assert done.is_set()


def test_a_client_that_cannot_be_closed_does_not_hold_up_the_end(
    half: Half, hanging: threading.Event
) -> None:
    begun = time.monotonic()
    wind_down(half, threading.Event(), lambda: _wait(hanging), SHORT)
    assert time.monotonic() - begun < 60


def test_the_clients_are_closed_after_the_lead_was_released(half: Half) -> None:
    order: list[str] = []
    released = threading.Event()

    def lead() -> None:
        released.wait()
        order.append("released")

    half.spawn("lease", lead, until_stop=False)
    wind_down(half, released, lambda: order.append("closed"))
    assert order == ["released", "closed"]


def test_all_steps_together_end_well_before_the_pod_is_killed() -> None:
    patience = Patience()
    assert patience.workers + patience.release + patience.close < 18


def _wait(event: threading.Event) -> None:
    event.wait()
