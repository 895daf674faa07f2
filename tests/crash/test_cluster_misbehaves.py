"""The cluster goes away, objects come back under their names, halves start anew with all done."""

import secrets
import threading
from collections.abc import Callable, Iterator

import pytest

from externalsecret import definitions
from testbed.actions import before
from testbed.cluster import Cluster
from testbed.controlplane import ControlPlane
from testbed.moto import Moto
from testbed.proxy import WireProxy
from testbed.request import Head, aws
from worlds.spine import Spine, await_until
from worlds.wired import ACKNOWLEDGE, OUTAGE, RECEIVE, Wired, status_patch_of

KEPT_HIDDEN = aws("ChangeMessageVisibilityBatch")


@pytest.fixture
def lonely(
    control_plane: ControlPlane,
    install_crd: Callable[[Cluster, str, str], None],
    moto: Moto,
    moto_proxy: WireProxy,
    aws_account: str,
) -> Iterator[Wired]:
    """As `wired`, on a cluster of its own that may be taken away."""
    install_crd(control_plane, definitions.crd(), "fingerprint")
    namespace = f"test-{secrets.token_hex(4)}"
    control_plane.request("POST", "/api/v1/namespaces", {"metadata": {"name": namespace}})
    spine = Spine(control_plane, namespace, moto, aws_account, endpoint=moto_proxy.url)
    with WireProxy(control_plane.url, control_plane.ca_file) as kube:
        yield Wired(spine, kube, moto_proxy)
        spine.close()


def test_what_comes_while_the_api_server_is_away_is_kept_and_worked_off(
    lonely: Wired, control_plane: ControlPlane
) -> None:
    names = ["db", "mail", "shop"]
    spine = lonely.spine
    for name in names:
        spine.create(name, "first")
    lonely.hide_for(1)
    lonely.reconciler()
    lonely.listener()
    for name in names:
        lonely.serve(name, name)
    for name in names:
        spine.await_reason(name, "Synced")
    gone = lonely.kube.when(status_patch_of("db"), before(control_plane.stop_apiserver))
    versions = {"db": spine.change_and_announce("db", "second")}
    gone.wait()
    # Longer than the queue hides a message: only what is held on purpose does not come again.
    lonely.aws.wait_for(KEPT_HIDDEN, count=4)
    for name in names[1:]:
        versions[name] = spine.change_and_announce(name, "second")
    received = lonely.aws.count(RECEIVE)
    lonely.aws.wait_for(KEPT_HIDDEN, count=8)
    threading.Event().wait(OUTAGE)
    # Nothing wears out its deliveries meanwhile; a long poll may have been under way.
    assert lonely.aws.count(RECEIVE) <= received + 1
    assert lonely.aws.count(ACKNOWLEDGE) == 0
    assert lonely.undone() == 3
    assert lonely.dead() == 0

    control_plane.start_apiserver()
    for name in names:
        lonely.await_synced(name, versions[name])
        assert spine.data(name) == {name: b"second"}
    lonely.await_worked_off()
    assert lonely.reads() == 6


def test_an_object_that_comes_back_under_its_name_starts_anew(wired: Wired) -> None:
    spine = wired.spine
    spine.create("db", "first")
    wired.reconciler()
    wired.listener()
    wired.serve("app", "db")
    spine.await_reason("app", "Synced")
    version = spine.change_and_announce("db", "second")
    wired.await_synced("app", version)
    former = spine.get("app")["metadata"]["uid"]

    spine.delete("app")
    wired.serve("app", "db")

    uid = spine.get("app")["metadata"]["uid"]
    assert uid != former
    await_until(lambda: spine.status("app").get("uid"), lambda seen: seen == uid, "its own ledger")
    spine.await_reason("app", "Synced")
    assert wired.leaves("app")["synced"]["via"] == "spec"

    def owners() -> list[str]:
        secret = spine.secret("app") or {"metadata": {}}
        return [owner["uid"] for owner in secret["metadata"].get("ownerReferences", [])]

    await_until(owners, lambda found: found == [uid], "the Secret belongs to the new object")
    spine.await_data("app", db=b"second")


def test_a_restart_of_both_halves_with_all_done_reads_and_writes_nothing(wired: Wired) -> None:
    names = ["db", "mail", "shop"]
    spine = wired.spine
    for name in names:
        spine.create(name, "first")
    reconciler = wired.reconciler()
    listener = wired.listener()
    for name in names:
        wired.serve(name, name)
    for name in names:
        version = spine.change_and_announce(name, "second")
        wired.await_synced(name, version)
    wired.await_worked_off()
    assert reconciler.terminate() == 0
    assert listener.terminate() == 0
    asked, written, received = (
        wired.aws.count(_asks_of_secrets),
        wired.kube.count(_writes),
        wired.aws.count(RECEIVE),
    )

    reconciler = wired.reconciler()
    wired.listener()
    await_until(
        lambda: reconciler.metric("hark_reconciler_reconciles_total"),
        lambda count: count >= len(names),
        "every object was looked at",
    )
    wired.aws.wait_for(RECEIVE, count=received + 1)
    # Whatever else the start had to do would go before a change that comes now.
    version = spine.change_and_announce("db", "third")
    wired.await_synced("db", version)
    wired.await_worked_off()
    assert wired.aws.count(_asks_of_secrets) == asked + 1
    # The note, the Secret, the ledger.
    assert wired.kube.count(_writes) == written + 3


def _asks_of_secrets(head: Head) -> bool:
    return head.aws_operation in {
        "GetSecretValue",
        "BatchGetSecretValue",
        "DescribeSecret",
        "ListSecrets",
    }


def _writes(head: Head) -> bool:
    """Requests that change something; the lease and the Kubernetes Events are no work."""
    aside = ("/leases", "/events")
    return head.method not in {"GET", "HEAD"} and not any(part in head.path for part in aside)
