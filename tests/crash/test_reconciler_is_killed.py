"""The reconciler dies by SIGKILL between any two of its steps: one read more, never a change lost.

Its listener lives on, so what was announced stands in the ledger whenever the reconciler returns.
"""

from collections.abc import Callable
from dataclasses import dataclass

import pytest

from testbed.request import Head
from worlds.wired import (
    SINGLE_READ,
    Wired,
    await_kill,
    kill_at,
    secret_making,
    secret_patch_of,
    status_patch_of,
)


@dataclass(frozen=True)
class Crash:
    """Where it dies, and what was true then."""

    request: Callable[[Head], bool]
    wire: str
    done: bool
    """Whether the server does what the last request asks."""
    entry: bytes
    """What the Secret holds at the crash."""
    reads: int
    """Values read for the change, before the crash and after it."""


CRASHES = {
    "between-note-and-read": Crash(SINGLE_READ, "aws", done=False, entry=b"first", reads=1),
    "as-the-value-comes": Crash(SINGLE_READ, "aws", done=True, entry=b"first", reads=2),
    "between-read-and-write": Crash(
        secret_patch_of("app"), "kube", done=False, entry=b"first", reads=2
    ),
    "before-it-knows-of-the-write": Crash(
        secret_patch_of("app"), "kube", done=True, entry=b"second", reads=2
    ),
    "between-write-and-ledger": Crash(
        status_patch_of("app"), "kube", done=False, entry=b"second", reads=2
    ),
    "before-it-knows-of-the-ledger": Crash(
        status_patch_of("app"), "kube", done=True, entry=b"second", reads=1
    ),
}


@pytest.mark.parametrize("crash", CRASHES.values(), ids=CRASHES.keys())
def test_killed_on_the_way_of_a_change_it_brings_it_at_most_one_read_dearer(
    wired: Wired, crash: Crash
) -> None:
    spine = wired.spine
    spine.create("db", "first")
    spine.create("mail", "kept")
    spine.listener()
    first = wired.reconciler()
    wired.serve("app", "db", "mail")
    spine.await_reason("app", "Synced")
    before = wired.reads()
    version = spine.change("db", "second")
    killed = kill_at(first, getattr(wired, crash.wire), crash.request, done=crash.done)
    spine.announce("db", version)
    await_kill(first, killed)

    assert spine.data("app") == {"db": crash.entry, "mail": b"kept"}

    wired.reconciler()
    wired.await_synced("app", version, "db")
    assert spine.data("app") == {"db": b"second", "mail": b"kept"}
    assert spine.ready("app")["status"] == "True"
    wired.await_worked_off()
    assert wired.reads() - before == crash.reads


@pytest.mark.parametrize("made", [False, True])
def test_killed_while_it_makes_a_secret_it_makes_it_one_read_dearer(
    wired: Wired, *, made: bool
) -> None:
    spine = wired.spine
    spine.create("db", "first")
    first = wired.reconciler()
    killed = kill_at(first, wired.kube, secret_making, done=made)
    wired.serve("app", "db")
    await_kill(first, killed)

    assert spine.data("app") == ({"db": b"first"} if made else {})
    assert "synced" not in wired.leaves("app")

    wired.reconciler()
    spine.await_reason("app", "Synced")
    assert spine.data("app") == {"db": b"first"}
    assert wired.reads() == 2
