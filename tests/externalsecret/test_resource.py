from typing import Any

import pytest

from externalsecret.resource import ExternalSecret, list_paths, read_resource, status_path
from fakes.resources import heard, raw


def _read(**fields: Any) -> ExternalSecret:
    return read_resource(raw(**fields))


def test_an_object_is_read_with_its_ledger() -> None:
    es = _read(status={"uid": "u1", "keys": {"k": {"heard": heard("e1")}}}, version=7)
    assert (es.key, es.uid, es.resource_version, es.generation) == (("team", "shop"), "u1", 7, 1)
    assert es.ledger.entry("k").heard is not None
    assert not es.is_going


def test_the_least_that_an_api_server_admits_is_read() -> None:
    es = read_resource({"metadata": {"name": "a", "uid": "u", "resourceVersion": "1"}})
    assert (es.key, es.generation, es.spec, es.status) == (("", "a"), 0, {}, {})
    assert es.ledger.is_foreign
    assert not es.may_adopt()
    assert not es.is_observed()


def test_an_object_that_is_being_deleted_is_going() -> None:
    going = raw()
    going["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    assert read_resource(going).is_going


READY = {"type": "Ready", "status": "True"}


@pytest.mark.parametrize(
    ("status", "observed", "settled"),
    [
        ({}, False, False),
        ({"uid": "u1", "observedGeneration": 1}, True, False),
        ({"uid": "u1", "observedGeneration": 1, "conditions": [READY]}, True, True),
        (
            {"uid": "u1", "observedGeneration": 1, "conditions": [{**READY, "status": "False"}]},
            True,
            False,
        ),
        ({"uid": "u1", "observedGeneration": 0, "conditions": [READY]}, False, False),
        ({"uid": "u0", "observedGeneration": 1, "conditions": [READY]}, False, False),
    ],
)
def test_a_spec_is_settled_when_it_was_served_to_the_end(
    status: dict[str, Any], *, observed: bool, settled: bool
) -> None:
    es = _read(status=status)
    assert (es.is_observed(), es.is_settled()) == (observed, settled)


@pytest.mark.parametrize(
    ("later", "same"),
    [
        ({"version": 9}, True),
        ({"status": {"uid": "u1", "status": "SUCCESS"}}, True),
        ({"status": {"uid": "u1", "keys": {"k": {"heard": heard("e1")}}}}, False),
        ({"generation": 2}, False),
        ({"uid": "u2"}, False),
    ],
)
def test_a_later_state_asks_for_more_when_spec_or_notes_moved(
    later: dict[str, Any], *, same: bool
) -> None:
    assert _read().is_same_task(_read(**later)) is same


def test_a_note_that_another_took_the_place_of_is_more_to_do() -> None:
    noted = [{"uid": "u1", "keys": {"k": {"heard": heard(one)}}} for one in ("e1", "e2")]
    assert not _read(status=noted[0]).is_same_task(_read(status=noted[1]))
    assert _read(status=noted[0]).is_same_task(_read(status=noted[0]))


def test_paths_lead_to_the_status_and_to_the_watched_namespaces() -> None:
    root = "/apis/kubernetes-client.io/v1"
    assert status_path(("team", "shop")) == f"{root}/namespaces/team/externalsecrets/shop/status"
    assert list_paths(()) == [f"{root}/externalsecrets"]
    assert list_paths(("a", "b")) == [
        f"{root}/namespaces/a/externalsecrets",
        f"{root}/namespaces/b/externalsecrets",
    ]
