"""Events of Vault's as servers of several releases write them, and what they mean."""

from typing import Any

from listener.messages.meaning import Change
from listener.messages.vault import MADE

AT = "2026-11-20T09:15:42.394915-07:00"


def event(kind: str, mount: str = "secret/", **metadata: str) -> dict[str, Any]:
    """An event in the shape of Vault's page "Event notifications"."""
    return {
        "id": "901f2388-aabb-a385-7bc0-0b09d5fa060a",
        "source": "vault://vault-0",
        "specversion": "1.0",
        "type": "*",
        "time": AT,
        "datacontentype": "application/cloudevents",
        "data": {
            "event": {"id": "901f2388-aabb-a385-7bc0-0b09d5fa060a", "metadata": metadata},
            "event_type": kind,
            "plugin_info": {
                "mount_class": "secret",
                "mount_accessor": "kv_a6081d01",
                "mount_path": mount,
                "plugin": "kv",
                "version": "v0.20.0+builtin",
            },
        },
    }


ID = "901f2388-aabb-a385-7bc0-0b09d5fa060a"
V, G, B = Change.VALUE, Change.GONE, Change.BACK

EVENTS: dict[str, tuple[dict[str, Any], tuple[str, Change, str | None]]] = {
    "a write, with the mount": (
        event(
            "kv-v2/data-write",
            path="secret/data/shop/db",
            data_path="secret/data/shop/db",
            modified="true",
            operation="data-write",
            current_version="5",
            oldest_version="0",
        ),
        ("secret/data/shop/db", V, "5"),
    ),
    "a write of the experiment, without the mount": (
        event("kv-v2/data-write", path="data/shop/db", current_version="5"),
        ("secret/data/shop/db", V, "5"),
    ),
    "a patch": (
        event("kv-v2/data-patch", path="secret/data/db", modified="true", current_version="6"),
        ("secret/data/db", V, "6"),
    ),
    "a write without a version": (
        event("kv-v2/data-write", path="secret/data/db"),
        ("secret/data/db", V, None),
    ),
    "a deletion of the newest": (
        event("kv-v2/data-delete", path="secret/data/db", modified="true"),
        ("secret/data/db", G, None),
    ),
    "a deletion of versions": (
        event("kv-v2/delete", path="secret/delete/db", data_path="secret/data/db"),
        ("secret/data/db", G, None),
    ),
    "a deletion of versions, told by its own path": (
        event("kv-v2/delete", path="delete/db", current_version="3", deleted_versions='["3"]'),
        ("secret/data/db", G, None),
    ),
    "destruction": (
        event("kv-v2/destroy", path="destroy/shop/db", modified="true"),
        ("secret/data/shop/db", G, None),
    ),
    "undeletion": (
        event("kv-v2/undelete", path="secret/undelete/db", modified="true"),
        ("secret/data/db", B, None),
    ),
    "deletion of the metadata": (
        event("kv-v2/metadata-delete", path="secret/metadata/db", modified="true"),
        ("secret/data/db", G, None),
    ),
    "a mount with slashes": (
        event("kv-v2/data-write", "team/kv/", path="team/kv/data/db", current_version="1"),
        ("team/kv/data/db", V, "1"),
    ),
    "a mount called data": (
        event("kv-v2/data-write", "data/", path="data/data/db", current_version="1"),
        ("data/data/db", V, "1"),
    ),
    "a mount called data, of the experiment": (
        event("kv-v2/data-write", "data/", path="data/db", current_version="1"),
        ("data/data/db", V, "1"),
    ),
    "a name with data in it": (
        event("kv-v2/data-write", path="secret/data/data/db", current_version="1"),
        ("secret/data/data/db", V, "1"),
    ),
    "a write to version 1": (
        event("kv-v1/write", "kv/", path="kv/shop/db", operation="write", modified="true"),
        ("kv/shop/db", V, None),
    ),
    "a write to version 1, without the mount": (
        event("kv-v1/write", "kv/", path="shop/db"),
        ("kv/shop/db", V, None),
    ),
    "a deletion from version 1": (
        event("kv-v1/delete", "kv/", path="kv/shop/db"),
        ("kv/shop/db", G, None),
    ),
    "a look of Hark's own": (
        event(
            "kv-v2/data-write",
            path="secret/data/db",
            current_version="5",
            **{MADE: "2026-11-20T09:15:42.1Z"},
        ),
        ("secret/data/db", V, "5@2026-11-20T09:15:42.1Z"),
    ),
}
