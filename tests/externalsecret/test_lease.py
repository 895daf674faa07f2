import random
import threading
import time
from collections.abc import Callable
from http import HTTPStatus
from typing import Any

import pytest

from externalsecret import definitions
from externalsecret.kubeapi import MERGE_PATCH, ApiRefusal, ApiRetry, KubeApi, connect
from externalsecret.lease import Lease, Timing, since_boot
from fakes.kubeapi import FakeKubeApi, Request
from reconciler.sweepasked import ANSWERED, ASKED
from reconciler.swept import LAST_SWEEP, Swept
from testbed.cluster import Cluster

PATH = "/apis/coordination.k8s.io/v1/namespaces/hark/leases/hark-reconciler"


class Clock:
    """Seconds that pass only when told."""

    def __init__(self) -> None:
        self.at = 1000.0

    def __call__(self) -> float:
        return self.at


class Replica(Lease):
    """One that hands on what the reconciler does."""

    def __init__(
        self,
        api: KubeApi,
        identity: str,
        *,
        namespace: str = "hark",
        timing: Timing | None = None,
        clock: Callable[[], float] = since_boot,
        now: Callable[[], float] = time.time,
    ) -> None:
        self.swept = Swept(now)
        super().__init__(
            api,
            namespace,
            identity,
            name="hark-reconciler",
            record=self.swept,
            timing=timing,
            clock=clock,
            now=now,
        )


@pytest.fixture
def api() -> FakeKubeApi:
    return FakeKubeApi()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def replica(api: FakeKubeApi, clock: Clock) -> Callable[[str], Replica]:
    """A replica whose time of day is its own: far from that of the others."""

    def make(identity: str) -> Replica:
        skew = random.Random(identity).uniform(-1e6, 1e6)  # noqa: S311 - no secrecy needed
        return Replica(api, identity, clock=clock, now=lambda: 1.7e9 + skew + clock())

    return make


Make = Callable[[str], Replica]


def _holder(api: FakeKubeApi) -> str:
    lease = api.find(PATH)
    assert lease is not None
    holder: str = lease["spec"]["holderIdentity"]
    return holder


def test_the_first_to_ask_leads(api: FakeKubeApi, replica: Make) -> None:
    a, b = replica("a"), replica("b")
    assert not a.is_leader()
    a.step()
    b.step()
    assert a.is_leader()
    assert not b.is_leader()
    assert _holder(api) == "a"


def test_who_renews_goes_on_leading(clock: Clock, replica: Make) -> None:
    a, b = replica("a"), replica("b")
    for _ in range(50):
        a.step()
        b.step()
        assert a.is_leader()
        assert not b.is_leader()
        clock.at += 3


def test_a_renewal_is_one_request(api: FakeKubeApi, clock: Clock, replica: Make) -> None:
    a = replica("a")
    for _ in range(5):
        a.step()
        clock.at += 2
    assert [seen.method for seen in api.requests] == ["GET", "POST", "PUT", "PUT", "PUT", "PUT"]


def test_who_cannot_renew_stops_before_the_lease_is_free(
    api: FakeKubeApi, clock: Clock, replica: Make
) -> None:
    a, b = replica("a"), replica("b")
    a.step()
    b.step()
    cut_off = ApiRetry("away", 0)
    stopped_at: float | None = None
    while not b.is_leader():
        clock.at += 0.5
        api.fail_next(cut_off)
        a.step()
        b.step()
        if not a.is_leader() and stopped_at is None:
            stopped_at = clock.at
    assert (stopped_at, clock.at) == (1010.0, 1015.5)


def test_a_leader_whose_request_hangs_knows_that_it_leads_no_more(
    api: FakeKubeApi, clock: Clock, replica: Make
) -> None:
    a = replica("a")
    a.step()
    leads: list[bool] = []

    def hang(_request: Request) -> None:
        clock.at += 11
        leads.append(a.is_leader())

    api.before = hang
    a.step()
    assert leads == [False]
    assert not a.is_leader()


def test_time_counts_from_before_the_request(api: FakeKubeApi, clock: Clock, replica: Make) -> None:
    a = replica("a")
    a.step()

    def slow(_request: Request) -> None:
        clock.at += 6

    api.before = slow
    a.step()
    assert a.is_leader()
    clock.at += 4
    assert not a.is_leader()


