"""Who last changed an entry of a Secret, as the API server tells it in managedFields."""

from collections.abc import Mapping
from typing import Any


def with_data_owners(
    held: Mapping[str, Any] | None, wanted: Mapping[str, Any], manager: str
) -> dict[str, Any]:
    """`wanted` with managedFields: an entry that a write changed belongs to its `manager` alone."""
    before = {} if held is None else held.get("data") or {}
    data = wanted.get("data") or {}
    metadata = wanted["metadata"]
    known = {} if held is None else held["metadata"]
    owners = _owners(metadata.get("managedFields") or known.get("managedFields") or [])
    for name, value in data.items():
        if name not in owners or name not in before or before[name] != value:
            is_given = held is None and name in owners
            owners[name] = owners[name] if is_given else manager
    managed: dict[str, dict[str, Any]] = {}
    for name in sorted(data):
        managed.setdefault(owners[name], {})[f"f:{name}"] = {}
    fields = [_managed(one, names) for one, names in sorted(managed.items())]
    return {**wanted, "metadata": {**metadata, "managedFields": fields}}


def _owners(managed: list[Mapping[str, Any]]) -> dict[str, str]:
    return {
        name.removeprefix("f:"): one["manager"]
        for one in managed
        for name in one["fieldsV1"]["f:data"]
    }


def _managed(manager: str, names: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "manager": manager,
        "operation": "Update",
        "apiVersion": "v1",
        "fieldsType": "FieldsV1",
        "fieldsV1": {"f:data": names},
    }
