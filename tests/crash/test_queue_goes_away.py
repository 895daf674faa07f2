"""The queue is away while changes happen: nothing is lost, nothing is read twice.

The outage lasts until several calls failed, and longer than the queue hides a message, which is a
second here.
"""

import threading

from testbed.actions import hang_up
from testbed.request import Head
from worlds.spine import await_until
from worlds.wired import ACKNOWLEDGE, OUTAGE, RECEIVE, Wired

OF_THE_QUEUE = {
    "ReceiveMessage",
    "DeleteMessageBatch",
    "ChangeMessageVisibilityBatch",
    "GetQueueAttributes",
}


def _is_of_the_queue(head: Head) -> bool:
    return head.aws_operation in OF_THE_QUEUE


def test_what_is_announced_while_the_queue_is_away_is_worked_off_after(wired: Wired) -> None:
    spine = wired.spine
    names = ["db", "mail", "shop"]
    wired.hide_for(1)
    for name in names:
        spine.create(name, "first")
    wired.reconciler()
    listener = wired.listener()
    for name in names:
        wired.serve(name, name)
    for name in names:
        spine.await_reason(name, "Synced")
    wired.aws.wait_for(RECEIVE)

    away = wired.aws.when(_is_of_the_queue, hang_up, times=None)
    # A long poll that was under way still brings the first; its acknowledgement is lost.
    versions = {name: spine.change_and_announce(name, "second") for name in names}
    failures = "hark_listener_source_failures_total"
    await_until(lambda: listener.metric(failures), lambda number: number >= 3, "it was tried again")
    threading.Event().wait(OUTAGE)
    assert listener.metric("hark_listener_source_up") == 0
    assert listener.get("/readyz")[0] == 200, "a queue that is away takes nobody out of service"
    assert wired.undone() == len(names)

    away.retire()
    for name in names:
        wired.await_synced(name, versions[name])
        assert spine.data(name) == {name: b"second"}
    wired.await_worked_off()
    assert wired.reads() == 2 * len(names)
    assert wired.forwarded(wired.aws, ACKNOWLEDGE) > 0
    assert listener.metric("hark_listener_source_up") == 1
