"""Episodes of a failing source: what metrics and Events tell of them."""

import pytest
from prometheus_client import CollectorRegistry

from externalsecret.errors import GiveUp, Retry
from listener.metrics import ListenerMetrics
from listener.sourcehealth import SourceHealth

DENIED = GiveUp("The queue refuses us. Allow it.", reason="QueueDenied")
AWAY = Retry("The queue is away.", reason="QueueAway")


class Desk:
    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.told: list[tuple[str, str, bool]] = []
        self.health = SourceHealth("sqs:changes", ListenerMetrics(self.registry), self._tell)

    def reasons(self) -> list[str]:
        return [reason for reason, _, _ in self.told]

    def sample(self, name: str, **labels: str) -> float | None:
        found = {"source": "sqs:changes", **labels}
        return self.registry.get_sample_value(f"hark_listener_{name}", found)

    def _tell(self, reason: str, message: str, *, is_bad: bool) -> None:
        self.told.append((reason, message, is_bad))


@pytest.fixture
def desk() -> Desk:
    return Desk()


def test_a_failure_that_stays_is_told_at_once_and_its_end_once(desk: Desk) -> None:
    for _ in range(5):
        desk.health.failed(DENIED)
    assert desk.told == [
        ("SourceFailed", f"sqs:changes cannot be listened to. {DENIED}", True),
    ]
    desk.health.worked()
    desk.health.worked()
    assert desk.told[1:] == [("SourceRecovered", "sqs:changes is listened to again.", False)]


def test_a_hiccup_is_counted_and_told_in_no_event(desk: Desk) -> None:
    assert [desk.health.failed(AWAY) for _ in range(2)] == [1, 2]
    assert desk.sample("source_up") == 0
    assert desk.sample("source_failures_total", reason="QueueAway") == 2
    desk.health.worked()
    assert desk.sample("source_up") == 1
    assert desk.told == []
    assert desk.health.failed(AWAY) == 1


def test_the_third_failure_in_a_row_is_no_hiccup(desk: Desk) -> None:
    for _ in range(3):
        desk.health.failed(AWAY)
    assert desk.reasons() == ["SourceFailed"]


def test_another_episode_is_told_anew(desk: Desk) -> None:
    for _ in range(2):
        desk.health.failed(DENIED)
        desk.health.worked()
    assert desk.reasons() == ["SourceFailed", "SourceRecovered"] * 2
