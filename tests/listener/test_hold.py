"""What was received and is not finished is kept ours."""

import threading
from collections.abc import Iterator, Sequence

import pytest
from prometheus_client import CollectorRegistry

from externalsecret.errors import Retry
from fakes.source import Call, FakeSource
from listener.hold import Hold
from listener.metrics import ListenerMetrics
from listener.sources.contract import Delivery

PATIENCE = 60.0
BROKEN = Retry("the queue does not answer", reason="QueueUnavailable")


class Clock:
    def __init__(self) -> None:
        self.seconds = 1000.0

    def __call__(self) -> float:
        return self.seconds


class Desk:
    """A hold on a source in memory; its thread runs once the test says so."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.source = FakeSource(visibility=30.0, most=100, clock=self.clock)
        self.registry = CollectorRegistry()
        self.hold = Hold(self.source, ListenerMetrics(self.registry), clock=self.clock)
        self.thread = threading.Thread(target=self.hold.run, daemon=True)

    def receive(self, number: int) -> Sequence[Delivery]:
        self.source.put(*(f"message {place}" for place in range(number)))
        deliveries = self.source.receive()
        self.hold.take(deliveries)
        return deliveries

    def pass_time(self, seconds: float) -> None:
        self.clock.seconds += seconds
        self.hold.take([])

    def end(self) -> None:
        self.hold.close(0.0)
        if self.thread.ident is not None:
            self.thread.join(PATIENCE)
            assert not self.thread.is_alive()

    def sample(self, name: str) -> float | None:
        return self.registry.get_sample_value(name, {"source": self.source.name})


@pytest.fixture
def desk() -> Iterator[Desk]:
    made = Desk()
    yield made
    made.end()


def test_nothing_is_acknowledged_before_it_is_finished(desk: Desk) -> None:
    first, second = desk.receive(2)
    desk.thread.start()
    desk.hold.finish([second])
    desk.source.await_calls("ack")
    assert desk.source.made("ack") == [Call("ack", (1,))]
    assert desk.source.remaining() == [0]
    desk.hold.finish([first])
    desk.source.await_calls("ack", 2)


def test_acknowledgements_travel_in_batches(desk: Desk) -> None:
    deliveries = desk.receive(30)
    is_acking, go_on = threading.Event(), threading.Event()

    def slowly(call: Call) -> None:
        if call.verb == "ack":
            is_acking.set()
            go_on.wait(PATIENCE)

    desk.source.before = slowly
    desk.thread.start()
    desk.hold.finish(deliveries[:1])
    assert is_acking.wait(PATIENCE)
    for delivery in deliveries[1:]:
        desk.hold.finish([delivery])
    go_on.set()
    desk.source.await_calls("ack", 2)
    assert [len(call.places) for call in desk.source.made("ack")] == [1, 29]


def test_what_is_held_is_extended_at_half_time(desk: Desk) -> None:
    desk.receive(2)
    desk.thread.start()
    desk.pass_time(14.9)
    assert not desk.source.made("extend")
    desk.pass_time(0.1)
    assert desk.source.await_calls("extend") == [Call("extend", (0, 1))]
    desk.pass_time(15.0)
    desk.source.await_calls("extend", 2)
    assert not desk.source.receive()


def test_what_is_finished_or_let_go_is_not_extended(desk: Desk) -> None:
    finished, dropped, _held = desk.receive(3)
    desk.hold.finish([finished])
    desk.hold.drop([dropped])
    desk.thread.start()
    desk.source.await_calls("ack")
    desk.source.await_that(lambda: 0 not in desk.source.remaining())
    desk.pass_time(15.0)
    (call,) = desk.source.await_calls("extend")
    assert 1 not in call.places
    assert 2 in call.places


def test_a_flood_of_acknowledgements_holds_up_no_extension(desk: Desk) -> None:
    desk.source = FakeSource(visibility=30.0, most=300, clock=desk.clock)
    desk.hold = Hold(desk.source, ListenerMetrics(CollectorRegistry()), clock=desk.clock)
    deliveries = desk.receive(250)

    def slow(call: Call) -> None:
        desk.clock.seconds += 16.0 if call.verb == "ack" else 0.0

    desk.source.before = slow
    desk.hold.finish(deliveries[:249])
    for _ in range(3):
        assert desk.hold.work_once()
    assert [len(call.places) for call in desk.source.made("ack")] == [100, 100, 49]
    # Each time that which is not acknowledged next, the one that is still being noted included.
    assert [len(call.places) for call in desk.source.made("extend")] == [50, 1]
    assert desk.source.remaining() == [249]


def test_nothing_held_costs_no_call(desk: Desk) -> None:
    desk.thread.start()
    desk.pass_time(100.0)
    deliveries = desk.receive(1)
    desk.hold.finish(deliveries)
    desk.source.await_calls("ack")
    assert not desk.source.made("extend")


def test_what_is_let_go_comes_again_by_itself(desk: Desk) -> None:
    deliveries = desk.receive(1)
    desk.hold.drop(deliveries)
    assert not desk.source.receive()
    desk.clock.seconds += 30.0
    assert [delivery.attempts for delivery in desk.source.receive()] == [2]


def test_a_source_that_hides_shorter_than_was_thought_is_extended_in_time(desk: Desk) -> None:
    """A queue tells its visibility with the first receive only."""
    desk.source.extend_every = 1.0
    desk.receive(1)
    desk.thread.start()
    desk.pass_time(1.0)
    desk.source.await_calls("extend")


def test_a_failed_acknowledgement_is_counted_and_costs_a_redelivery(desk: Desk) -> None:
    deliveries = desk.receive(2)
    desk.source.fail_next("ack", BROKEN)
    desk.hold.finish(deliveries)
    assert desk.hold.work_once()
    assert desk.sample("hark_listener_ack_failures_total") == 2
    assert len(desk.hold) == 0
    desk.clock.seconds += 30.0
    assert len(desk.source.receive()) == 2


def test_what_the_queue_did_not_delete_is_counted(desk: Desk) -> None:
    deliveries = desk.receive(3)
    desk.source.not_deleted = {1}
    desk.hold.finish(deliveries)
    assert desk.hold.work_once()
    assert desk.sample("hark_listener_ack_failures_total") == 1
    assert desk.source.remaining() == [1]


def test_a_fault_in_an_acknowledgement_keeps_nothing_for_ever(desk: Desk) -> None:
    deliveries = desk.receive(1)

    def fail(_call: Call) -> None:
        raise RuntimeError("a fault of ours")

    desk.source.before = fail
    desk.hold.finish(deliveries)
    with pytest.raises(RuntimeError):
        desk.hold.work_once()
    assert len(desk.hold) == 0


def test_a_failed_extension_is_tried_again(desk: Desk) -> None:
    desk.receive(1)
    desk.source.fail_next("extend", BROKEN)
    desk.clock.seconds += 15.0
    assert desk.hold.work_once()
    desk.clock.seconds += 15.0
    assert desk.hold.work_once()
    assert len(desk.source.made("extend")) == 2


def test_the_number_held_shows_in_metrics(desk: Desk) -> None:
    deliveries = desk.receive(3)
    assert desk.sample("hark_listener_messages_held") == 3
    desk.hold.drop(deliveries[:1])
    assert desk.sample("hark_listener_messages_held") == 2


def test_closing_waits_for_what_is_held(desk: Desk) -> None:
    deliveries = desk.receive(1)
    desk.thread.start()
    closing = threading.Thread(target=desk.hold.close, args=(PATIENCE,))
    closing.start()
    desk.hold.finish(deliveries)
    closing.join(PATIENCE)
    assert not closing.is_alive()
    assert not desk.source.remaining()
    desk.thread.join(PATIENCE)
    assert not desk.thread.is_alive()


def test_closing_waits_no_longer_than_it_may(desk: Desk) -> None:
    desk.receive(1)
    desk.thread.start()
    desk.hold.close(0.01)
    desk.thread.join(PATIENCE)
    assert not desk.thread.is_alive()
    assert desk.source.remaining() == [0]


def test_what_was_finished_is_acknowledged_before_the_end(desk: Desk) -> None:
    deliveries = desk.receive(1)
    desk.hold.finish(deliveries)
    desk.hold.close(0.0)
    assert not desk.hold.work_once()
    assert not desk.source.remaining()


def test_the_age_of_the_oldest_message_that_is_not_noted_is_told() -> None:
    now = Clock()
    registry = CollectorRegistry()
    source = FakeSource(most=100)
    hold = Hold(source, ListenerMetrics(registry), now=now)

    def age() -> float | None:
        name = "hark_listener_oldest_unnoted_message_age_seconds"
        return registry.get_sample_value(name, {"source": source.name})

    assert age() == 0
    source.put("old", sent_at=900.0)
    source.put("new", sent_at=990.0)
    source.put("of no known time", sent_at=0.0)
    source.put("of the future", sent_at=5000.0)
    old, new, timeless, future = source.receive()
    hold.take([old, new, timeless, future])
    assert age() == 100
    hold.finish([old])
    assert age() == 10
    hold.drop([new])
    now.seconds += 3
    assert age() == 3
    hold.finish([timeless])
    assert age() == 0


def test_a_fault_in_an_extension_keeps_nothing_that_is_finished(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    finished, _ = desk.receive(2)
    desk.hold.finish([finished])

    def broken(_deliveries: Sequence[Delivery]) -> None:
        raise ValueError("untranslated")

    monkeypatch.setattr(desk.source, "extend", broken)
    desk.clock.seconds += 30.0
    with pytest.raises(ValueError, match="untranslated"):
        desk.hold.work_once()
    assert desk.source.made("ack") == [Call("ack", (0,))]
    assert len(desk.hold) == 1
