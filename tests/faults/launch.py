"""Starts the product with one fault in it: `python tests/faults/launch.py ack-before-note listen`.

Used by test_suite_is_awake, to show that the tests of tests/crash turn red when a promise is
broken. The product knows nothing of this: a fault replaces one of its functions before it starts.
`no-fault` replaces nothing, and shows that it is the fault and not this file that turns tests red.
"""

import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from externalsecret.ledger import Heard
from externalsecret.reference import Reference
from externalsecret.reflect import Key
from externalsecret.resource import ExternalSecret
from hark.commands import main
from listener.hear import Hearer
from listener.notes import NoteWriter
from listener.pending import Done
from listener.sources.contract import Delivery
from reconciler import decide
from reconciler.apply import SecretWriter
from reconciler.backends.contract import Read, Value
from reconciler.backends.secretsmanager import SecretsManager
from reconciler.decide import Settled
from reconciler.frame import Change, Frame
from reconciler.jobs import Job
from reconciler.live import LiveSecret


def no_fault() -> None:
    """The product as it is."""


def ack_before_note() -> None:
    """A message is acknowledged when it was understood, and not when its change is noted."""
    honest = Hearer._note

    def note(self: Hearer, delivery: Delivery, *rest: Any) -> None:
        self._source.ack([delivery])
        honest(self, delivery, *rest)

    _put(Hearer, "_note", note)


def skip_version_check() -> None:
    """Whatever a read answers is taken for what was announced."""

    def after_read(job: Job, value: Value, began: float) -> Settled:
        assert job
        assert began
        return Settled(value)

    _put(decide, "_after_read", after_read)


def drop_a_note() -> None:
    """The first note of a process is said to be written and is not."""
    honest = NoteWriter.submit
    dropped: list[Key] = []

    def submit(self: NoteWriter, key: Key, notes: Mapping[str, Heard], done: Done | None) -> None:
        if dropped or done is None:
            honest(self, key, notes, done)
        else:
            dropped.append(key)
            done(True)

    _put(NoteWriter, "submit", submit)


def read_twice() -> None:
    """Every value is read twice."""
    honest = SecretsManager.read

    def read(self: SecretsManager, references: Sequence[Reference]) -> Mapping[str, Read]:
        honest(self, references)
        return honest(self, references)

    _put(SecretsManager, "read", read)


def drop_live_entries() -> None:
    """A Secret is written as a whole: what did not change now is taken for gone."""
    honest = SecretWriter.write

    def write(self: SecretWriter, es: ExternalSecret, frame: Frame, change: Change) -> LiveSecret:
        live = self._live.get(es.key)
        owned = frozenset() if live is None else live.owned
        gone = {*change.removed, *owned} - change.entries.keys()
        return honest(self, es, frame, Change(change.entries, gone))

    _put(SecretWriter, "write", write)


FAULTS: Mapping[str, Callable[[], None]] = {
    "no-fault": no_fault,
    "ack-before-note": ack_before_note,
    "skip-version-check": skip_version_check,
    "drop-a-note": drop_a_note,
    "read-twice": read_twice,
    "drop-live-entries": drop_live_entries,
}


def _put(place: object, name: str, fault: Callable[..., Any]) -> None:
    if not hasattr(place, name):
        sys.exit(f"{place!r} has no {name} any more: teach tests/faults/launch.py the new name.")
    setattr(place, name, fault)


if __name__ == "__main__":
    FAULTS[sys.argv.pop(1)]()
    sys.exit(main())
