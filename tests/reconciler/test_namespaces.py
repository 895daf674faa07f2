from typing import Any

import pytest

from fakes.guards import NAMING, ROLE, Warden


@pytest.fixture
def changed() -> list[str]:
    return []


@pytest.fixture
def warden(changed: list[str]) -> Warden:
    return Warden(changed=changed.append)


def _events(warden: Warden) -> list[dict[str, Any]]:
    return [request.body for request in warden.api.made("POST", "/events")]


def test_a_namespace_that_was_not_seen_is_not_one_without_annotations(warden: Warden) -> None:
    assert warden.namespaces.annotations("team") is None
    warden.annotate("team")
    assert warden.namespaces.annotations("team") == {}


def test_of_other_annotations_is_kept_that_there_are_some(warden: Warden) -> None:
    warden.annotate("team", {"example.com/note": "x" * 1000})
    assert warden.namespaces.annotations("team") == {NAMING: "", ROLE: ""}
    warden.annotate("team", {NAMING: "a", "example.com/note": "x"})
    assert warden.namespaces.annotations("team") == {NAMING: "a", ROLE: ""}


def test_only_a_change_of_permissions_is_told(warden: Warden, changed: list[str]) -> None:
    warden.annotate("team", {NAMING: "a"})
    warden.annotate("team", {NAMING: "a", "example.com/note": "x"})
    warden.annotate("other")
    assert changed == ["team", "other"]
    warden.annotate("team", {NAMING: "b"})
    assert changed == ["team", "other", "team"]


def test_what_a_list_lacks_is_forgotten_also_when_it_speaks_of_one(warden: Warden) -> None:
    for name in ("one", "two", "three"):
        warden.annotate(name)
    warden.namespaces.listed(set(), "one")
    assert warden.namespaces.annotations("one") is None
    assert warden.namespaces.annotations("two") == {}
    warden.namespaces.listed({("", "two")})
    assert warden.namespaces.annotations("two") == {}
    assert warden.namespaces.annotations("three") is None
    warden.namespaces.remove({"metadata": {"name": "two"}})
    assert warden.namespaces.annotations("two") is None


def test_what_looks_like_a_list_is_told_once_for_each_change(warden: Warden) -> None:
    for annotations in ({NAMING: '["a"]'}, {NAMING: '["a"]', "example.com/x": "y"}, {NAMING: "a"}):
        warden.annotate("team", annotations)
    (event,) = _events(warden)
    assert event["reason"] == "DoubtfulAnnotation"
    assert event["involvedObject"]["kind"] == "Namespace"
    assert (event["metadata"]["namespace"], event["involvedObject"]["name"]) == ("team", "team")
    warden.annotate("team", {ROLE: "[1]"})
    assert len(_events(warden)) == 2
