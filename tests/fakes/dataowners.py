"""Who last changed an entry, label or annotation of a Secret, as the API server tells it in
managedFields.
"""

from collections.abc import Mapping
from typing import Any

_PLACES = (("data",), ("metadata", "labels"), ("metadata", "annotations"))
_Owners = dict[tuple[str, ...], str]
"""The manager of each field, by its place."""


def with_data_owners(
    held: Mapping[str, Any] | None, wanted: Mapping[str, Any], manager: str
) -> dict[str, Any]:
    """`wanted` with managedFields: a field that a write changed belongs to its `manager` alone."""
    before = {} if held is None else _fields(held)
    after = _fields(wanted)
    metadata = wanted["metadata"]
    known = {} if held is None else held["metadata"]
    owners = _owners(metadata.get("managedFields") or known.get("managedFields") or [])
    for place, value in after.items():
        if place not in owners or place not in before or before[place] != value:
            is_given = held is None and place in owners
            owners[place] = owners[place] if is_given else manager
    managed: dict[str, Any] = {}
    for place in sorted(after):
        tree = managed.setdefault(owners[place], {})
        for step in place:
            tree = tree.setdefault(f"f:{step}", {})
    fields = [_managed(one, tree) for one, tree in sorted(managed.items())]
    return {**wanted, "metadata": {**metadata, "managedFields": fields}}


def _fields(secret: Mapping[str, Any]) -> dict[tuple[str, ...], Any]:
    found: dict[tuple[str, ...], Any] = {}
    for place in _PLACES:
        names: Any = secret
        for step in place:
            names = names.get(step) or {}
        found |= {(*place, name): value for name, value in names.items()}
    return found


def _owners(managed: list[Mapping[str, Any]]) -> _Owners:
    owners: _Owners = {}
    for one in managed:
        for place in _PLACES:
            names: Any = one["fieldsV1"]
            for step in place:
                names = names.get(f"f:{step}") or {}
            owners |= {(*place, name.removeprefix("f:")): one["manager"] for name in names}
    return owners


def _managed(manager: str, tree: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "manager": manager,
        "operation": "Update",
        "apiVersion": "v1",
        "fieldsType": "FieldsV1",
        "fieldsV1": tree,
    }
