"""The listener's right to write notes is taken away while it runs, as by an upgrade gone wrong."""

from collections.abc import Callable
from typing import Any

from externalsecret import definitions
from testbed.installation import grant
from worlds.rights import may
from worlds.spine import Spine, await_until
from worlds.wired import RECEIVE, Wired

RBAC = "/apis/rbac.authorization.k8s.io/v1"
ATTEMPTS = "hark_listener_notes_retried_total"


def test_changes_are_kept_while_the_right_to_note_them_is_lost(wired: Wired) -> None:
    spine = wired.spine
    names = ["db", "mail", "shop"]
    for name in names:
        spine.create(name, "first")
    wired.reconciler()
    listener = wired.listener()
    for name in names:
        wired.serve(name, name)
    for name in names:
        spine.await_reason(name, "Synced")
    wired.redrive_after(4)

    _let_only_look(spine)
    versions = {name: spine.change_and_announce(name, "second") for name in names}

    # Four times as long as the queue hides a message: what is not held ends with the dead letters.
    await_until(_patches(wired), lambda count: count >= 8, "notes were tried again and again")
    held = "hark_listener_messages_held"
    await_until(lambda: listener.metric(held), lambda count: count >= 2, "messages are held")
    received = wired.aws.count(RECEIVE)
    before = listener.metric(ATTEMPTS)
    await_until(lambda: listener.metric(ATTEMPTS), lambda count: count > before, "another attempt")
    # A long poll that was under way may end meanwhile.
    assert wired.aws.count(RECEIVE) <= received + 1
    assert wired.dead() == 0

    grant(
        spine.cluster, "listener", definitions.rights("listener"), spine.namespace, spine.namespace
    )
    for name in names:
        wired.await_synced(name, versions[name])
    wired.await_worked_off()


def test_a_refused_note_shows_in_the_events_of_the_object(wired: Wired) -> None:
    spine = wired.spine
    spine.create("db", "first")
    wired.reconciler()
    wired.listener()
    wired.serve("app", "db")
    spine.await_reason("app", "Synced")
    _let_only_look(spine)

    spine.change_and_announce("db", "second")

    def told() -> list[dict[str, Any]]:
        uid = spine.get("app")["metadata"]["uid"]
        # As kubectl describe asks.
        found = spine.cluster.request("GET", f"/api/v1/namespaces/{spine.namespace}/events")
        return [
            event
            for event in found["items"]
            if event["reason"] == "NoteRefused" and event["involvedObject"].get("uid") == uid
        ]

    (event, *_) = await_until(told, bool, "the Event is there")
    assert event["type"] == "Warning"
    assert "until the next sweep" in event["message"]


def _let_only_look(spine: Spine) -> None:
    """Leave the listener all rights but that to patch a status."""
    role = {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "Role",
        "metadata": {"name": "look"},
        "rules": [
            {
                "apiGroups": ["kubernetes-client.io"],
                "resources": ["externalsecrets"],
                "verbs": ["get", "list", "watch"],
            },
            {"apiGroups": [""], "resources": ["events"], "verbs": ["create"]},
        ],
    }
    roles = f"{RBAC}/namespaces/{spine.namespace}/roles"
    spine.cluster.create_if_absent(roles, role)
    grant(spine.cluster, "listener", [role], spine.namespace, spine.namespace)
    bindings = f"{RBAC}/namespaces/{spine.namespace}/rolebindings"
    spine.cluster.request("DELETE", f"{bindings}/hark-listener-{spine.namespace}")
    await_until(lambda: _may_note(spine), lambda allowed: not allowed, "the right is gone")


def _may_note(spine: Spine) -> bool:
    status = "externalsecrets.kubernetes-client.io/status"
    return may(spine.cluster, "listener", spine.namespace, "patch", status)


def _patches(wired: Wired) -> Callable[[], int]:
    """How many notes were tried since the start."""
    return lambda: wired.kube.count(
        lambda head: head.query.get("fieldManager") == "hark-listener" and head.method == "PATCH"
    )
