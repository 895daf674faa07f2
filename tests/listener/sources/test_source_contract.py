"""The contract of listener.sources.contract, kept by every source on its real or doubled service.

A new kind of source adds its world to worlds.sourceregistry. What a service cannot do (a world's
abilities tell) is not asked of its source: the tests of that source tell what happens instead.
"""

import logging
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest
from structlog.testing import capture_logs

from externalsecret.errors import GiveUp, HarkError, Retry
from listener.sources.contract import Delivery, Source
from worlds.sourceregistry import SOURCE_WORLDS
from worlds.sources import CANARY, LONG, Ability, SourceWorld, names

PATIENCE = 30.0
EARLY = 0.3
"""Seconds by which the service's clock may run before ours."""


@pytest.fixture(params=SOURCE_WORLDS)
def queue(request: pytest.FixtureRequest) -> Iterator[SourceWorld]:
    yield from SOURCE_WORLDS[request.param](request)


def able(queue: SourceWorld, *abilities: Ability) -> bool:
    return queue.abilities.issuperset(abilities)


def drain(source: Source, count: int) -> list[Delivery]:
    """Receive until so many came."""
    held: list[Delivery] = []
    deadline = time.monotonic() + PATIENCE
    while len(held) < count:
        assert time.monotonic() < deadline, f"{len(held)} came, {count} were awaited"
        held.extend(source.receive())
    return held


RARELY = 2


