import base64
from http import HTTPStatus
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from externalsecret.errors import GiveUp, HarkError
from externalsecret.kubeapi import MERGE_PATCH, ApiRefusal, ApiRetry
from externalsecret.redacted import Redacted
from externalsecret.resource import ExternalSecret
from fakes.kubeapi import FakeKubeApi
from fakes.resources import entry_of, external_secret, manifest, spec, synced
from reconciler.apply import SecretWriter
from reconciler.frame import Change, Frame
from reconciler.live import LiveSecrets
from reconciler.metrics import ReconcilerMetrics

PATH = "/api/v1/namespaces/team/secrets/shop"
FRAME = Frame("Opaque")
WANTED = {**spec(password="db", user="other"), "onTypeChange": "Recreate"}
ES = external_secret(wanted=WANTED)
OTHER_TYPE = ApiRefusal("the type is immutable", HTTPStatus.UNPROCESSABLE_ENTITY, ("type",))
FORBIDDEN = ApiRefusal("forbidden", HTTPStatus.FORBIDDEN)
AWAY = ApiRetry("away", HTTPStatus.SERVICE_UNAVAILABLE)


class Shop:
    """A Secret of ours that has become another type, and what happens to it."""

    def __init__(self, **metadata: Any) -> None:
        self.api = FakeKubeApi()
        self.live = LiveSecrets(lambda _key, _urgent: None)
        metrics = ReconcilerMetrics(CollectorRegistry())
        self.writer = SecretWriter(self.api, self.live, metrics, lambda _seconds: None)
        self.write(password=b"old", user=b"admin")
        held = self.held()
        self.seed({**held, "metadata": {**held["metadata"], **metadata}, "type": "x/y"})
        self.api.fail_next(OTHER_TYPE, method="PATCH")

    def write(self, *removed: str, es: ExternalSecret = ES, **entries: bytes) -> None:
        change = Change({name: Redacted(value) for name, value in entries.items()}, removed)
        self.writer.write(es, FRAME, change)

    def seed(self, held: dict[str, Any]) -> None:
        """Let the Secret be so, and the watch tell of it."""
        self.live.replace(self.api.seed(PATH, held))

    def edit(self, **entries: bytes) -> dict[str, Any]:
        """As `kubectl patch` does; the watch does not know yet."""
        data = {name: base64.b64encode(value).decode() for name, value in entries.items()}
        body = {"data": data}
        manager = {"fieldManager": "kubectl"}
        self.api.heal()
        self.api.request("PATCH", PATH, query=manager, body=body, content_type=MERGE_PATCH)
        self.api.fail_next(OTHER_TYPE, method="PATCH")
        return self.held()

    def held(self) -> dict[str, Any]:
        held = self.api.find(PATH)
        assert held is not None
        return held

    def data(self) -> dict[str, bytes]:
        return {name: base64.b64decode(text) for name, text in self.held()["data"].items()}


def _refused(shop: Shop) -> HarkError:
    before = shop.held()
    with pytest.raises(HarkError) as caught:
        shop.write(password=b"new")
    assert shop.held() == before
    return caught.value


def test_the_new_secret_has_what_changed_and_all_that_we_wrote_before() -> None:
    shop = Shop()
    uid = shop.held()["metadata"]["uid"]
    shop.write(password=b"new")
    assert shop.data() == {"password": b"new", "user": b"admin"}
    assert shop.held()["type"] == "Opaque"
    assert shop.held()["metadata"]["uid"] != uid
    live = shop.live.get(("team", "shop"))
    assert live is not None
    assert live.owned == {"password", "user"}


def test_what_is_to_go_is_not_in_the_new_secret() -> None:
    shop = Shop()
    shop.write("user")
    assert shop.data() == {"password": b"old"}


def test_an_edited_entry_whose_value_is_not_at_hand_is_not_lost() -> None:
    shop = Shop()
    shop.live.replace(shop.edit(user=b"edited"))
    keys = {
        entry_of(key): {"synced": synced(manifest(**{name: key}), key, "1", feeds=[name])}
        for name, key in {"password": "db", "user": "other"}.items()
    }
    shop.write(es=external_secret(wanted=WANTED, status={"uid": "u1", "keys": keys}))
    assert shop.data() == {"password": b"old", "user": b"edited"}


def test_an_edit_that_the_watch_has_not_told_of_is_not_taken_for_ours() -> None:
    shop = Shop()
    edited = shop.edit(user=b"edited")
    assert _refused(shop).reason == "Conflict"
    shop.live.replace(edited)
    live = shop.live.get(("team", "shop"))
    assert live is not None
    assert live.owned == {"password"}


def test_nothing_is_deleted_before_the_new_one_was_judged() -> None:
    shop = Shop()
    shop.api.fail_next(ApiRefusal("no", HTTPStatus.UNPROCESSABLE_ENTITY), method="POST")
    assert _refused(shop).reason == "SecretRefused"
    assert not shop.api.made("DELETE")


def test_only_the_secret_that_was_read_is_deleted() -> None:
    shop = Shop()
    metadata = shop.held()["metadata"]
    shop.write(password=b"new")
    (deletion,) = shop.api.made("DELETE")
    sure = {name: metadata[name] for name in ("uid", "resourceVersion")}
    assert deletion.body == {"preconditions": sure}


def test_without_the_right_to_delete_it_stays() -> None:
    shop = Shop()
    shop.api.fail_next(FORBIDDEN, method="DELETE")
    error = _refused(shop)
    assert isinstance(error, GiveUp)
    assert "recreate-rights.yaml" in error.message


def test_a_finalizer_that_would_hold_it_up_is_said_first() -> None:
    shop = Shop(finalizers=["example/keep"])
    assert "finalizer" in _refused(shop).message
    assert not shop.api.made("DELETE")


def test_a_refusal_for_another_reason_deletes_nothing() -> None:
    shop = Shop()
    held = shop.held()
    shop.seed({**held, "type": "Opaque"})
    before = shop.held()
    with pytest.raises(GiveUp):
        shop.write(password=b"new")
    assert shop.held() == before


def test_an_api_server_that_is_away_in_between_is_asked_again() -> None:
    shop = Shop()

    def fail_the_post(request: Any) -> None:
        if request.method == "DELETE":
            shop.api.fail_next(AWAY, method="POST")

    shop.api.before = fail_the_post
    shop.write(password=b"new")
    assert shop.data() == {"password": b"new", "user": b"admin"}


def test_one_that_stays_away_leaves_it_to_the_first_sync() -> None:
    shop = Shop()

    def fail_the_posts(request: Any) -> None:
        if request.method == "DELETE":
            shop.api.fail_next(AWAY, times=100, method="POST")

    shop.api.before = fail_the_posts
    with pytest.raises(ApiRetry):
        shop.write(password=b"new")
    # As the watch would tell: the next pass makes it as that of a new ExternalSecret.
    assert shop.live.get(("team", "shop")) is None
    assert shop.api.find(PATH) is None
