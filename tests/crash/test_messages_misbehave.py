"""Messages come twice, in any order, about nothing, too early: one read, and the newest value."""

import json
import threading
import uuid

import pytest

from testbed.actions import after, answer, before, hold_answer_until, pass_on
from testbed.request import Head, aws
from worlds.spine import PATIENCE, await_until
from worlds.wired import LOOK, SINGLE_READ, Wired, is_note, secret_patch_of

FIRST = {"db": b"first"}


@pytest.fixture
def served(wired: Wired) -> Wired:
    """`app` holds the first value of `db`, read once; both halves run."""
    wired.spine.create("db", "first")
    wired.reconciler()
    wired.listener()
    wired.serve("app", "db")
    wired.spine.await_reason("app", "Synced")
    assert wired.spine.data("app") == FIRST
    return wired


def test_an_event_that_comes_ten_times_costs_one_read(served: Wired) -> None:
    version = served.spine.change("db", "second")
    served.deliver(*[served.label_moved("db", version, "the-event")] * 10)
    served.await_synced("app", version)
    served.await_worked_off()
    served.deliver(served.label_moved("db", version, "the-event"))
    served.await_worked_off()
    assert served.spine.data("app") == {"db": b"second"}
    assert served.reads() == 2, "a version cost more than one read"


def test_of_two_changes_in_the_wrong_order_the_newest_wins_by_one_read(served: Wired) -> None:
    of_the_older = served.label_moved("db", served.spine.change("db", "second"), "of-the-older")
    newest = served.spine.change("db", "third")
    served.deliver(served.label_moved("db", newest, "of-the-newest"))
    served.await_worked_off()
    assert is_note(served.heard("app"), "of-the-newest"), "a message was acknowledged without note"
    served.await_synced("app", newest)
    served.deliver(of_the_older)
    leaves = served.await_covered("app", "of-the-older")
    assert leaves["synced"]["version"] == newest
    assert served.spine.data("app") == {"db": b"third"}
    assert served.reads() == 2


@pytest.mark.parametrize("first", ["native", "recorded"])
def test_a_change_that_is_announced_in_two_ways_costs_one_read(served: Wired, first: str) -> None:
    version = served.spine.change("db", "second")
    native = served.label_moved("db", version, "native")
    recorded = served.put_recorded("db", version, "recorded")
    one, other = (native, recorded) if first == "native" else (recorded, native)
    served.deliver(one)
    served.await_synced("app", version)
    served.deliver(other)
    served.await_covered("app", "recorded" if first == "native" else "native")
    served.await_worked_off()
    assert served.spine.data("app") == {"db": b"second"}
    assert served.reads() == 2


def test_a_change_that_is_announced_in_two_ways_at_once_costs_one_read(served: Wired) -> None:
    version = served.spine.change("db", "second")
    served.deliver(
        served.label_moved("db", version, "native"), served.put_recorded("db", version, "recorded")
    )
    served.await_synced("app", version)
    served.await_worked_off()
    served.await_synced("app", version)
    assert served.reads() == 2


@pytest.mark.parametrize("is_seen_between", [False, True])
def test_a_roll_back_ends_at_the_first_version(served: Wired, *, is_seen_between: bool) -> None:
    first = served.leaves("app")["synced"]["version"]
    second = served.spine.change("db", "second")
    served.deliver(served.label_moved("db", second, "forth"))
    if is_seen_between:
        served.spine.await_data("app", db=b"second")
    served.spine.aws("secretsmanager").update_secret_version_stage(
        SecretId="db",
        VersionStage="AWSCURRENT",
        MoveToVersionId=first,
        RemoveFromVersionId=second,
    )
    served.deliver(served.label_moved("db", first, "back"))
    served.await_covered("app", "back")
    served.await_worked_off()
    served.await_synced("app", first)
    assert served.spine.data("app") == FIRST
    assert served.reads() <= 3


def test_a_roll_back_that_overtakes_the_read_of_the_change_ends_at_the_first_version(
    served: Wired,
) -> None:
    first = served.leaves("app")["synced"]["version"]
    second = served.spine.change("db", "second")
    is_read, rolled_back = threading.Event(), threading.Event()
    served.aws.when(SINGLE_READ, after(is_read.set, then=hold_answer_until(rolled_back)))
    served.deliver(served.label_moved("db", second, "forth"))
    assert is_read.wait(PATIENCE)
    served.spine.aws("secretsmanager").update_secret_version_stage(
        SecretId="db",
        VersionStage="AWSCURRENT",
        MoveToVersionId=first,
        RemoveFromVersionId=second,
    )
    served.deliver(served.label_moved("db", first, "back"))
    await_until(lambda: served.heard("app"), lambda heard: is_note(heard, "back"), "it is heard")
    rolled_back.set()
    # The change of a moment ago is written, and then what is right.
    served.kube.wait_for(secret_patch_of("app"), count=2)
    served.await_synced("app", first)
    assert served.spine.data("app") == FIRST
    served.await_worked_off()
    assert served.reads() == 3


