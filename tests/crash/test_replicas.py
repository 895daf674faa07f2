"""Two replicas of the listener: none hides what the other has noted, and nothing is read twice.

Each has its own view of the cluster, late by what a watch takes; the queue hands a message to
whichever asks first.
"""

import threading

from testbed.actions import hold_until
from worlds.spine import PATIENCE, await_until, unique
from worlds.wired import RECEIVE, Wired, is_note, status_patch_of


def test_a_late_note_of_one_replica_hides_no_newer_one_of_the_other(wired: Wired) -> None:
    """The late one names what the Secret holds: with it alone the ledger would look covered."""
    spine = wired.spine
    spine.create("db", "first")
    reconciler = spine.reconciler()
    wired.serve("app", "db")
    spine.await_reason("app", "Synced")
    first = wired.leaves("app")["synced"]["version"]
    assert reconciler.terminate() == 0
    own_queue = wired.another_queue(unique("late"))
    late = wired.listener(environment={"HARK_SQS_QUEUE_URLS": own_queue})
    spine.listener()
    second = spine.change("db", "second")

    noted = threading.Event()
    held = wired.kube.when(status_patch_of("app"), hold_until(noted))
    wired.deliver(wired.label_moved("db", first, "of-the-first"), queue=own_queue)
    held.wait(PATIENCE)
    wired.deliver(wired.label_moved("db", second, "of-the-second"))
    await_until(
        lambda: wired.heard("app"), lambda heard: is_note(heard, "of-the-second"), "it is heard"
    )
    noted.set()
    await_until(
        lambda: wired.heard("app"), lambda heard: is_note(heard, "of-the-first"), "both are heard"
    )
    assert "version" not in wired.heard("app"), "the note names one of two"
    assert late.metric("hark_listener_notes_retried_total") > 0

    spine.reconciler()
    wired.await_synced("app", second)
    assert spine.data("app") == {"db": b"second"}


def test_two_replicas_share_a_queue_and_every_change_costs_one_read(wired: Wired) -> None:
    spine = wired.spine
    names = [f"db-{number}" for number in range(3)]
    for name in names:
        spine.create(name, "first")
    wired.reconciler()
    replicas = [wired.listener(), wired.listener()]
    for name in names:
        wired.serve(name, name)
    for name in names:
        spine.await_reason(name, "Synced")
    wired.aws.wait_for(RECEIVE, count=2)
    received = "hark_listener_messages_received_total"
    rounds = 0
    while not all(replica.metric(received) for replica in replicas):
        rounds += 1
        versions = {name: spine.change(name, f"change {rounds}") for name in names}
        for name in names:
            moved = wired.label_moved(name, versions[name], f"{name}-{rounds}-native")
            wired.deliver(moved, moved, wired.put_recorded(name, versions[name], unique("call")))
        for name in names:
            wired.await_synced(name, versions[name])
            assert spine.data(name) == {name: f"change {rounds}".encode()}
        wired.await_worked_off()
    assert wired.reads() == len(names) * (1 + rounds)
