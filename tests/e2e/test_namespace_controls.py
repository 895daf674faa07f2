"""What a platform team lets a namespace read, by annotations: checked before any call to AWS.

All rights here are Roles in the tenants' namespaces: none is bound in the whole cluster.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest

from testbed.actions import after
from testbed.cluster import Cluster
from testbed.installation import HarkProcess
from testbed.moto import Moto
from testbed.request import Request
from worlds.spine import await_until, unique
from worlds.tenancy import NAMING, ROLE, Tenant, canary, start, tenants
from worlds.whole import VALUE_CALLS, Whole

SLOW = "^(a+)+$"


@dataclass
class Estate:
    """A product at work, tenants that no test has taken yet, and all values that were planted."""

    free: list[Tenant]
    reconciler: HarkProcess
    used: list[Tenant] = field(default_factory=list)
    canaries: list[str] = field(default_factory=list)

    def tenant(self, **annotations: str | None) -> Tenant:
        """A namespace of the test's own, annotated so."""
        tenant = self.free.pop()
        self.used.append(tenant)
        if annotations:
            tenant.annotate(**annotations)
        return tenant

    def secret(self, prefix: str) -> tuple[str, str]:
        """(name, value) of a new secret in AWS."""
        name, value = unique(prefix), canary()
        self.canaries.append(value)
        self.used[0].whole.create(name, value)
        return name, value

    def leaks(self) -> list[str]:
        """Values that are told anywhere but in a Secret."""
        told = self.reconciler.text() + self.reconciler.get("/metrics")[1]
        for tenant in self.used:
            told += json.dumps(tenant.whole.everything("externalsecrets"))
            told += json.dumps(tenant.whole.everything("events"))
        return [one for one in self.canaries if one in told]


def _estate(cluster: Cluster, moto: Moto, count: int, **environment: str) -> Iterator[Estate]:
    with tenants(cluster, moto, count) as found:
        estate = Estate(found[:], start(found, "reconciler", DISABLE_POLLING="", **environment))
        yield estate
        assert estate.canaries
        assert estate.leaks() == []


@pytest.fixture(scope="module")
def estate(served_cluster: Cluster, moto: Moto) -> Iterator[Estate]:
    yield from _estate(served_cluster, moto, 10)


@pytest.fixture(scope="module")
def strict(served_cluster: Cluster, moto: Moto) -> Iterator[Estate]:
    """The same under enforcement, by the mere presence of the variable."""
    yield from _estate(served_cluster, moto, 2, ENFORCE_NAMESPACE_ANNOTATIONS="")


def _refusal(tenant: Tenant, name: str, reason: str) -> str:
    return f"ERROR, not allowed to fetch secret: {tenant.namespace}/{name}: {reason}"


def _asked(whole: Whole, key: str) -> int:
    return whole.value_calls(key) + whole.looks(key)


def test_a_permitted_key_is_read_and_a_denied_one_is_not_even_asked_for(estate: Estate) -> None:
    tenant = estate.tenant(naming="^team-a-")
    allowed, value = estate.secret("team-a-db")
    foreign, _ = estate.secret("team-b-db")

    denied = tenant.serve(foreign)
    by_options = tenant.serve(foreign, data=[], dataFromWithOptions=[{"key": foreign}])
    served = tenant.serve(allowed)

    tenant.await_value(served, value)
    reason = f"key name {foreign} does not match naming convention ^team-a-"
    for name in (denied, by_options):
        assert tenant.denial(name) == _refusal(tenant, name, reason)
        assert tenant.whole.secret(name) is None
        tenant.whole.await_event(name, "NotPermitted")
    assert _asked(tenant.whole, foreign) == 0


def test_every_reason_is_told_and_every_role_is_checked(estate: Estate) -> None:
    tenant = estate.tenant(naming="^team-a-", role=":role/team-a-")
    key, _ = estate.secret("db")
    role = tenant.whole.own_role()
    name = tenant.serve(key, role, vaultRole="other")
    said = "; ".join(
        [
            f"key name {key} does not match naming convention ^team-a-",
            f"namespace does not allow to assume role {role}",
            "namespace does not allow to assume role other",
        ]
    )
    assert tenant.denial(name) == _refusal(tenant, name, said)
    assert _asked(tenant.whole, key) == 0


def test_a_permission_that_comes_serves_at_once_and_one_that_goes_stops_at_once(
    estate: Estate,
) -> None:
    tenant = estate.tenant(naming="^nothing$")
    key, value = estate.secret("db")
    name = tenant.serve(key)
    tenant.denial(name)

    tenant.annotate(naming=f"^{key}$")
    tenant.await_value(name, value)
    assert tenant.whole.value_calls(key) == 1

    tenant.annotate(naming="^nothing$")
    reason = f"key name {key} does not match naming convention ^nothing$"
    tenant.await_denial(name, _refusal(tenant, name, reason))
    assert tenant.whole.data(name) == {"entry": value.encode()}
    before = _asked(tenant.whole, key)
    tenant.whole.edit(name, {"spec": {"data": [{"key": key, "name": "renamed"}]}})
    await_until(
        lambda: tenant.whole.status(name).get("observedGeneration"),
        lambda seen: seen == tenant.whole.get(name)["metadata"]["generation"],
        "the new spec is judged",
    )
    assert tenant.whole.data(name) == {"entry": value.encode()}
    assert _asked(tenant.whole, key) == before

    tenant.annotate(naming=None)
    tenant.whole.await_data(name, renamed=value.encode())


