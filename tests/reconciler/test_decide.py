from dataclasses import replace

import pytest

from externalsecret.errors import GiveUp, Retry
from externalsecret.identity import Backend, SecretId, google_secret
from externalsecret.ledger import Entry, Heard, Synced
from externalsecret.manifest import read_manifest
from externalsecret.redacted import Redacted
from externalsecret.reference import Reference, Select, Selector
from fakes.resources import DEFAULTS as DEFAULT_REGION
from fakes.resources import reference
from reconciler import decide
from reconciler.backends.contract import CannotLook, Remark, Value, Versions
from reconciler.decide import Covered, Failed, Later, Settled, Verdict
from reconciler.jobs import Job, Why, seconds_of
from reconciler.reads import Answer, Verb

OLD, NEW = "2026-01-01T00:00:00Z", "2026-01-02T00:00:00Z"


def job(
    why: Why, verb: Verb = Verb.READ, *, announced: str | None = None, held: str | None = "v1"
) -> Job:
    note = None if why is not Why.HEARD and announced is None else Heard("e", announced, NEW, "sqs")
    leaf = Synced("d", held, OLD, "spec", None, (), None) if held else None
    return Job(reference("db"), why, Entry(note, leaf), verb, 90.0, announced)


def read(version: str) -> Answer:
    return Answer(Value(Redacted(b"x"), version, ""), 200.0)


def look(current: str | None, *known: str, gone: str = "", pending: str = "") -> Answer:
    labels = {version: frozenset({"AWSPENDING"} if version == pending else ()) for version in known}
    if current is not None:
        labels.setdefault(current, frozenset({"AWSCURRENT"}))
    return Answer(Versions(current, labels, "", gone), 200.0)


def told(after: Job | Verdict) -> str:
    """A verdict or the next step in a word or two."""
    if isinstance(after, Job):
        return f"{after.verb} {after.version}"
    if isinstance(after, Settled):
        return f"settled {after.value.version}" + ("" if after.covers else " but open")
    return type(after).__name__


HEARD_V2 = job(Why.HEARD, announced="v2")
LOOK_V2 = job(Why.HEARD, Verb.LOOK, announced="v2")
LOOK_ANY = job(Why.HEARD, Verb.LOOK)
READ_V1 = replace(HEARD_V2, verb=Verb.LOOK, value=Value(Redacted(b"x"), "v1", ""))


@pytest.mark.parametrize(
    ("before", "answer", "after"),
    [
        # What was announced is what was read.
        (HEARD_V2, read("v2"), "settled v2"),
        # What was read is not what was announced: a look decides whether it is older or newer.
        (HEARD_V2, read("v1"), "look None"),
        (READ_V1, look("v1", "v2"), "settled v1"),
        (READ_V1, look("v1"), "settled v1 but open"),
        (READ_V1, look("v1", "v2", pending="v2"), "settled v1 but open"),
        (READ_V1, look("v2"), "read v2"),
        (READ_V1, look("v3", "v2"), "read v3"),
        (READ_V1, Answer(CannotLook(), 200.0), "settled v1 but open"),
        # A look comes first where the event may be old, or names no version.
        (LOOK_V2, look("v1", "v2"), "Covered"),
        (LOOK_V2, look("v1"), "Later"),
        (LOOK_V2, look("v2"), "read v2"),
        (LOOK_V2, Answer(CannotLook(), 200.0), "read v2"),
        (LOOK_ANY, look("v1"), "Later"),
        (LOOK_ANY, look("v2"), "read v2"),
        (LOOK_ANY, look(None), "read None"),
        (LOOK_ANY, look("v2", gone="It is marked for deletion."), "Failed"),
        (job(Why.HEARD), read("v2"), "settled v2"),
        # A new spec reads in any case; a look only tells which version a kept value must have.
        (job(Why.SPEC, held=None), read("v1"), "settled v1"),
        (job(Why.SPEC, announced="v2"), read("v1"), "look None"),
        (job(Why.SPEC, Verb.LOOK), look("v1"), "read v1"),
        (job(Why.SPEC, Verb.LOOK), look("v2"), "read v2"),
        # The sweep has looked already; a repair wants the value.
        (job(Why.SWEEP), read("v2"), "settled v2"),
        (job(Why.REPAIR), read("v1"), "settled v1"),
        (HEARD_V2, Answer(GiveUp("no", reason="Denied"), 200.0), "Failed"),
        (LOOK_V2, Answer(Retry("away", reason="Away"), 200.0), "Failed"),
    ],
)
def test_an_answer_is_the_end_of_a_job_or_leads_to_its_next_step(
    before: Job, answer: Answer, after: str
) -> None:
    assert told(decide.advance(before, answer)) == after


def test_the_next_step_must_be_answered_by_a_call_that_began_no_earlier() -> None:
    after = decide.advance(LOOK_V2, look("v2"))
    assert isinstance(after, Job)
    assert (after.since, after.ask().since) == (200.0, 200.0)


@pytest.mark.parametrize(
    ("spent", "after"),
    [
        (replace(LOOK_V2, steps=decide.MOST_STEPS), "Later"),
        (replace(READ_V1, steps=decide.MOST_STEPS), "settled v1 but open"),
    ],
)
def test_a_pass_spends_a_few_steps_on_a_key_and_then_waits(spent: Job, after: str) -> None:
    assert told(decide.advance(spent, look("v9"))) == after