def await_that(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, "it never came true"
        time.sleep(0.05)


def named(queue: SourceWorld, deliveries: Sequence[Delivery]) -> list[str]:
    return sorted(queue.name_of(delivery) for delivery in deliveries)


def filled(queue: SourceWorld, count: int, hold: float = LONG) -> tuple[Source, list[str]]:
    """A source whose queue holds so many messages, and their names in their order."""
    queue.prepare(hold)
    put = sorted(names(count))
    queue.put(*put)
    return queue.open(), put


def failure(call: Callable[[], object]) -> HarkError | None:
    try:
        call()
    except HarkError as error:
        return error
    return None


def all_failures(source: Source, held: Sequence[Delivery]) -> list[HarkError]:
    """What every verb says while the service does not serve; none has to, `receive` apart."""
    calls: list[Callable[[], object]] = [
        source.receive,
        lambda: source.ack(held),
        lambda: source.retry(held, 0.0),
        lambda: source.extend(held),
        lambda: source.reject(held),
    ]
    return [error for call in calls if (error := failure(call)) is not None]


def test_a_message_is_told_as_it_was_sent(queue: SourceWorld) -> None:
    source, put = filled(queue, 2)
    held = drain(source, 2)
    assert named(queue, held) == put
    for delivery in held:
        queue.check(delivery, queue.name_of(delivery))
        assert delivery.receipt
        assert delivery.attempts == 1
    assert source.extend_every > 0
    assert source.name.startswith(f"{source.via}:")


def test_an_empty_queue_gives_nothing_after_a_bounded_wait(queue: SourceWorld) -> None:
    queue.prepare(LONG)
    source = queue.open()
    began = time.monotonic()
    assert not source.receive()
    assert time.monotonic() - began < queue.longest_wait + 10


def test_what_was_acknowledged_never_comes_again(queue: SourceWorld) -> None:
    source, _ = filled(queue, 2, hold=queue.shortest_hold)
    assert not source.ack(drain(source, 2))
    await_that(lambda: queue.left() == 0)
    assert not source.receive()


def test_nothing_to_do_is_no_call_that_fails(queue: SourceWorld) -> None:
    queue.prepare(LONG)
    source = queue.open()
    assert not source.ack([])
    source.retry([], 1.0)
    source.reject([])
    source.extend([])


def test_what_was_not_acknowledged_comes_again_when_the_hold_is_over(queue: SourceWorld) -> None:
    source, put = filled(queue, 1, hold=queue.shortest_hold)
    drain(source, 1)
    if not able(queue, Ability.EXPIRES):
        return
    again = drain(source, 1)
    assert named(queue, again) == put
    assert again[0].attempts == (2 if able(queue, Ability.COUNTS) else 1)
    assert not source.ack(again)
    await_that(lambda: queue.left() == 0)


def test_what_is_handed_back_comes_again_at_once(queue: SourceWorld) -> None:
    source, put = filled(queue, 1)
    source.retry(drain(source, 1), 0.0)
    again = drain(source, 1)
    assert named(queue, again) == put
    assert again[0].attempts == (2 if able(queue, Ability.COUNTS) else 1)


def test_what_is_put_off_stays_away_that_long_and_comes_again(queue: SourceWorld) -> None:
    source, put = filled(queue, 1)
    held = drain(source, 1)
    began = time.monotonic()
    source.retry(held, queue.shortest_delay)
    assert named(queue, drain(source, 1)) == put
    if able(queue, Ability.HIDES):
        assert time.monotonic() - began >= queue.shortest_delay - EARLY


def test_what_is_extended_stays_ours_beyond_the_hold(queue: SourceWorld) -> None:
    hold = max(3.0, queue.shortest_hold)
    source, _ = filled(queue, 1, hold)
    held = drain(source, 1)
    time.sleep(hold / 3)
    extended = time.monotonic()
    source.extend(held)
    if able(queue, Ability.EXPIRES, Ability.EXTENDS):
        drain(queue.open(), 1)
        assert time.monotonic() - extended >= hold - EARLY
    else:
        assert not source.ack(held)


def test_an_acknowledgement_after_the_hold_is_told_to_have_failed(queue: SourceWorld) -> None:
    source, put = filled(queue, 1, hold=queue.shortest_hold)
    late = drain(source, 1)
    if not able(queue, Ability.EXPIRES, Ability.TELLS_LATE_ACKS):
        return
    held = drain(queue.open(), 1)
    assert list(source.ack(late)) == late
    assert queue.left() == 1
    assert named(queue, held) == put


def test_those_of_a_batch_that_failed_are_told_and_the_others_are_done(queue: SourceWorld) -> None:
    source, _ = filled(queue, 3)
    held = drain(source, 3)
    if not able(queue, Ability.TELLS_FAILED_ACKS):
        return
    unknown = queue.spoiled(held[1])
    assert list(source.ack([held[0], unknown, held[2]])) == [unknown]
    await_that(lambda: queue.left() == 1)


def test_an_unknown_receipt_spoils_no_neighbour(queue: SourceWorld) -> None:
    source, put = filled(queue, 2)
    held = drain(source, 2)
    mixed = [queue.spoiled(held[0]), held[1]]
    source.extend(mixed)
    source.retry(mixed, 0.0)
    again = drain(source, 1)
    assert named(queue, again) == named(queue, [held[1]])
    assert queue.left() == len(put)


def test_batches_may_be_larger_than_what_the_service_takes(queue: SourceWorld) -> None:
    source, put = filled(queue, 23)
    held = drain(source, 23)
    source.extend(held)
    source.retry(held, 0.0)
    held = drain(source, 23)
    assert named(queue, held) == put
    assert not source.ack(held)
    await_that(lambda: queue.left() == 0)


def test_what_one_receiver_holds_is_not_given_to_another(queue: SourceWorld) -> None:
    one, put = filled(queue, 20)
    other = queue.open()
    seen: list[Delivery] = []
    lock = threading.Lock()

    def receive_all(source: Source) -> None:
        deadline = time.monotonic() + PATIENCE
        while len(seen) < len(put) and time.monotonic() < deadline:
            came = source.receive()
            with lock:
                seen.extend(came)

    with ThreadPoolExecutor() as threads:
        list(threads.map(receive_all, (one, other)))
    found = named(queue, seen)
    assert sorted(set(found)) == put
    # Delivery is at least once: two who ask in the same instant may be given the same.
    assert len(found) - len(put) <= RARELY


def test_a_receive_under_way_keeps_no_other_call_waiting(queue: SourceWorld) -> None:
    source, _ = filled(queue, 1)
    held = drain(source, 1)
    with ThreadPoolExecutor() as threads:
        waiting = threads.submit(source.receive)
        source.extend(held)
        assert not source.ack(held)
        assert not waiting.result()
    await_that(lambda: queue.left() == 0)


def test_what_is_rejected_is_buried_and_its_neighbour_is_not(queue: SourceWorld) -> None:
    source, put = filled(queue, 2)
    bad, good = put
    deadline = time.monotonic() + PATIENCE
    done: list[str] = []
    while not (done and (queue.buried() or not able(queue, Ability.BURIES))):
        assert time.monotonic() < deadline, f"done: {done}, buried: {queue.buried()}"
        for delivery in source.receive():
            if queue.name_of(delivery) == bad:
                source.reject([delivery])
            else:
                done.append(good)
                assert not source.ack([delivery])
    assert done == [good]
    if able(queue, Ability.BURIES):
        # Services bury at least once.
        assert set(queue.buried()) == {bad}
        await_that(lambda: queue.left() == 0)


def test_a_service_that_was_away_is_heard_again_by_the_same_source(queue: SourceWorld) -> None:
    source, put = filled(queue, 1)
    if able(queue, Ability.FAILS):
        with queue.away():
            error = failure(source.receive)
        assert isinstance(error, (Retry, GiveUp))
    assert named(queue, drain(source, 1)) == put


def test_what_was_held_while_the_service_was_away_is_still_ours(queue: SourceWorld) -> None:
    source, _ = filled(queue, 1)
    held = drain(source, 1)
    with queue.away():
        failed = failure(lambda: source.extend(held))
        assert failed is None or isinstance(failed, HarkError)
    assert not source.ack(held)
    await_that(lambda: queue.left() == 0)


def test_a_failure_is_a_sentence_that_names_the_queue_and_shows_nothing(
    queue: SourceWorld, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    source, _ = filled(queue, 1)
    held = drain(source, 1)
    failures: list[HarkError] = []
    with capture_logs() as logs:
        if able(queue, Ability.FAILS):
            with queue.away():
                failures += all_failures(source, held)
        if able(queue, Ability.DENIES):
            with queue.denied():
                failures += all_failures(source, held)
    assert failures or not able(queue, Ability.FAILS)
    for error in failures:
        assert str(error).endswith(".")
        assert source.name.partition(":")[2] in str(error)
        assert error.reason.isidentifier()
    shown = f"{[str(error) for error in failures]}{logs}{caplog.text}"
    for secret in (CANARY, *queue.credentials):
        assert secret not in shown


def test_no_repr_and_no_log_shows_a_body_or_a_credential(
    queue: SourceWorld, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    with capture_logs() as logs:
        source, _ = filled(queue, 3)
        held = drain(source, 3)
        source.extend(held)
        source.retry(held[:1], 0.0)
        source.reject(held[1:2])
        source.ack(held[2:])
    shown = f"{held!r}{held[0]}{source!r}{source}{vars(source)!r}{logs}{caplog.text}"
    for secret in (CANARY, *queue.credentials):
        assert secret not in shown


def test_the_body_is_not_needed_once_it_was_parsed(queue: SourceWorld) -> None:
    source, put = filled(queue, 1)
    held = [replace(delivery, body="", attributes={}) for delivery in drain(source, 1)]
    source.extend(held)
    source.retry(held, 0.0)
    again = drain(source, 1)
    assert named(queue, again) == put
    assert not source.ack([replace(again[0], body="", attributes={})])
    await_that(lambda: queue.left() == 0)


def test_a_closed_source_ends_its_receive_and_may_be_closed_again(queue: SourceWorld) -> None:
    queue.prepare(LONG)
    source = queue.open()
    with ThreadPoolExecutor() as threads:
        waiting = threads.submit(failure, source.receive)
        source.close()
        waiting.result(timeout=queue.longest_wait + PATIENCE)
    source.close()


def test_what_a_closed_source_held_is_not_lost(queue: SourceWorld) -> None:
    source, put = filled(queue, 1, hold=queue.shortest_hold)
    drain(source, 1)
    source.close()
    if able(queue, Ability.EXPIRES):
        assert named(queue, drain(queue.open(), 1)) == put
    else:
        assert queue.left() == 1
