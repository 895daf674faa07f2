"""Which namespaces an installation serves, with which rights, and whose objects in them."""

from http import HTTPStatus

from externalsecret import definitions
from testbed.cluster import Cluster
from testbed.moto import Moto
from worlds.spine import await_until, unique
from worlds.tenancy import Tenant, bind, everywhere, start, tenants
from worlds.whole import Whole

NOTES = "hark_listener_notes_written_total"


def test_several_namespaces_are_served_with_roles_in_them_alone(
    served_cluster: Cluster, moto: Moto
) -> None:
    with tenants(served_cluster, moto, 3) as found:
        one, two, unwatched = found
        key, role = unique("shared"), one.whole.own_role()
        one.whole.create(key, "first")
        start([one, two], "reconciler")
        listener = start([one, two], "listener")
        names = {tenant: tenant.serve(key, role) for tenant in found}
        for tenant in (one, two):
            tenant.await_value(names[tenant], "first")

        one.whole.change_and_announce(key, "second")

        for tenant in (one, two):
            tenant.await_value(names[tenant], "second")
        await_until(lambda: listener.metric(NOTES), lambda count: count >= 2, "notes are counted")
        assert listener.metric(NOTES) == 2
        assert unwatched.whole.status(names[unwatched]) == {}
        assert unwatched.whole.secret(names[unwatched]) is None


def test_a_missing_right_on_namespaces_is_told_and_nothing_is_read(
    served_cluster: Cluster, moto: Moto
) -> None:
    with tenants(served_cluster, moto, 1) as (tenant,):
        place = f"/apis/rbac.authorization.k8s.io/v1/namespaces/{tenant.namespace}"
        served_cluster.request("DELETE", f"{place}/roles/hark-reconciler")
        rules = definitions.rights("reconciler")[0]["rules"]
        lacking = [rule for rule in rules if rule["resources"] != ["namespaces"]]
        bind(tenant.whole, "reconciler", tenant.namespace, lacking)
        key = unique("db")
        tenant.whole.create(key, "value")
        name = tenant.serve(key)
        environment = {"WATCHED_NAMESPACES": tenant.namespace}
        reconciler = tenant.whole.installation.start("reconciler", environment=environment)

        sentence = "The right to get, list and watch namespaces is missing."
        status, said = await_until(
            lambda: reconciler.get("/readyz"), lambda answer: sentence in answer[1], sentence
        )
        assert status == HTTPStatus.SERVICE_UNAVAILABLE
        assert f"/api/v1/namespaces/{tenant.namespace}" in said
        await_until(reconciler.text, lambda log: sentence in log, "the log tells")
        assert tenant.whole.status(name) == {}
        assert tenant.whole.value_calls(key) == 0

        served_cluster.request("DELETE", f"{place}/roles/hark-reconciler")
        bind(tenant.whole, "reconciler", tenant.namespace, rules)
        reconciler.await_ready()
        tenant.await_value(name, "value")


def test_in_the_whole_cluster_a_namespace_that_comes_later_is_known_in_time(whole: Whole) -> None:
    mine = unique("instance")
    environment = {"INSTANCE_ID": mine, "WATCHED_NAMESPACES": ""}
    with everywhere(whole):
        whole.reconciler(environment=environment)
        key = unique("db")
        whole.create(key, "value")
        later = Tenant(whole, unique("later"))
        metadata = {"name": later.namespace}
        whole.cluster.request("POST", "/api/v1/namespaces", {"metadata": metadata})
        try:
            name = later.serve(key, controllerId=mine)
            later.await_value(name, "value")
            later.annotate(naming="^other$")
            later.denial(name)
            later.annotate(naming=None)
            later.await_value(name, "value")
        finally:
            whole.cluster.request("DELETE", f"/api/v1/namespaces/{later.namespace}")


def test_an_object_that_is_handed_over_is_forgotten_by_both_halves(whole: Whole) -> None:
    environment = {"INSTANCE_ID": "blue"}
    whole.reconciler(environment=environment)
    listener = whole.listener(environment=environment)
    shared, role = unique("shared"), whole.own_role()
    whole.create(shared, "first")
    spec = {"roleArn": role, "controllerId": "blue", "data": [{"key": shared, "name": "entry"}]}
    leaving, staying = unique("leaving"), unique("staying")
    for name in (leaving, staying):
        whole.apply(name, spec)
        whole.await_synced(name)

    whole.edit(leaving, {"spec": {"controllerId": "green"}})
    whole.pass_by(controllerId="blue")
    status = whole.status(leaving)
    whole.change_and_announce(shared, "second")
    whole.await_data(staying, entry=b"second")
    # Even what somebody does to its Secret is no longer ours to mend.
    edited = whole.edit_secret(leaving, {"metadata": {"labels": {"by": "hand"}}})
    whole.change_and_announce(shared, "third")
    whole.await_data(staying, entry=b"third")

    assert whole.status(leaving) == status
    assert whole.data(leaving) == {"entry": b"first"}
    secret = whole.secret(leaving)
    assert secret is not None
    assert secret["metadata"]["resourceVersion"] == edited["metadata"]["resourceVersion"]
    # One of them is that of the object which passed by.
    await_until(lambda: listener.metric(NOTES), lambda count: count >= 3, "notes are counted")
    assert listener.metric(NOTES) == 3

    whole.edit(leaving, {"spec": {"controllerId": "blue"}})
    whole.await_data(leaving, entry=b"third")