def test_a_backend_that_changes_with_every_answer_ends_too() -> None:
    after: Job | Verdict = HEARD_V2
    for number in range(20):
        if not isinstance(after, Job):
            break
        version = f"v{number + 10}"
        after = decide.advance(after, read(version) if after.verb is Verb.READ else look(version))
    assert not isinstance(after, Job)


@pytest.mark.parametrize(
    ("announced", "current", "after"),
    [("4", "5", "Covered"), ("5", "5", "Covered"), ("6", "5", "Later"), ("x", "5", "Covered")],
)
def test_parameters_are_counted_and_only_the_last_version_is_listed(
    announced: str, current: str, after: str
) -> None:
    wanted = {"backendType": "systemManager", "data": [{"key": "/db", "name": "password"}]}
    (parameter,) = read_manifest(wanted, DEFAULT_REGION).references.values()
    begun = job(Why.HEARD, Verb.LOOK, announced=announced, held=current)
    begun = replace(begun, reference=parameter)
    assert told(decide.advance(begun, look(current))) == after


@pytest.mark.parametrize("covered", [Covered(), Later()])
def test_where_the_secret_may_have_lost_the_value_it_is_read_although_nothing_changed(
    covered: Covered | Later,
) -> None:
    assert told(decide.with_value(LOOK_V2, covered)) == "read v1"
    spent = replace(LOOK_V2, steps=decide.MOST_STEPS)
    assert decide.with_value(spent, covered) is covered


def test_what_has_its_value_or_its_error_needs_no_more() -> None:
    for end in (Settled(Value(Redacted(b"x"), "v1", "")), Failed(GiveUp("no", reason="Denied"))):
        assert decide.with_value(LOOK_V2, end) is end


MADE_LATER = seconds_of(NEW)


@pytest.mark.parametrize("announced", [None, "1"])
def test_a_secret_that_was_made_anew_is_read_although_its_number_is_the_same(
    announced: str | None,
) -> None:
    begun = job(Why.HEARD, Verb.LOOK, announced=announced, held="1")
    seen = Answer(Versions("1", {"1": frozenset()}, "", made=MADE_LATER), 200.0)
    after = decide.advance(begun, seen)
    assert isinstance(after, Job)
    assert (after.verb, after.since, after.ask().version) == (Verb.READ, 200.0, None)
    assert told(decide.advance(after, read("1"))) == "settled 1"


def test_what_is_to_be_known_of_a_version_that_did_not_change_stays_with_the_verdict() -> None:
    remark = Remark("SecretExpired", "It expired.")
    seen = Answer(Versions("v1", {"v1": frozenset()}, "", remark=remark), 200.0)
    for begun, after in (
        (LOOK_ANY, Later(is_doubt=True, remark=remark)),
        (job(Why.SWEEP, Verb.LOOK), Covered(200.0, remark)),
    ):
        assert decide.advance(begun, seen) == after


def test_googles_versions_are_counted() -> None:
    google = Reference("e", google_secret("db"), "db", Selector(Select.LATEST), "-")
    begun = job(Why.HEARD, Verb.LOOK, announced="4", held="5")
    assert told(decide.advance(replace(begun, reference=google), look("5"))) == "Covered"


def test_why_a_listed_version_cannot_be_read_is_the_backends_word() -> None:
    seen = Versions("1", {}, "", "It is disabled.", "Disabled")
    after = decide.advance(LOOK_V2, Answer(seen, 200.0))
    assert isinstance(after, Failed)
    assert (after.error.reason, str(after.error)) == ("Disabled", "It is disabled.")


@pytest.mark.parametrize("why", [Why.SWEEP, Why.REPAIR])
def test_a_read_that_is_not_what_was_expected_is_looked_at_without_a_note_too(why: Why) -> None:
    """An old answer to a read must not pass for what the sweep saw, or for what was lost."""
    after = decide.advance(replace(job(why), version="v3"), read("v2"))
    assert isinstance(after, Job)
    assert (after.verb, after.since) == (Verb.LOOK, 200.0)

    again = decide.advance(after, look("v3"))
    assert isinstance(again, Job)
    assert (again.verb, again.version) == (Verb.READ, "v3")


def test_an_announced_number_is_the_version_of_a_parameter_that_was_modified_then() -> None:
    parameter = Reference(
        "e", SecretId(Backend.PARAMETER_STORE, "db"), "db", Selector(Select.LATEST), "r"
    )
    assert decide.is_version(parameter, "5", "5@1700000000")
    assert not decide.is_version(parameter, "5", "6@1700000000")
    assert not decide.is_version(parameter, "5@1", "5@2")


@pytest.mark.parametrize(
    ("announced", "made_before_read", "after"),
    [
        # It may be that of the same number, of a secret that was deleted and made anew.
        (None, 20.0, "read None"),
        (None, 40.0, "Later"),
        # A note that names the version says nothing of the kind.
        ("1", 20.0, "Covered"),
    ],
)
def test_a_version_made_about_when_it_was_read_is_read_again_where_something_changed(
    announced: str | None, made_before_read: float, after: str
) -> None:
    begun = job(Why.HEARD, Verb.LOOK, announced=announced, held="1")
    made = (seconds_of(OLD) or 0.0) - made_before_read
    seen = Answer(Versions("1", {"1": frozenset()}, "", made=made), 200.0)
    assert told(decide.advance(begun, seen)) == after
