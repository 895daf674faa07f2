"""Whose turn it is in the sweep."""

from typing import Any

from fakes.resources import LANE
from reconciler.paces import Paces

HOUR = 3600.0
A, B = ("team", "a"), ("team", "b")
DB, WEB = (LANE, "db"), (LANE, "web")


def _paces(**specs: dict[str, Any]) -> Paces:
    paces = Paces()
    for name, spec in specs.items():
        paces.note(("team", name), spec)
    return paces


def test_what_says_nothing_goes_with_the_installation() -> None:
    classes = _paces(a={}).classes({DB: {A}}, HOUR)
    assert classes == {None: {LANE: {"db"}}}


def test_a_shared_read_is_swept_once_at_the_shortest_interval() -> None:
    paces = _paces(a={"sweepInterval": "30s"}, b={"sweepInterval": "2h"})
    assert paces.classes({DB: {A, B}, WEB: {B}}, HOUR) == {
        30.0: {LANE: {"db"}},
        2 * HOUR: {LANE: {"web"}},
    }
    assert paces.intervals() == {30.0, 2 * HOUR}


def test_a_longer_interval_of_one_gives_way_to_that_of_the_installation_where_another_reads() -> (
    None
):
    paces = _paces(a={"sweepInterval": "2h"}, b={})
    assert paces.classes({DB: {A, B}}, HOUR) == {None: {LANE: {"db"}}}


def test_where_the_installation_does_not_sweep_those_are_swept_who_ask() -> None:
    paces = _paces(a={"sweepInterval": "2h"}, b={})
    assert paces.classes({DB: {A, B}, WEB: {B}}, None) == {2 * HOUR: {LANE: {"db"}}}


def test_what_only_suspended_objects_use_is_left_out() -> None:
    paces = _paces(a={"suspend": True, "sweepInterval": "30s"}, b={})
    assert paces.classes({DB: {A, B}, WEB: {A}}, HOUR) == {None: {LANE: {"db"}}}
    assert paces.intervals() == set()
    assert paces.suspended() == 1


def test_a_pace_that_makes_no_sense_counts_as_none() -> None:
    assert _paces(a={"sweepInterval": "1s"}).classes({DB: {A}}, HOUR) == {None: {LANE: {"db"}}}


def test_what_says_its_pace_no_more_is_forgotten() -> None:
    paces = _paces(a={"sweepInterval": "30s"})
    paces.note(A, {})
    assert paces.intervals() == set()
