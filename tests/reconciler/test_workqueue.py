import threading

import pytest

from fakes.resources import Clock
from reconciler.workqueue import WorkQueue

A, B = ("red", "a"), ("red", "b")
C = ("blue", "c")


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def queue(clock: Clock) -> WorkQueue:
    return WorkQueue(clock)


def _take_all(queue: WorkQueue) -> list[object]:
    taken: list[object] = []
    while (task := queue.take(wait=False)) is not None:
        taken.append(task)
    return taken


def test_many_adds_are_one(queue: WorkQueue) -> None:
    for urgent in (False, True, False):
        queue.add(A, urgent=urgent)
    assert _take_all(queue) == [A]


def test_a_key_that_is_added_while_it_is_worked_on_comes_once_more_afterwards(
    queue: WorkQueue,
) -> None:
    queue.add(A, urgent=False)
    assert queue.take(wait=False) == A
    queue.add(A, urgent=False)
    queue.add(A, urgent=True)
    assert queue.take(wait=False) is None
    queue.done(A)
    assert _take_all(queue) == [A]
    queue.done(A)
    assert queue.take(wait=False) is None


def test_urgent_keys_go_first_and_a_key_can_become_urgent(queue: WorkQueue) -> None:
    queue.add(A, urgent=False)
    queue.add(B, urgent=False)
    queue.add(C, urgent=False)
    queue.add(B, urgent=True)
    assert _take_all(queue) == [B, A, C]


def test_an_urgent_key_does_not_lose_its_rank_by_a_later_add(queue: WorkQueue) -> None:
    queue.add(A, urgent=False)
    queue.add(B, urgent=True)
    queue.add(B, urgent=False)
    assert _take_all(queue) == [B, A]


def test_namespaces_take_turns(queue: WorkQueue) -> None:
    flood = [("red", f"{number}") for number in range(3)]
    for key in [*flood, C]:
        queue.add(key, urgent=True)
    assert _take_all(queue) == [flood[0], C, flood[1], flood[2]]


def test_a_delayed_key_comes_when_it_is_due_and_not_before(queue: WorkQueue, clock: Clock) -> None:
    queue.add_after(A, 5)
    clock.seconds += 4.9
    assert queue.take(wait=False) is None
    clock.seconds += 0.1
    assert _take_all(queue) == [A]


@pytest.mark.parametrize("delays", [(5, 1), (1, 5)])
def test_of_two_delays_the_shorter_counts_and_the_longer_is_forgotten(
    queue: WorkQueue, clock: Clock, delays: tuple[float, float]
) -> None:
    for delay in delays:
        queue.add_after(A, delay)
    clock.seconds += 1
    assert _take_all(queue) == [A]
    queue.done(A)
    clock.seconds += 10
    assert queue.take(wait=False) is None


def test_the_rest_of_what_was_begun_goes_before_anything_new(queue: WorkQueue) -> None:
    def rest() -> None:
        """What is to be done after a read."""

    queue.add(A, urgent=True)
    queue.resume(rest)
    assert _take_all(queue) == [rest, A]


def test_its_length_counts_what_waits_and_what_is_worked_on(queue: WorkQueue) -> None:
    queue.add(A, urgent=False)
    queue.add(C, urgent=True)
    queue.take(wait=False)
    assert len(queue) == 2
    queue.done(C)
    assert len(queue) == 1


def test_who_waits_is_woken_by_an_add_by_a_delay_and_by_the_close() -> None:
    queue = WorkQueue()
    taken: list[object] = []
    worker = threading.Thread(target=lambda: taken.extend(iter(queue.take, None)))
    worker.start()
    queue.add(A, urgent=False)
    queue.add_after(C, 0.01)
    while len(taken) < 2:
        threading.Event().wait(0.001)
    queue.close()
    worker.join(5)
    assert not worker.is_alive()
    assert taken == [A, C]
    assert queue.take() is None
