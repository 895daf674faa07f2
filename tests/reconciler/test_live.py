from typing import Any

import pytest

from externalsecret.resource import MANAGED_LABEL
from fakes.resources import Clock, external_secret
from reconciler.live import LiveSecrets, owner_reference, read_live

KEY = ("team", "shop")


def secret(version: int, **metadata: Any) -> dict[str, Any]:
    known = {"namespace": "team", "name": "shop", "uid": "s1", "resourceVersion": str(version)}
    return {"metadata": {**known, **metadata}}


@pytest.fixture
def woken() -> list[tuple[str, str]]:
    return []


@pytest.fixture
def live(woken: list[tuple[str, str]]) -> LiveSecrets:
    return LiveSecrets(lambda key, _urgent: woken.append(key))


def _version(live: LiveSecrets) -> str | None:
    known = live.get(KEY)
    return None if known is None else known.version


def test_a_change_wakes_its_external_secret(live: LiveSecrets, woken: list[object]) -> None:
    live.upsert(secret(1))
    live.upsert(secret(2))
    assert woken == [KEY, KEY]


def test_the_echo_of_our_own_write_wakes_nobody(live: LiveSecrets, woken: list[object]) -> None:
    assert live.replace(secret(5))
    live.upsert(secret(5))
    live.upsert(secret(4))
    assert woken == []
    assert _version(live) == "5"


def test_what_is_gone_wakes_and_an_older_state_does_not_bring_it_back(
    live: LiveSecrets, woken: list[object]
) -> None:
    live.upsert(secret(1))
    live.remove(secret(7))
    assert not live.replace(secret(6))
    assert _version(live) is None
    assert woken == [KEY, KEY]
    assert live.replace(secret(8))


def test_the_end_of_a_predecessor_does_not_end_what_is_newer(
    live: LiveSecrets, woken: list[object]
) -> None:
    live.replace(secret(9))
    live.remove(secret(7))
    assert _version(live) == "9"
    assert woken == []


def test_what_a_list_lacks_is_gone(live: LiveSecrets, woken: list[object]) -> None:
    live.replace(secret(1))
    live.listed({KEY})
    assert (_version(live), woken) == ("1", [])
    live.listed(set())
    assert (_version(live), woken) == (None, [KEY])


def test_what_is_forgotten_may_be_learned_again(live: LiveSecrets) -> None:
    live.replace(secret(3))
    live.forget(KEY)
    assert live.replace(secret(3))


def test_entries_belong_to_the_last_who_changed_them() -> None:
    managed = [
        {"manager": "hark", "fieldsV1": {"f:data": {".": {}, "f:a": {}}, "f:metadata": {}}},
        {"manager": "kubectl-edit", "fieldsV1": {"f:data": {"f:b": {}}}},
        {"manager": "hark", "fieldsV1": {"f:type": {}}},
        {"manager": "hark"},
    ]
    assert read_live(secret(1, managedFields=managed)).owned == {"a"}
    assert read_live(secret(1)).owned == frozenset()


def test_an_owner_is_ours_by_name_and_exactly_ours_by_uid() -> None:
    es, successor = external_secret(), external_secret(uid="u2")
    other = {"kind": "ConfigMap", "name": "shop", "uid": "c1"}
    found = read_live(secret(1, ownerReferences=[other, owner_reference(es)]))
    assert found.is_owned_by(es)
    assert not found.is_owned_by(successor)
    assert found.owner(successor) == owner_reference(es)
    assert read_live(secret(1, ownerReferences=[other])).owner(es) is None


@pytest.mark.parametrize(("labels", "has"), [({MANAGED_LABEL: "hark"}, True), ({}, False)])
def test_the_label_says_whose_it_is(labels: dict[str, str], *, has: bool) -> None:
    assert read_live(secret(1, labels=labels)).has_label() is has


def test_what_is_gone_is_remembered_for_a_while_without_any_list() -> None:
    clock = Clock()
    live = LiveSecrets(lambda _key, _urgent: None, clock)
    live.remove(secret(7))
    assert not live.replace(secret(6))
    clock.seconds += 700
    other = secret(8)
    other["metadata"]["name"] = "other"
    live.remove(other)
    assert live.replace(secret(6))


def test_whose_labels_and_annotations_are_is_read_from_managed_fields() -> None:
    def managed(manager: str, **fields: Any) -> dict[str, Any]:
        metadata: dict[str, Any] = {f"f:{part}": {f"f:{name}": {}} for part, name in fields.items()}
        return {"manager": manager, "fieldsV1": {"f:metadata": {**metadata, "f:name": {}}}}

    ours = managed("hark", labels="a", annotations="example.org/b")
    found = read_live(secret(1, managedFields=[ours, managed("kubectl", labels="c")]))
    assert found.owned_labels == {"a"}
    assert found.owned_annotations == {"example.org/b"}
