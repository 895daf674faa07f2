"""Callers who carry the token of a ServiceAccount, on a real API server."""

from typing import Any

import pytest

from externalsecret.errors import Retry
from externalsecret.kubeapi import KubeApi, connect
from listener.webhook.proof import CannotTell, NotAllowed, NotProven, Shown
from listener.webhook.serviceaccount import REVIEWS, ServiceAccounts
from testbed.cluster import Cluster

AUDIENCE = "hark-webhook"


class Counting:
    """The API server, and how often it was asked."""

    def __init__(self, api: KubeApi) -> None:
        self._api = api
        self.asked = 0
        self.fails = False

    def request(self, method: str, path: str, *, body: Any = None) -> Any:
        assert (method, path) == ("POST", REVIEWS)
        self.asked += 1
        if self.fails:
            raise Retry("away", reason="Away")
        return self._api.request(method, path, body=body)


class Desk:
    """The check of tokens, which knows the ServiceAccount `deployer` of a namespace."""

    def __init__(self, cluster: Cluster, namespace: str) -> None:
        self.cluster = cluster
        self.namespace = namespace
        self.api = Counting(connect(str(cluster.admin_kubeconfig_through(cluster.url))))
        self.seconds = 0.0
        known = f"{namespace}/deployer"
        self.accounts = ServiceAccounts(
            self.api, AUDIENCE, lambda name: name == known, lambda: self.seconds
        )

    def token(self, *audiences: str, name: str = "deployer") -> str:
        return self.cluster.service_account_token(self.namespace, name, *audiences)

    def caller(self, token: str) -> str:
        return self.accounts.caller(Shown(token, ""))


@pytest.fixture
def desk(cluster: Cluster, namespace: str) -> Desk:
    return Desk(cluster, namespace)


def test_a_token_for_our_audience_names_its_account_and_is_reviewed_once(desk: Desk) -> None:
    token = desk.token(AUDIENCE)
    for _ in range(3):
        assert desk.caller(token) == f"{desk.namespace}/deployer"
    assert desk.api.asked == 1
    desk.seconds += 11
    desk.caller(token)
    assert desk.api.asked == 2


def test_a_token_for_others_is_refused(desk: Desk) -> None:
    for token in (desk.token(), desk.token("another")):
        with pytest.raises(NotProven, match=AUDIENCE):
            desk.caller(token)


def test_another_account_is_refused_without_a_review(desk: Desk) -> None:
    with pytest.raises(NotAllowed):
        desk.caller(desk.token(AUDIENCE, name="stranger"))
    assert desk.api.asked == 0


def test_a_forged_token_is_refused(desk: Desk) -> None:
    head, claims, signature = desk.token(AUDIENCE).split(".")
    forged = f"{head}.{claims}.{signature[::-1]}"
    for _ in range(2):
        with pytest.raises(NotProven):
            desk.caller(forged)
    assert desk.api.asked == 1


@pytest.mark.parametrize("token", ["", "a.b", "a.!.c", "a.e30.c", "\u00e4.\u00e4.c", "x" * 20_000])
def test_what_is_no_token_is_refused_without_a_review(desk: Desk, token: str) -> None:
    with pytest.raises(NotProven):
        desk.caller(token)
    assert desk.api.asked == 0


def test_while_the_api_server_is_away_nobody_is_refused_for_good(desk: Desk) -> None:
    token = desk.token(AUDIENCE)
    desk.api.fails = True
    with pytest.raises(CannotTell):
        desk.caller(token)
    desk.api.fails = False
    assert desk.caller(token)