@pytest.mark.parametrize(
    "stale", [("GetSecretValue",), ("GetSecretValue", "DescribeSecret")], ids="-".join
)
def test_a_value_that_cannot_be_read_yet_arrives_without_an_error(
    served: Wired, stale: tuple[str, ...]
) -> None:
    manager = served.spine.aws("secretsmanager")
    former = {
        "GetSecretValue": manager.get_secret_value(SecretId="db"),
        "DescribeSecret": manager.describe_secret(SecretId="db"),
    }
    version = served.spine.change("db", "second")
    told: list[str] = []

    def look() -> None:
        told.append(served.spine.ready("app")["status"])

    # Thrice, so that more than one pass asks: AWS was asked again, not our own memory.
    rules = []
    for operation in stale:
        forged = answer(200, _as_sent(former[operation]))
        rules.append(served.aws.when(aws(operation), before(look, then=forged), times=3))
    served.deliver(served.label_moved("db", version, "early"))
    served.await_covered("app", "early")
    assert len(rules[0].met) == 3, "an old value was taken for the new one"
    assert set(told) == {"True"}
    served.await_synced("app", version)
    assert served.spine.data("app") == {"db": b"second"}
    assert served.spine.ready("app")["reason"] == "Synced"
    assert {reason for reason, _ in served.spine.events("app")} == {"Synced"}


def test_a_forged_version_is_said_in_an_event_and_then_let_go(served: Wired) -> None:
    served.deliver(served.label_moved("db", str(uuid.uuid4()), "forged"))
    await_until(
        lambda: served.spine.events("app"),
        lambda events: any(reason == "AnnouncedVersionNotFound" for reason, _ in events),
        "the Event",
    )
    served.await_covered("app", "forged")

    def asks(head: Head) -> bool:
        return SINGLE_READ(head) or LOOK(head)

    asked = served.aws.count(asks)
    with pytest.raises(TimeoutError):
        # Longer than the longest wait between two looks.
        served.aws.wait_for(asks, timeout=1.5, count=asked + 1)
    assert served.spine.data("app") == FIRST
    assert served.spine.ready("app")["reason"] == "Synced"

    version = served.spine.change_and_announce("db", "second")
    served.await_synced("app", version)
    assert served.spine.data("app") == {"db": b"second"}


def test_a_message_that_nobody_can_read_dies_and_its_neighbours_go_on(served: Wired) -> None:
    served.redrive_after(1)
    # What is understood is not given up while a slow machine deals with it.
    served.hide_for(30)
    second = served.spine.change("db", "second")
    served.deliver("{", served.label_moved("db", second, "one"), '{"neither": "form"}')
    served.await_synced("app", second)
    third = served.spine.change("db", "third")
    served.deliver(served.label_moved("db", third, "two"))
    served.await_synced("app", third)
    await_until(served.dead, lambda count: count == 2, "both are dead")
    await_until(served.undone, lambda count: count == 0, "the others are acknowledged")
    assert served.reads() == 3


def test_a_changed_key_leaves_the_others_in_the_secret(wired: Wired) -> None:
    spine = wired.spine
    for key in ("db", "mail"):
        spine.create(key, "first")
    wired.reconciler()
    wired.listener()
    wired.serve("app", "db", "mail")
    spine.await_reason("app", "Synced")
    reads = wired.reads()
    states: list[dict[str, bytes]] = []
    # What is dropped and at once repaired was dropped nevertheless.
    look = after(lambda: states.append(spine.data("app")), then=pass_on)
    wired.kube.when(secret_patch_of("app"), look, times=None)
    version = spine.change_and_announce("db", "second")
    wired.await_synced("app", version, "db")
    whole = {"db": b"second", "mail": b"first"}
    assert states[0] == whole, "the write dropped an entry that had not changed"
    assert states == [whole]
    assert wired.reads() - reads == 1


def test_a_change_of_a_secret_that_twenty_use_costs_one_read(wired: Wired) -> None:
    names = [f"app-{number}" for number in range(20)]
    wired.spine.create("db", "first")
    wired.reconciler()
    wired.listener()
    for name in names:
        wired.serve(name, "db")
    for name in names:
        wired.spine.await_reason(name, "Synced")
    before = wired.reads()
    version = wired.spine.change_and_announce("db", "second")
    for name in names:
        wired.await_synced(name, version)
        assert wired.spine.data(name) == {"db": b"second"}
    wired.await_worked_off()
    assert wired.reads() - before == 1


def _as_sent(reply: dict[str, object]) -> bytes:
    """A reply that the SDK has parsed, as the service wrote it: times are numbers there."""
    body = {name: part for name, part in reply.items() if name != "ResponseMetadata"}
    return json.dumps(body, default=lambda time: time.timestamp()).encode()
