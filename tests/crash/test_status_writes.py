"""The write of a status fails, or its object is gone: nothing ends, and nothing waits for it."""

from http import HTTPStatus

from testbed.actions import answer, before
from worlds.wired import Wired, status_patch_of

AWAY = answer(HTTPStatus.INTERNAL_SERVER_ERROR, b"{}")


def test_a_status_that_cannot_be_written_for_a_while_is_written_later_and_stops_no_sync(
    wired: Wired,
) -> None:
    spine = wired.spine
    process = wired.reconciler()
    wired.listener()
    spine.create("db", "first")
    refused = wired.kube.when(status_patch_of("db"), AWAY, times=None)
    wired.serve("db", "db")
    refused.wait(count=2)
    spine.await_data("db", db=b"first")
    refused.retire()
    spine.await_reason("db", "Synced")

    version = spine.change_and_announce("db", "second")
    wired.await_synced("db", version)

    assert process.get("/healthz")[0] == HTTPStatus.OK


def test_an_object_that_goes_before_its_status_is_written_ends_nothing(wired: Wired) -> None:
    spine = wired.spine
    process = wired.reconciler()
    for name in ("db", "mail"):
        spine.create(name, "value")
    gone = wired.kube.when(status_patch_of("db"), before(lambda: spine.delete("db")))
    wired.serve("db", "db")
    gone.wait()

    wired.serve("mail", "mail")

    spine.await_reason("mail", "Synced")
    assert process.get("/healthz")[0] == HTTPStatus.OK