def test_another_clock_that_is_days_off_does_not_matter(
    api: FakeKubeApi, clock: Clock, replica: Make
) -> None:
    spec = {
        "holderIdentity": "gone",
        "leaseDurationSeconds": 15,
        "renewTime": "1999-01-01T00:00:00.000000Z",
        "leaseTransitions": 7,
    }
    api.seed(PATH, {"spec": spec})
    b = replica("b")
    b.step()
    clock.at += 15
    b.step()
    assert not b.is_leader()
    clock.at += 0.1
    b.step()
    assert b.is_leader()
    lease = api.find(PATH)
    assert lease is not None
    assert lease["spec"]["leaseTransitions"] == 8


def test_a_follower_takes_over_at_once_after_a_release(
    api: FakeKubeApi, clock: Clock, replica: Make
) -> None:
    a, b = replica("a"), replica("b")
    a.step()
    b.step()
    a.release()
    assert not a.is_leader()
    assert _holder(api) == ""
    clock.at += 0.01
    b.step()
    assert b.is_leader()


def test_a_release_that_fails_ends_the_lead_all_the_same(api: FakeKubeApi, replica: Make) -> None:
    a = replica("a")
    a.step()
    api.fail_next(ApiRetry("away", 0))
    a.release()
    assert not a.is_leader()


def test_a_follower_that_stops_leaves_the_lease_alone(api: FakeKubeApi, replica: Make) -> None:
    a, b = replica("a"), replica("b")
    a.step()
    b.step()
    b.release()
    assert _holder(api) == "a"


def test_a_restarted_replica_goes_on_at_once(replica: Make) -> None:
    replica("a").step()
    again = replica("a")
    again.step()
    assert again.is_leader()


def test_of_two_that_see_a_free_lease_one_gets_it(api: FakeKubeApi, replica: Make) -> None:
    a, b = replica("a"), replica("b")
    a.step()
    a.release()

    def overtake(request: Request) -> None:
        if request.method == "PUT":
            api.before = lambda _request: None
            b.step()

    api.before = overtake
    a.step()
    assert b.is_leader()
    assert not a.is_leader()


def test_a_leader_whose_lease_was_given_away_by_hand_stops_with_its_next_renewal(
    api: FakeKubeApi, clock: Clock, replica: Make
) -> None:
    a = replica("a")
    a.step()
    api.seed(PATH, {"spec": {"holderIdentity": "b", "leaseDurationSeconds": 15}})
    clock.at += 2
    a.step()
    assert not a.is_leader()


def test_a_deleted_lease_is_made_anew(api: FakeKubeApi, clock: Clock, replica: Make) -> None:
    a = replica("a")
    a.step()
    api.request("DELETE", PATH)
    clock.at += 2
    a.step()
    assert a.is_leader()
    assert _holder(api) == "a"


def test_a_renewal_that_failed_on_the_way_back_is_continued(
    api: FakeKubeApi, clock: Clock, replica: Make
) -> None:
    a = replica("a")
    a.step()

    def lose_the_reply(request: Request) -> None:
        api.before = lambda _request: None
        api.request(request.method, request.path, body=request.body)
        raise ApiRetry("broken", 0)

    api.before = lose_the_reply
    clock.at += 2
    a.step()
    clock.at += 2
    a.step()
    clock.at += 9
    assert a.is_leader()


def test_a_refusal_is_no_end(api: FakeKubeApi, replica: Make) -> None:
    a = replica("a")
    api.fail_next(ApiRefusal("no right", HTTPStatus.FORBIDDEN))
    a.step()
    assert not a.is_leader()
    a.step()
    assert a.is_leader()


def test_the_last_sweep_survives_with_the_lease(
    api: FakeKubeApi, clock: Clock, replica: Make
) -> None:
    a, b = replica("a"), replica("b")
    a.step()
    assert a.swept.last_sweep() is None
    a.swept.record_sweep(1_690_000_000.5)
    assert a.swept.last_sweep() == 1_690_000_000.5
    b.step()
    assert b.swept.last_sweep() is None
    clock.at += 2
    a.step()
    b.step()
    assert b.swept.last_sweep() == 1_690_000_000.5
    lease = api.find(PATH)
    assert lease is not None
    assert lease["metadata"]["annotations"] == {LAST_SWEEP: "2023-07-22T04:26:40.500000Z"}


def test_a_sweep_recorded_just_before_the_end_is_written_by_the_release(
    replica: Make,
) -> None:
    a, b = replica("a"), replica("b")
    a.step()
    a.swept.record_sweep(1_690_000_000.0)
    a.release()
    b.step()
    assert b.swept.last_sweep() == 1_690_000_000.0


