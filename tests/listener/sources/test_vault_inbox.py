"""The queue in memory before Vault's source."""

from dataclasses import replace

from listener.sources.vaultinbox import MOST, Inbox


class Clock:
    def __init__(self) -> None:
        self.at = 100.0

    def __call__(self) -> float:
        return self.at


def _inbox(clock: Clock) -> Inbox:
    return Inbox(hidden=30.0, clock=clock, now=lambda: 1.7e9)


def test_what_is_in_hand_is_hidden_and_comes_again_ever_later() -> None:
    clock = Clock()
    inbox = _inbox(clock)
    inbox.put("a", "body", {"namespace": "x"})
    waits = []
    for attempt in range(1, 8):
        (delivery,) = inbox.take(10)
        assert (delivery.attempts, delivery.body) == (attempt, "body")
        assert delivery.attributes == {"namespace": "x"}
        assert inbox.take(10) == []
        began = clock.at
        while not inbox._due(1):
            clock.at += 1.0
        waits.append(clock.at - began)
    assert waits == [30, 60, 120, 240, 480, 600, 600]


def test_one_id_stands_in_it_once_until_it_is_done_with() -> None:
    inbox = _inbox(Clock())
    assert inbox.put("a", "one")
    assert inbox.put("a", "two")
    (delivery,) = inbox.take(10)
    assert delivery.body == "one"
    assert inbox.drop([delivery]) == []
    assert inbox.put("a", "two")
    assert [again.body for again in inbox.take(10)] == ["two"]


def test_a_receipt_counts_for_the_last_time_that_it_was_handed_out() -> None:
    clock = Clock()
    inbox = _inbox(clock)
    inbox.put("a", "one")
    (late,) = inbox.take(1)
    clock.at += 31
    (held,) = inbox.take(1)
    unknown = replace(held, receipt="no such receipt")
    assert inbox.drop([late, unknown]) == [late, unknown]
    inbox.hide([late, unknown], 0.0)
    assert inbox.take(1) == []
    inbox.extend([held])
    clock.at += 29
    assert inbox.take(1) == []
    assert inbox.drop([held]) == []
    assert len(inbox) == 0


def test_it_is_bounded_and_refuses_what_has_no_room() -> None:
    inbox = _inbox(Clock())
    taken = [inbox.put(str(number), "x") for number in range(MOST + 3)]
    assert taken == [True] * MOST + [False] * 3


def test_it_waits_no_longer_than_asked() -> None:
    inbox = Inbox(hidden=0.05)
    assert inbox.take(1, 0.01) == []
    inbox.put("a", "one")
    assert len(inbox.take(1, 30.0)) == 1
    # It comes again by itself while somebody waits.
    assert [again.attempts for again in inbox.take(1, 30.0)] == [2]
