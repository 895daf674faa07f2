"""What `hark diff` says of one ExternalSecret, and how it is laid out."""

import base64
import json

import pytest

from externalsecret.errors import GiveUp, HarkError, Retry
from hark.diff.report import as_json, as_table
from hark.diff.verdict import Would, judge
from hark.diff.writes import Writes
from reconciler.report import Outcome

KEY = ("shop", "db")
OLD = {"user": b"old", "same": b"equal"}
EMPTY = Writes()


def _encoded(**entries: bytes | None) -> dict[str, str | None]:
    return {
        name: None if value is None else base64.b64encode(value).decode()
        for name, value in entries.items()
    }


def test_entries_are_told_apart_by_what_becomes_of_them() -> None:
    body = {"data": _encoded(user=b"new", same=b"equal", more=b"x", gone=None)}
    writes = EMPTY.then("PATCH", {**OLD, "gone": b"x"}, body)
    assert (writes.changed, writes.added, writes.removed) == (
        frozenset({"user"}),
        frozenset({"more"}),
        frozenset({"gone"}),
    )


def test_several_writes_of_one_pass_add_up() -> None:
    label = {"metadata": {"uid": "1", "labels": {"a": "b"}}}
    writes = EMPTY.then("PATCH", OLD, {"data": _encoded(user=b"new")}).then("PATCH", OLD, label)
    assert writes.changed == frozenset({"user"})
    assert writes.metadata == frozenset({"metadata.labels"})


@pytest.mark.parametrize(
    ("writes", "error", "would"),
    [
        (EMPTY, None, Would.NOTHING),
        (EMPTY, GiveUp("no", reason="Denied"), Would.REFUSE),
        (EMPTY, Retry("away", reason="Throttled"), Would.WAIT),
        (EMPTY.then("POST", {}, {"data": _encoded(a=b"b")}), None, Would.CREATE),
        (EMPTY.then("PATCH", OLD, {"data": _encoded(user=b"new")}), None, Would.CHANGE),
        (
            EMPTY.then("PATCH", OLD, {"data": _encoded(user=b"new")}),
            GiveUp("another key", reason="Denied"),
            Would.CHANGE,
        ),
        (EMPTY.then("PATCH", OLD, {"metadata": {"labels": {}}}), None, Would.ADOPT),
        (EMPTY.then("PATCH", OLD, {"metadata": {"annotations": {}}}), None, Would.NOTHING),
        (EMPTY.then("DELETE", OLD, {}).then("POST", OLD, {"data": {}}), None, Would.RECREATE),
    ],
)
def test_the_verdict_follows_from_the_writes_and_the_end(
    writes: Writes, error: HarkError | None, would: Would
) -> None:
    assert judge(KEY, writes, Outcome(error)).would is would


def test_a_suspended_object_is_told_as_such() -> None:
    assert judge(KEY, EMPTY, Outcome(is_suspended=True)).would is Would.REST


def test_a_long_list_of_entries_is_cut_in_the_table_and_whole_in_json() -> None:
    many = {f"entry-{number}": b"x" for number in range(20)}
    verdict = judge(KEY, EMPTY.then("POST", {}, {"data": _encoded(**many)}), Outcome())
    assert "and 12 more" in as_table([verdict], 1)
    assert len(json.loads(as_json([verdict], 1))["externalSecrets"][0]["add"]) == 20


def test_the_table_wraps_within_its_width_and_sums_up() -> None:
    sentence = "A sentence that tells the user what to do about it. " * 4
    verdicts = [
        judge(KEY, EMPTY, Outcome(GiveUp(sentence, reason="Denied"))),
        judge(("a", "b"), EMPTY, Outcome()),
    ]
    *lines, summary = as_table(verdicts, 3).splitlines()
    assert all(len(line) <= 100 for line in lines)
    assert lines[1].split()[:2] == ["a", "b"]
    assert summary == (
        "2 ExternalSecrets: 1 in step, 1 refuse. 3 secret values read; nothing was written."
    )


def test_nothing_found_is_said() -> None:
    assert as_table([], 0) == (
        "No ExternalSecret was found. 0 secret values read; nothing was written."
    )