def test_an_older_sweep_does_not_replace_a_newer_one(clock: Clock, replica: Make) -> None:
    a, b = replica("a"), replica("b")
    a.step()
    a.swept.record_sweep(1_690_000_000.0)
    a.release()
    b.swept.record_sweep(1_600_000_000.0)
    b.step()
    clock.at += 2
    b.step()
    assert b.swept.last_sweep() == 1_690_000_000.0


@pytest.mark.parametrize("text", ["yesterday", "", 7, None])
def test_a_sweep_time_that_nobody_can_read_counts_as_unknown(
    api: FakeKubeApi, replica: Make, text: Any
) -> None:
    api.seed(PATH, {"metadata": {"annotations": {LAST_SWEEP: text}}, "spec": {}})
    a = replica("a")
    a.step()
    assert a.is_leader()
    assert a.swept.last_sweep() is None


def test_a_sweep_in_the_future_counts_as_now_and_is_put_right_by_who_leads(
    api: FakeKubeApi, clock: Clock
) -> None:
    ahead = {"metadata": {"annotations": {LAST_SWEEP: "2099-01-01T00:00:00Z"}}, "spec": {}}
    api.seed(PATH, ahead)
    a = Replica(api, "a", clock=clock, now=lambda: 1.7e9 + clock())
    a.step()
    assert a.swept.last_sweep() == 1.7e9 + 1000
    lease = api.find(PATH)
    assert lease is not None
    assert lease["metadata"]["annotations"][LAST_SWEEP].startswith("2023-11-14T")


def test_a_sweep_that_is_in_the_future_since_the_clock_was_put_right_gives_way(
    api: FakeKubeApi, clock: Clock
) -> None:
    a = Replica(api, "a", clock=clock, now=lambda: 1.7e9 + clock())
    a.swept.record_sweep(4e9)
    a.swept.record_sweep(1.7e9)
    assert a.swept.last_sweep() == 1.7e9


def test_labels_and_annotations_of_others_stay(api: FakeKubeApi, replica: Make) -> None:
    metadata = {"labels": {"app": "hark"}, "annotations": {"note": "ours"}}
    api.seed(PATH, {"metadata": metadata})
    a = replica("a")
    a.swept.record_sweep(1.69e9)
    a.step()
    lease = api.find(PATH)
    assert lease is not None
    assert lease["metadata"]["labels"] == {"app": "hark"}
    assert lease["metadata"]["annotations"]["note"] == "ours"


def _annotate(api: FakeKubeApi, **annotations: str) -> None:
    """As `hark sweep --now` and kubectl annotate do."""
    body = {"metadata": {"annotations": annotations}}
    api.request("PATCH", PATH, body=body, content_type=MERGE_PATCH)


def test_who_annotates_the_lease_costs_its_holder_neither_the_lead_nor_what_was_written(
    api: FakeKubeApi, clock: Clock, replica: Make
) -> None:
    a, b = replica("a"), replica("b")
    a.step()
    for number in range(20):
        _annotate(api, **{ASKED: f"q{number}", "who/knows": f"{number}"})
        for _ in range(4):
            # It leads the whole time, not only after its renewals.
            clock.at += 0.6
            assert a.is_leader()
        a.step()
        b.step()
        assert (a.is_leader(), b.is_leader()) == (True, False)
        assert a.swept.asked.open_question() == f"q{number}"
        a.swept.asked.answer(f"q{number}", unanswered=0)
    a.step()
    lease = api.find(PATH)
    assert lease is not None
    told = lease["metadata"]["annotations"]
    assert [told[name] for name in (ASKED, ANSWERED, "who/knows")] == ["q19", "q19", "19"]
    assert lease["spec"]["leaseTransitions"] == 0


def test_an_annotation_between_look_and_renewal_costs_a_renewal_and_not_the_lead(
    api: FakeKubeApi, clock: Clock, replica: Make
) -> None:
    a = replica("a")
    a.step()
    left = 2

    def annotate_first(request: Request) -> None:
        nonlocal left
        if request.method == "PUT" and left:
            left -= 1
            _annotate(api, note=str(left))

    api.before = annotate_first
    clock.at += 2
    a.step()
    assert left == 0
    assert a.is_leader()
    clock.at += 2
    a.step()
    clock.at += 9
    assert a.is_leader()
    assert _holder(api) == "a"


def test_who_was_annotated_meanwhile_releases_all_the_same(api: FakeKubeApi, replica: Make) -> None:
    a, b = replica("a"), replica("b")
    a.step()
    _annotate(api, note="x")
    a.release()
    b.step()
    assert b.is_leader()


