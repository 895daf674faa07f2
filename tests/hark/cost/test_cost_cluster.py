"""How `hark cost` lists a cluster: in chunks, with sentences for what it may not or cannot see."""

from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from externalsecret.dialect.contract import Defaults
from externalsecret.errors import GiveUp
from externalsecret.kubeapi import ApiRefusal
from hark.cost.census import Census
from hark.cost.cluster import CHUNK, count

KES = "/apis/kubernetes-client.io/v1"
ESO = "/apis/external-secrets.io"
SPEC = {"backendType": "secretsManager", "data": [{"key": "db", "name": "x"}]}


class _Api:
    """Answers lists in chunks; a path that is not there is a 404."""

    def __init__(
        self, lists: Mapping[str, int], *, refused: Mapping[str, int] | None = None
    ) -> None:
        self.asked: list[tuple[str, Mapping[str, str]]] = []
        self.expire_at = ""
        self._lists = lists
        self._refused = refused or {}

    def request(self, method: str, path: str, **options: Any) -> dict[str, Any]:
        assert method == "GET"
        query = options.get("query") or {}
        self.asked.append((path, query))
        if path in self._refused:
            raise ApiRefusal("no", self._refused[path])
        if path == ESO and any(one.startswith(ESO) for one in self._lists):
            return {"preferredVersion": {"version": "v1"}}
        if path not in self._lists:
            raise ApiRefusal("not found", 404)
        start = int(query.get("continue") or 0)
        if query.get("continue") == self.expire_at != "":
            self.expire_at = ""
            raise ApiRefusal("expired", 410)
        end = min(start + int(query["limit"]), self._lists[path])
        left = self._lists[path] - end
        more = {"continue": str(end), "remainingItemCount": left} if left else {}
        items = [
            {"metadata": {"uid": f"u{number}", "name": f"o{number}"}, "spec": SPEC}
            for number in range(start, end)
        ]
        return {"items": items, "metadata": more}

    def stream(self, *_: Any, **__: Any) -> Iterator[dict[str, Any]]:
        raise AssertionError("nothing is watched")


def _count(api: _Api, namespace: str = "") -> tuple[Census, list[str]]:
    told: list[str] = []
    return count(api, namespace, Defaults(region="us-east-1"), told.append), told


def test_a_long_list_comes_in_chunks_and_tells_how_far_it_is() -> None:
    api = _Api({f"{KES}/externalsecrets": 9 * CHUNK + 1})
    census, told = _count(api)
    assert census.kes == 9 * CHUNK + 1
    assert told == [
        "2,000 of about 4,501 externalsecrets.kubernetes-client.io read",
        "4,000 of about 4,501 externalsecrets.kubernetes-client.io read",
    ]
    assert [query["limit"] for path, query in api.asked if path.startswith(KES)] == [
        str(CHUNK)
    ] * 10


def test_a_list_that_took_too_long_is_begun_anew_and_counts_nothing_twice() -> None:
    api = _Api({f"{KES}/externalsecrets": 3 * CHUNK})
    api.expire_at = str(2 * CHUNK)
    assert _count(api)[0].kes == 3 * CHUNK


def test_both_kinds_are_listed_and_their_stores_and_nothing_else() -> None:
    lists = {
        f"{KES}/externalsecrets": 2,
        f"{ESO}/v1/externalsecrets": 3,
        f"{ESO}/v1/secretstores": 1,
        f"{ESO}/v1/clustersecretstores": 1,
    }
    api = _Api(lists)
    census, told = _count(api)
    assert (census.kes, census.eso, told) == (2, 3, [])
    assert {path for path, _ in api.asked} == {ESO, *lists}


def test_one_namespace_is_listed_alone() -> None:
    lists = {
        f"{KES}/namespaces/shop/externalsecrets": 2,
        f"{ESO}/v1/namespaces/shop/externalsecrets": 3,
        f"{ESO}/v1/namespaces/shop/secretstores": 1,
        f"{ESO}/v1/clustersecretstores": 1,
    }
    api = _Api(lists)
    census, _ = _count(api, "shop")
    assert (census.kes, census.eso) == (2, 3)


def test_a_cluster_without_external_secrets_is_told_in_a_sentence() -> None:
    with pytest.raises(GiveUp, match="knows ExternalSecrets neither of") as told:
        _count(_Api({}))
    assert "hark cost --objects" in told.value.message


def test_nothing_to_count_is_said() -> None:
    census = _count(_Api({f"{KES}/externalsecrets": 0}))[0]
    assert census.estates(None) == []


def test_an_empty_list_is_no_missing_definition() -> None:
    assert _count(_Api({f"{KES}/externalsecrets": 0}))[0].kes == 0


def test_a_missing_right_names_what_may_not_be_listed() -> None:
    lists = {f"{KES}/externalsecrets": 1, f"{ESO}/v1/externalsecrets": 1}
    refused = {f"{ESO}/v1/secretstores": 403}
    with pytest.raises(GiveUp, match=r"may not list secretstores\.external-secrets\.io"):
        _count(_Api(lists, refused=refused))
