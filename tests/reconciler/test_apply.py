import base64
from typing import Any

import pytest
from prometheus_client import CollectorRegistry
from structlog.testing import capture_logs

from externalsecret.errors import GiveUp, Retry
from externalsecret.kubeapi import ApiRefusal, ApiRetry
from externalsecret.redacted import Redacted
from externalsecret.resource import ADOPT_ANNOTATION, MANAGED_LABEL, ExternalSecret, read_resource
from fakes.kubeapi import FakeKubeApi
from fakes.resources import external_secret, raw
from reconciler.apply import SecretWriter
from reconciler.frame import Change, Frame, frame_of
from reconciler.live import LiveSecret, LiveSecrets
from reconciler.metrics import ReconcilerMetrics

SECRETS = "/api/v1/namespaces/team/secrets"
PATH = f"{SECRETS}/shop"
FRAME = Frame("Opaque")
ES = external_secret()


def change(*removed: str, **entries: bytes) -> Change:
    return Change({name: Redacted(value) for name, value in entries.items()}, removed)


class Shop:
    """An API server, what is known of its Secrets, and the writer."""

    def __init__(self) -> None:
        self.api = FakeKubeApi()
        self.live = LiveSecrets(lambda _key, _urgent: None)
        self.writer = SecretWriter(self.api, self.live, ReconcilerMetrics(CollectorRegistry()))

    def write(self, wanted: Change, es: ExternalSecret = ES) -> LiveSecret:
        return self.writer.write(es, FRAME, wanted)

    def data(self) -> dict[str, bytes]:
        held = self.api.find(PATH)
        assert held is not None
        return {name: base64.b64decode(text) for name, text in held.get("data", {}).items()}

    def patches(self) -> list[Any]:
        return [request.body for request in self.api.made("PATCH")]


@pytest.fixture
def shop() -> Shop:
    return Shop()


@pytest.fixture
def stocked(shop: Shop) -> Shop:
    shop.write(change(password=b"old", user=b"admin"))
    return shop


def test_an_absent_secret_is_made_with_owner_and_label(shop: Shop) -> None:
    live = shop.write(change(password=b"s3cret"))
    made = shop.api.find(PATH)
    assert made is not None
    assert shop.data() == {"password": b"s3cret"}
    assert made["type"] == "Opaque"
    assert live.has_label()
    assert live.is_owned_by(ES)
    assert live.owned == {"password"}


def test_a_write_is_logged_by_name_and_without_a_value(shop: Shop) -> None:
    with capture_logs() as logs:
        shop.write(change(password=b"s3cret"))
        shop.write(change(password=b"n3w"))
    written = {"event": "secret.written", "log_level": "info", "secret": "team/shop"}
    assert logs == [{**written, "verb": "create"}, {**written, "verb": "patch"}]


def test_type_labels_and_annotations_come_from_the_frame(shop: Shop) -> None:
    metadata = {"labels": {"team": "red"}, "annotations": {"why": "shop"}}
    frame = frame_of({"metadata": metadata}, "example/kind")
    shop.writer.write(ES, frame, change(password=b"x"))
    made = shop.api.find(PATH)
    assert made is not None
    assert made["type"] == "example/kind"
    assert made["metadata"]["labels"].items() >= {("team", "red")}
    assert made["metadata"]["annotations"] == {"why": "shop"}


def test_a_patch_carries_only_what_changed_and_a_null_for_what_goes(stocked: Shop) -> None:
    stocked.write(change("user", password=b"new"))
    (patch,) = stocked.patches()
    assert patch["data"] == {"password": base64.b64encode(b"new").decode(), "user": None}
    assert set(patch["metadata"]) == {"uid"}
    assert stocked.data() == {"password": b"new"}


def test_what_is_not_in_the_change_stays(stocked: Shop) -> None:
    stocked.write(change(password=b"new"))
    assert stocked.data() == {"password": b"new", "user": b"admin"}


def test_a_change_of_nothing_leaves_the_secret_as_it_is(stocked: Shop) -> None:
    before = stocked.api.find(PATH)
    stocked.write(change())
    assert stocked.api.find(PATH) == before


def test_an_empty_value_is_a_value(shop: Shop) -> None:
    shop.write(change(password=b""))
    assert shop.data() == {"password": b""}


def test_the_reply_to_a_write_is_known_at_once(stocked: Shop) -> None:
    live = stocked.write(change(password=b"new"))
    assert stocked.live.get(("team", "shop")) == live
    held = stocked.api.find(PATH)
    assert held is not None
    assert held["metadata"]["resourceVersion"] == live.version


def test_a_write_never_lands_on_another_secret_of_the_same_name(stocked: Shop) -> None:
    stocked.api.request("DELETE", PATH)
    stocked.api.seed(PATH, {"data": {"theirs": "eA=="}})
    with pytest.raises(Retry):
        stocked.write(change("user", password=b"new"))
    assert stocked.data() == {"theirs": b"x"}
    assert stocked.live.get(("team", "shop")) is None


