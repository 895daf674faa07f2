"""Many messages at once: what matters is not starved, nothing is lost, memory stays bounded.

Counts prove it, not seconds: how many batches were received, acknowledged, held and read. They are
100 messages here, since moto takes long over each, and a thousand in make soak (HARK_TEST_FLOOD);
tests/listener/test_listen.py has a thousand and a queue in memory.
"""

import os
import threading
from itertools import count
from pathlib import Path

from listener.listen import MOST_HELD
from testbed.actions import hold_answer_until, hold_until
from testbed.installation import HarkProcess
from testbed.request import Head
from worlds.spine import await_until, unique
from worlds.wired import ACKNOWLEDGE, OUTAGE, RECEIVE, Wired

MANY = int(os.environ.get("HARK_TEST_FLOOD", "100"))
PATIENCE = 60.0 + MANY / 4
"""Seconds for all to be worked off, on a machine with too much to do."""
HELD = "hark_listener_messages_held"
_BATCH = 10
_MORE_MEMORY = 40 * 2**20
"""Bytes that a flood may cost the listener, its threads and connections included."""


def test_messages_about_nothing_in_front_starve_nobody(wired: Wired) -> None:
    """The receive after the one that brought it gets no answer before the Secret is right."""
    spine = wired.spine
    wired.hide_for(60)
    spine.create("db", "first")
    wired.reconciler()
    wired.serve("app", "db")
    spine.await_reason("app", "Synced")
    version = spine.change("db", "second")
    wired.deliver(*(wired.label_moved("unused", version, unique("of")) for _ in range(MANY)))
    wired.deliver(wired.label_moved("db", version, "the-one"))

    synced = threading.Event()
    number = count(1)

    def comes_after(head: Head) -> bool:
        return RECEIVE(head) and next(number) > MANY // _BATCH + 1

    wired.aws.when(comes_after, hold_answer_until(synced), times=None)
    wired.listener()
    wired.await_synced("app", version)
    synced.set()

    assert spine.data("app") == {"db": b"second"}
    await_until(wired.undone, lambda left: left == 0, "all is worked off", patience=PATIENCE)
    assert wired.dead() == 0
    assert wired.reads() == 2
    # They are acknowledged in batches too, and not one by one.
    assert wired.aws.count(ACKNOWLEDGE) <= MANY // 4


def test_of_many_changes_with_poison_among_them_none_is_lost(
    wired: Wired,
) -> None:
    """Ten changes are announced again and again; one message in eleven cannot be read."""
    spine = wired.spine
    names = [f"db-{number}" for number in range(10)]
    wired.hide_for(120)
    wired.redrive_after(1)
    for name in names:
        spine.create(name, "first")
    wired.reconciler()
    listener = wired.listener()
    for name in names:
        wired.serve(name, name)
    for name in names:
        spine.await_reason(name, "Synced")
    before = _resident(listener)
    versions = {name: spine.change(name, "second") for name in names}
    rounds = MANY // len(names)
    for turn in range(rounds):
        good = [wired.label_moved(name, versions[name], f"{name}-{turn}") for name in names]
        wired.deliver(*good[:5], "{ is no message", *good[5:])
    await_until(wired.undone, lambda left: left == 0, "all is worked off", patience=PATIENCE)
    assert wired.dead() == rounds, "what nobody can read, and nothing else, ends there"
    assert listener.metric("hark_listener_messages_parked_total") == rounds
    assert listener.metric("hark_listener_messages_acted_on_total") == MANY
    for name in names:
        wired.await_synced(name, versions[name])
        assert spine.data(name) == {name: b"second"}
    assert wired.reads() == 2 * len(names), "a version cost more than one read"
    assert _resident(listener) - before < _MORE_MEMORY


def test_while_no_note_can_be_written_a_bounded_number_is_held_and_none_acknowledged(
    wired: Wired,
) -> None:
    """Of a thousand, all would be received within the minute if nothing bounded it."""
    spine = wired.spine
    names = [f"db-{number}" for number in range(5)]
    wired.hide_for(120)
    for name in names:
        spine.create(name, "first")
    wired.reconciler()
    for name in names:
        wired.serve(name, name)
    for name in names:
        spine.await_reason(name, "Synced")
    versions = {name: spine.change(name, "second") for name in names}
    rounds = MANY // len(names)
    wired.deliver(
        *(
            wired.label_moved(name, versions[name], f"{name}-{turn}")
            for turn in range(rounds)
            for name in names
        )
    )

    released = threading.Event()
    slow = wired.kube.when(_status_patch, hold_until(released), times=None)
    listener = wired.listener()
    # Once a note takes too long it receives no more, however few it has.
    await_until(lambda: listener.metric(HELD), lambda held: held >= 2 * _BATCH, "it holds some")
    threading.Event().wait(OUTAGE)
    assert listener.metric(HELD) <= MOST_HELD + _BATCH
    assert wired.aws.count(ACKNOWLEDGE) == 0
    assert wired.undone() == MANY

    released.set()
    slow.retire()
    for name in names:
        wired.await_synced(name, versions[name])
        assert spine.data(name) == {name: b"second"}
    await_until(wired.undone, lambda left: left == 0, "all is worked off", patience=PATIENCE)
    assert wired.dead() == 0
    assert wired.reads() == 2 * len(names)


def _status_patch(head: Head) -> bool:
    return head.method == "PATCH" and head.path.endswith("/status")


def _resident(process: HarkProcess) -> int:
    """Bytes of memory that a process has."""
    lines = Path(f"/proc/{process.pid}/status").read_text(encoding="ascii").splitlines()
    (line,) = [line for line in lines if line.startswith("VmRSS:")]
    return int(line.split()[1]) * 1024