def test_who_may_not_gets_nothing_although_the_value_was_just_read_for_another(
    estate: Estate,
) -> None:
    one, other = estate.tenant(naming="^shared-"), estate.tenant(naming="^mine-")
    key, value = estate.secret("shared-db")
    role = one.whole.own_role()
    one.await_value(one.serve(key, role), value)

    name = other.serve(key, role)

    other.denial(name)
    assert other.whole.secret(name) is None
    other.annotate(naming="^(mine|shared)-")
    other.await_value(name, value)


def test_what_is_under_way_when_a_permission_goes_is_not_written(estate: Estate) -> None:
    tenant = estate.tenant(naming="db")
    whole = tenant.whole
    beacon_key, beacon_value = estate.secret("beacon-db")
    beacon = tenant.serve(beacon_key)
    tenant.await_value(beacon, beacon_value)
    key, value = estate.secret("db")

    def revoke() -> None:
        tenant.annotate(naming="^nothing$")
        tenant.denial(beacon)

    def reads(request: Request) -> bool:
        return request.aws_operation in VALUE_CALLS and key.encode() in request.body

    whole.wire.when(reads, after(revoke))
    name = tenant.serve(key)

    tenant.denial(name)
    assert whole.value_calls(key) == 1
    assert whole.secret(name) is None
    tenant.annotate(naming="db")
    tenant.await_value(name, value)


def test_a_malformed_expression_allows_nothing_and_says_so(estate: Estate) -> None:
    tenant = estate.tenant(naming="^(team-a")
    key, _ = estate.secret("team-a")
    said = tenant.denial(tenant.serve(key))
    assert said.startswith(f"ERROR, Invalid regular expression: /^(team-a/ in annotation {NAMING}")
    assert _asked(tenant.whole, key) == 0


def test_an_expression_that_never_ends_denies_and_the_others_are_served_meanwhile(
    estate: Estate,
) -> None:
    hostile, neighbour = estate.tenant(naming=SLOW), estate.tenant(naming="^(?:team|app)-b-")
    stuck = [hostile.serve(unique("a" * 40)) for _ in range(20)]
    key, value = estate.secret("team-b-db")
    neighbour.await_value(neighbour.serve(key), value)
    sentence = (
        f"ERROR, The regular expression of annotation {NAMING} on namespace {hostile.namespace} "
        "needs too much time, so nothing is allowed."
    )
    for name in stuck:
        assert hostile.denial(name) == sentence


def test_an_annotation_that_looks_like_a_list_is_told_in_an_event(estate: Estate) -> None:
    tenant = estate.tenant(naming='["team-a"]')
    events = await_until(
        lambda: dict(tenant.whole.events(tenant.namespace)),
        lambda seen: "DoubtfulAnnotation" in seen,
        "the platform team is told",
    )
    assert "looks like a list" in events["DoubtfulAnnotation"]


def test_under_enforcement_nothing_is_read_without_annotations(strict: Estate) -> None:
    tenant = strict.tenant()
    key, value = strict.secret("db")
    role = tenant.whole.own_role()
    name = tenant.serve(key, role)
    required = _refusal(tenant, name, "Namespace annotation is required")
    tenant.await_denial(name, required)
    place = f"on namespace {tenant.namespace}"

    tenant.annotate(other="x")
    both = (
        f"Missing required annotation {NAMING} {place}; Missing required annotation {ROLE} {place}"
    )
    tenant.await_denial(name, _refusal(tenant, name, both))
    tenant.annotate(naming="db")
    only = f"Missing required annotation {ROLE} {place}"
    tenant.await_denial(name, _refusal(tenant, name, only))
    assert _asked(tenant.whole, key) == 0

    tenant.annotate(role=f"^{role}$")
    tenant.await_value(name, value)
    tenant.annotate(naming=None, role=None, other=None)
    tenant.await_denial(name, required)
    assert tenant.whole.data(name) == {"entry": value.encode()}


def test_under_enforcement_no_role_needs_no_role_annotation(strict: Estate) -> None:
    tenant = strict.tenant(naming="db")
    key, value = strict.secret("db")
    tenant.await_value(tenant.serve(key, roleArn=None), value)


def test_the_sweep_looks_at_nothing_that_only_denied_objects_use(
    served_cluster: Cluster, moto: Moto
) -> None:
    with tenants(served_cluster, moto, 2) as found:
        one, other = found
        start(found, "reconciler", HARK_SWEEP_INTERVAL="1s")
        keys = [unique("one"), unique("other")]
        for key in keys:
            one.whole.create(key, canary())
        names = [tenant.serve(key) for tenant, key in zip(found, keys, strict=True)]
        for tenant, name in zip(found, names, strict=True):
            tenant.whole.await_reason(name, "Synced")
        _await_looks(one.whole, keys[0])
        _await_looks(one.whole, keys[1])

        one.annotate(naming="^nothing$")
        one.denial(names[0])
        # The second of these belongs to a sweep that began after the denial.
        for _ in range(2):
            _await_looks(one.whole, keys[1])
        before = one.whole.looks(keys[0])
        for _ in range(2):
            _await_looks(one.whole, keys[1])

        assert one.whole.looks(keys[0]) == before
        one.annotate(naming=None)
        _await_looks(one.whole, keys[0])
        assert other.whole.ready(names[1])["status"] == "True"


def _await_looks(whole: Whole, key: str) -> None:
    before = whole.looks(key)
    await_until(lambda: whole.looks(key), lambda count: count > before, f"{key} is looked at")
