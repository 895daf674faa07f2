import dataclasses

import pytest

from externalsecret.redacted import Redacted
from externalsecret.reference import Identity
from fakes.resources import LANE, entry_of, reference
from reconciler.backends.contract import Value, Versions
from reconciler.cache import Cache, satisfies
from reconciler.reads import Answer, Ask, Verb

DB = (LANE, entry_of("db"))


def value(version: str, size: int = 1) -> Value:
    return Value(Redacted(b"x" * size), version, "")


def ask(since: float, version: str | None = None, verb: Verb = Verb.READ) -> Ask:
    return Ask(verb, reference("db"), since, version)


@pytest.mark.parametrize(
    ("asked", "answer", "will_do"),
    [
        (ask(5), Answer(value("v1"), 5), True),
        (ask(5), Answer(value("v1"), 4.9), False),
        (ask(5, "v1"), Answer(value("v1"), 1), True),
        (ask(5, "v2"), Answer(value("v1"), 1), False),
        (ask(5, "v2"), Answer(value("v1"), 6), True),
        (ask(5, "v1", Verb.LOOK), Answer(Versions("v1", {}, ""), 1), False),
    ],
)
def test_an_answer_will_do_when_it_is_young_enough_or_carries_the_version(
    asked: Ask, answer: Answer, *, will_do: bool
) -> None:
    assert satisfies(asked, answer) is will_do


def test_what_is_kept_is_found_again() -> None:
    cache = Cache(10_000)
    answer = Answer(value("v1"), 5)
    cache.keep(Verb.READ, DB, answer)
    assert cache.find(ask(5), DB) is answer
    assert cache.find(ask(6), DB) is None
    assert cache.has_value(DB)


def test_nobody_gets_what_another_identity_read() -> None:
    cache = Cache(10_000)
    cache.keep(Verb.READ, DB, Answer(value("v1"), 5))
    other = (dataclasses.replace(LANE, identity=Identity("arn:aws:iam::1:role/other")), DB[1])
    assert cache.find(ask(0), other) is None
    assert not cache.has_value(other)


def test_a_look_is_no_value() -> None:
    cache = Cache(10_000)
    cache.keep(Verb.LOOK, DB, Answer(Versions("v1", {}, ""), 5))
    assert not cache.has_value(DB)
    assert cache.find(ask(0), DB) is None
    assert cache.find(ask(0, verb=Verb.LOOK), DB) is not None


def test_the_answer_of_the_later_call_wins_whichever_comes_last() -> None:
    cache = Cache(10_000)
    cache.keep(Verb.READ, DB, Answer(value("v2"), 6))
    cache.keep(Verb.READ, DB, Answer(value("v1"), 5))
    found = cache.find(ask(0), DB)
    assert found is not None
    assert found.began == 6


def test_the_least_recently_used_goes_when_the_bound_is_reached() -> None:
    cache = Cache(3 * 1500)
    reads = [(LANE, entry_of(name)) for name in "abcd"]
    for read in reads[:3]:
        cache.keep(Verb.READ, read, Answer(value("v1", 1000), 1))
    cache.find(ask(0), reads[0])
    cache.keep(Verb.READ, reads[3], Answer(value("v1", 1000), 1))
    assert [cache.has_value(read) for read in reads] == [True, False, True, True]


def test_a_newer_answer_gives_back_the_weight_of_the_older() -> None:
    cache = Cache(3000)
    other = (LANE, entry_of("other"))
    cache.keep(Verb.READ, other, Answer(value("v1", 100), 1))
    for began in range(10):
        cache.keep(Verb.READ, DB, Answer(value("v1", 1000), began))
    assert cache.has_value(other)


def test_what_is_heavier_than_the_bound_is_not_kept_and_pushes_nothing_out() -> None:
    cache = Cache(2000)
    other = (LANE, entry_of("other"))
    cache.keep(Verb.READ, other, Answer(value("v1"), 1))
    cache.keep(Verb.READ, DB, Answer(value("v1", 5000), 1))
    assert not cache.has_value(DB)
    assert cache.has_value(other)


def test_the_members_of_a_path_are_weighed_together() -> None:
    cache = Cache(2000)
    members = {name: Redacted(b"x" * 900) for name in "ab"}
    cache.keep(Verb.READ, DB, Answer(Value(members, "v1", ""), 1))
    assert not cache.has_value(DB)


def test_a_version_is_news_only_once() -> None:
    cache = Cache(1000)
    assert cache.current(DB) is None
    assert cache.confirm(DB, "v1")
    assert not cache.confirm(DB, "v1")
    assert cache.confirm(DB, "v2")
    assert cache.current(DB) == "v2"


def test_what_nobody_reads_any_more_is_forgotten() -> None:
    cache = Cache(2000)
    other = (LANE, entry_of("other"))
    for read in (DB, other):
        cache.keep(Verb.READ, read, Answer(value("v1"), 1))
        cache.confirm(read, "v1")
    cache.retain({other})
    assert (cache.has_value(DB), cache.current(DB)) == (False, None)
    assert (cache.has_value(other), cache.current(other)) == (True, "v1")


def test_what_an_older_call_told_to_be_current_changes_nothing() -> None:
    cache = Cache(10_000)
    assert cache.confirm(DB, "v3", 20.0)
    assert not cache.confirm(DB, "v2", 10.0)
    assert cache.current(DB) == "v3"
    assert cache.confirm(DB, "v4")


def test_what_was_read_before_the_version_was_made_is_outdated() -> None:
    cache = Cache(10_000)
    cache.keep(Verb.READ, DB, Answer(value("1"), 100.0))
    cache.outdate(DB, 100.0)
    assert cache.find(ask(200.0, "1"), DB) is not None
    cache.outdate(DB, 100.5)
    assert cache.find(ask(200.0, "1"), DB) is None
    assert not cache.has_value(DB)