def test_run_renews_every_two_to_three_seconds_until_told_and_releases(
    api: FakeKubeApi, clock: Clock, replica: Make
) -> None:
    waits: list[float] = []

    def wait(seconds: float) -> bool:
        waits.append(seconds)
        clock.at += seconds
        return len(waits) > 20

    replica("a").run(wait)
    assert waits[0] == 0.0
    assert all(2.0 <= seconds <= 3.0 for seconds in waits[1:])
    assert _holder(api) == ""


@pytest.mark.parametrize("seed", range(60))
def test_never_do_two_lead_whatever_fails(seed: int) -> None:
    chance = random.Random(seed)  # noqa: S311 - a schedule that can be repeated
    clock = Clock()
    api = FakeKubeApi()
    replicas = [
        Replica(api, name, clock=clock, now=lambda: 1.7e9 + chance.uniform(-1e5, 1e5))
        for name in ("a", "b", "c")
    ]
    lost = ApiRetry("lost", 0)
    leaders = 0

    def trouble(request: Request) -> None:
        """Requests are slow, fail before or after their effect."""
        clock.at += chance.choice([0, 0, 0, 0.5, 4, 12])
        what = chance.random()
        if what < 0.15:
            raise lost
        if what < 0.25 and request.method != "GET":
            api.before = _calm
            try:
                api.request(request.method, request.path, body=request.body)
            finally:
                api.before = trouble
            raise lost

    api.before = trouble
    for _ in range(150):
        chance.choice(replicas).step()
        leading = [lease for lease in replicas if lease.is_leader()]
        assert len(leading) <= 1
        leaders += len(leading)
        if leading and chance.random() < 0.05:
            leading[0].release()
        clock.at += chance.choice([0.1, 1, 2, 6])
    assert leaders


def _calm(_request: Request) -> None:
    """Nothing goes wrong."""


def test_on_a_real_api_server_the_lead_passes_with_the_published_rights(
    cluster: Cluster, namespace: str
) -> None:
    kubeconfig = cluster.service_account_kubeconfig(namespace, "hark-reconciler")
    _grant(cluster, namespace)
    api = connect(str(kubeconfig))
    timing = Timing(retry=0.05)
    a, b = (Replica(api, name, namespace=namespace, timing=timing) for name in ("a", "b"))
    stops = {lease: threading.Event() for lease in (a, b)}
    a.step()
    threads = [threading.Thread(target=lease.run, args=(stops[lease].wait,)) for lease in (a, b)]
    for thread in threads:
        thread.start()
    try:
        assert a.is_leader()
        assert not b.is_leader()
        a.swept.record_sweep(1.69e9)
        stops[a].set()
        threads[0].join(10)
        _await(b.is_leader)
        assert b.swept.last_sweep() == 1.69e9
    finally:
        for stop in stops.values():
            stop.set()
        for thread in threads:
            thread.join(10)
    path = f"/apis/coordination.k8s.io/v1/namespaces/{namespace}/leases/hark-reconciler"
    lease = cluster.request("GET", path)
    assert not lease["spec"].get("holderIdentity")
    assert lease["spec"]["leaseTransitions"] == 1


def _await(true: Callable[[], bool]) -> None:
    turn = threading.Event()
    for _ in range(1000):
        if true():
            return
        turn.wait(0.01)
    pytest.fail("it did not come true within 10 s")


def _grant(cluster: Cluster, namespace: str) -> None:
    _, role = definitions.rights("reconciler")
    rbac = f"/apis/rbac.authorization.k8s.io/v1/namespaces/{namespace}"
    cluster.request("POST", f"{rbac}/roles", role)
    name = role["metadata"]["name"]
    subject = {"kind": "ServiceAccount", "name": "hark-reconciler", "namespace": namespace}
    reference = {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": name}
    binding = {"metadata": {"name": name}, "roleRef": reference, "subjects": [subject]}
    cluster.request("POST", f"{rbac}/rolebindings", binding)


def test_halves_with_leases_of_their_own_do_not_elect_each_other(
    api: FakeKubeApi, clock: Clock, replica: Make
) -> None:
    listener = Lease(api, "hark", "a", name="hark-listener", clock=clock)
    reconciler = replica("b")
    listener.step()
    reconciler.step()
    assert listener.is_leader()
    assert reconciler.is_leader()
    lease = api.find(PATH.replace("hark-reconciler", "hark-listener"))
    assert lease is not None
    assert "annotations" not in lease["metadata"]
