"""The listener dies by SIGKILL between any two of its steps: a redelivery, never a change lost."""

from dataclasses import dataclass

import pytest

from testbed.actions import after, hang_up, withhold
from testbed.installation import HarkProcess
from worlds.wired import ACKNOWLEDGE, Wired, await_kill, kill_at, status_patch_of


@dataclass
class Served:
    """A world in which `app` holds the first value of `db`; the listener is about to die."""

    wired: Wired
    listener: HarkProcess
    reconciler: HarkProcess

    def change(self) -> str:
        self.version = self.wired.spine.change_and_announce("db", "second")
        return self.version

    def come_back(self) -> None:
        """Start the listener anew and see that the change arrives, at the price of one read."""
        self.wired.listener()
        self.wired.await_synced("app", self.version)
        assert self.wired.spine.data("app") == {"db": b"second"}
        self.wired.await_worked_off()
        assert self.wired.reads() == 2


@pytest.fixture
def served(wired: Wired) -> Served:
    wired.spine.create("db", "first")
    reconciler = wired.spine.reconciler()
    listener = wired.listener()
    wired.serve("app", "db")
    wired.spine.await_data("app", db=b"first")
    wired.spine.await_reason("app", "Synced")
    return Served(wired, listener, reconciler)


def test_killed_between_receive_and_note_it_hears_the_change_again(served: Served) -> None:
    wired = served.wired
    note = status_patch_of("app")
    killed = kill_at(served.listener, wired.kube, note, done=False)
    served.change()
    await_kill(served.listener, killed)

    assert wired.forwarded(wired.kube, note) == 0
    assert wired.aws.count(ACKNOWLEDGE) == 0, "a message was acknowledged before its note"
    assert wired.undone() == 1
    assert wired.heard("app") == {}

    served.come_back()


def test_killed_before_it_knows_that_the_note_is_written_it_notes_nothing_twice(
    served: Served,
) -> None:
    wired = served.wired
    note = status_patch_of("app")
    killed = kill_at(served.listener, wired.kube, note, done=True)
    version = served.change()
    await_kill(served.listener, killed)

    assert wired.heard("app")["version"] == version
    assert wired.aws.count(ACKNOWLEDGE) == 0
    assert wired.undone() == 1

    served.come_back()
    assert wired.kube.count(note) == 1


@pytest.mark.parametrize("acknowledged", [False, True])
def test_killed_between_note_and_acknowledgement_it_notes_nothing_twice(
    served: Served, *, acknowledged: bool
) -> None:
    wired = served.wired
    killed = kill_at(served.listener, wired.aws, ACKNOWLEDGE, done=acknowledged)
    version = served.change()
    await_kill(served.listener, killed)

    assert wired.heard("app")["version"] == version
    assert wired.forwarded(wired.aws, ACKNOWLEDGE) == int(acknowledged)
    assert wired.undone() == 1 - acknowledged

    served.come_back()
    assert wired.kube.count(status_patch_of("app")) == 1


def test_killed_when_some_readers_have_the_note_it_notes_the_others_only(served: Served) -> None:
    wired = served.wired
    names = ["app", "shop", "web"]
    for name in names[1:]:
        wired.serve(name, "db")
        wired.spine.await_reason(name, "Synced")
    versions = {name: wired.leaves(name)["synced"]["version"] for name in names}
    assert len(set(versions.values())) == 1
    noted = [wired.kube.when(status_patch_of(name), withhold) for name in names[:2]]

    def kill() -> None:
        # The other notes are on their way too, whichever worker was the fastest.
        for rule in noted:
            rule.wait()
        served.listener.kill()

    killed = wired.kube.when(status_patch_of("web"), after(kill, then=hang_up))
    version = served.change()
    await_kill(served.listener, killed)

    assert wired.heard("web")["version"] == version
    assert wired.heard("app") == wired.heard("shop") == {}
    assert wired.undone() == 1

    served.come_back()
    for name in names:
        wired.await_synced(name, version)
    assert wired.forwarded(wired.kube, status_patch_of("web")) == 1
