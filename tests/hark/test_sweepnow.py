"""`hark sweep --now`, where nobody can answer."""

import pytest

from externalsecret.errors import GiveUp
from fakes.kubeapi import FakeKubeApi
from hark.sweepnow import ask, await_answer
from reconciler.sweepasked import ANSWERED, ASKED, UNANSWERED

LEASE = "/apis/coordination.k8s.io/v1/namespaces/hark/leases/hark-reconciler"


def test_without_a_lease_it_says_what_to_do() -> None:
    with pytest.raises(GiveUp, match="HARK_LEADER_ELECTION=false") as refused:
        ask(FakeKubeApi(), "hark", "q1")
    assert "--namespace" in refused.value.message


def test_where_nobody_leads_it_says_so() -> None:
    api = FakeKubeApi()
    api.seed(LEASE, {"spec": {"holderIdentity": ""}})
    with pytest.raises(GiveUp, match="No reconciler leads"):
        ask(api, "hark", "q1")


def test_the_question_stands_in_the_lease_and_the_answer_is_awaited() -> None:
    api = FakeKubeApi()
    api.seed(LEASE, {"spec": {"holderIdentity": "hark-reconciler-0"}})
    assert ask(api, "hark", "q1") == "hark-reconciler-0"
    lease = api.find(LEASE) or {}
    assert lease["metadata"]["annotations"][ASKED] == "q1"
    with pytest.raises(GiveUp, match="has not ended within 0 s"):
        await_answer(api, "hark", "q1", 0.0)
    lease["metadata"]["annotations"][ANSWERED] = "q1"
    api.seed(LEASE, lease)
    assert await_answer(api, "hark", "q1", 0.0) == "0"


def test_the_answer_to_somebody_who_asked_later_is_an_answer_too() -> None:
    api = FakeKubeApi()
    told = {ASKED: "q2", ANSWERED: "q2", UNANSWERED: "7"}
    api.seed(LEASE, {"metadata": {"annotations": told}})
    assert await_answer(api, "hark", "q1", 0.0) == "7"