def test_a_secret_that_has_gone_is_made_at_the_next_try(stocked: Shop) -> None:
    stocked.api.request("DELETE", PATH)
    with pytest.raises(Retry, match="has gone"):
        stocked.write(change(password=b"new"))
    stocked.write(change(password=b"new"))
    assert stocked.data() == {"password": b"new"}


def test_ours_that_was_not_known_is_looked_at_before_it_is_patched(stocked: Shop) -> None:
    stocked.live.forget(("team", "shop"))
    with pytest.raises(Retry):
        stocked.write(change(password=b"new"))
    known = stocked.live.get(("team", "shop"))
    assert known is not None
    assert known.owned == {"password", "user"}
    stocked.write(change(password=b"new"))
    assert stocked.data() == {"password": b"new", "user": b"admin"}


def test_a_secret_of_somebody_else_is_not_touched(shop: Shop) -> None:
    theirs = shop.api.seed(PATH, {"data": {"theirs": "eA=="}})
    for _ in range(2):
        with pytest.raises(GiveUp, match=ADOPT_ANNOTATION) as refusal:
            shop.write(change(password=b"x"))
        assert refusal.value.reason == "SecretNotOurs"
    assert shop.api.find(PATH) == theirs


def test_it_is_adopted_where_its_external_secret_says_so(shop: Shop) -> None:
    shop.api.seed(PATH, {"data": {"theirs": "eA=="}, "metadata": {"labels": {"team": "red"}}})
    willing = raw()
    willing["metadata"]["annotations"] = {ADOPT_ANNOTATION: "true"}
    es = read_resource(willing)
    with pytest.raises(Retry):
        shop.write(change(password=b"x"), es)
    live = shop.write(change(password=b"x"), es)
    assert shop.data() == {"theirs": b"x", "password": b"x"}
    assert live.is_owned_by(es)
    assert live.labels == {"team": "red", MANAGED_LABEL: "hark"}
    assert live.owned == {"password"}


def test_the_reference_to_a_predecessor_of_the_same_name_is_replaced(stocked: Shop) -> None:
    successor = external_secret(uid="u2")
    known = stocked.live.get(("team", "shop"))
    assert known is not None
    assert stocked.writer.needs_writing(successor, FRAME, known)
    live = stocked.write(change(), successor)
    assert [owner["uid"] for owner in live.owners] == ["u2"]
    assert not stocked.writer.needs_writing(successor, FRAME, live)


def test_a_conflict_is_tried_again_with_fresh_eyes(stocked: Shop) -> None:
    stocked.api.fail_next(ApiRetry("conflict", 409), method="PATCH")
    with pytest.raises(Retry):
        stocked.write(change(password=b"new"))
    assert stocked.live.get(("team", "shop")) is None


def test_an_api_server_that_is_away_makes_nothing_unknown(stocked: Shop) -> None:
    stocked.api.fail_next(ApiRetry("away", 0), method="PATCH")
    with pytest.raises(Retry):
        stocked.write(change(password=b"new"))
    assert stocked.live.get(("team", "shop")) is not None


@pytest.mark.parametrize(
    ("fields", "status", "reason"),
    [
        (("type",), 422, "TypeConflict"),
        (("data",), 422, "SecretRefused"),
        ((), 403, "SecretRefused"),
    ],
)
def test_a_refusal_is_a_sentence_without_the_value(
    stocked: Shop, fields: tuple[str, ...], status: int, reason: str
) -> None:
    stocked.api.fail_next(ApiRefusal("no", status, fields), method="PATCH")
    with pytest.raises(GiveUp) as refusal:
        stocked.write(change(password=b"hunter2"))
    assert refusal.value.reason == reason
    assert "hunter2" not in refusal.value.message
    assert stocked.data()["password"] == b"old"


@pytest.mark.parametrize(
    ("fields", "status", "advice"),
    [
        (("metadata.ownerReferences",), 422, "Another controller owns this Secret"),
        (("data[tls.key]",), 422, "A Secret of type Opaque must have the entries"),
        ((), 403, "Grant the right"),
    ],
)
def test_a_refusal_of_which_only_the_place_is_known_tells_what_to_do(
    stocked: Shop, fields: tuple[str, ...], status: int, advice: str
) -> None:
    stocked.api.fail_next(ApiRefusal("no", status, fields), method="PATCH")
    with pytest.raises(GiveUp, match=advice):
        stocked.write(change(password=b"x"))


def test_a_refused_creation_is_told_too(shop: Shop) -> None:
    shop.api.fail_next(ApiRefusal("no", 403), method="POST")
    with pytest.raises(GiveUp) as refusal:
        shop.write(change(password=b"x"))
    assert refusal.value.reason == "SecretRefused"
