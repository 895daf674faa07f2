"""What PubSubSource makes of failures: said by a server on the wire, with the real SDK in front."""

from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import grpc
import pytest
from google.pubsub_v1 import PubsubMessage, PullResponse, ReceivedMessage
from google.rpc.error_details_pb2 import ErrorInfo
from google.rpc.status_pb2 import Status

from externalsecret.errors import GiveUp, HarkError, Retry
from listener.sources.contract import Delivery, Origin
from listener.sources.pubsub import PubSubSource, open_pubsub
from listener.sources.subscription import parse_subscription
from testbed.grpcproxy import EVERY, GrpcProxy, GrpcRule, refuse
from testbed.processgroup import free_port

PATH = "projects/shop-prod/subscriptions/hark"
NEVER_SHOWN = "hunter2"
Fail = Callable[..., GrpcRule]


@pytest.fixture
def wire() -> Iterator[GrpcProxy]:
    # Nobody listens behind it: every call is answered by a rule.
    with GrpcProxy(f"127.0.0.1:{free_port()}") as proxy:
        yield proxy


@pytest.fixture
def source(wire: GrpcProxy, monkeypatch: pytest.MonkeyPatch) -> Iterator[PubSubSource]:
    monkeypatch.setenv("PUBSUB_EMULATOR_HOST", wire.address)
    opened = open_pubsub(PATH, wait_seconds=5)
    yield opened
    opened.close()


@pytest.fixture
def fail(wire: GrpcProxy) -> Fail:
    """Let a method fail with a status, and with an ErrorInfo where one is given."""

    def answer(
        code: str, info: ErrorInfo | None = None, method: str = EVERY, said: str = NEVER_SHOWN
    ) -> GrpcRule:
        status = grpc.StatusCode[code]
        trailing: tuple[tuple[str, bytes], ...] = ()
        if info is not None:
            whole = Status(code=status.value[0], message=said)
            whole.details.add().Pack(info)
            trailing = (("grpc-status-details-bin", whole.SerializeToString()),)
        return wire.when(method, refuse(status, said, trailing), times=None)

    return answer


def refusal(source: PubSubSource) -> HarkError:
    with pytest.raises(HarkError) as caught:
        source.receive()
    said = str(caught.value)
    assert "shop-prod/hark" in said
    assert said.endswith(".")
    assert NEVER_SHOWN not in said
    return caught.value


def delivery(number: int) -> Delivery:
    return Delivery("", f"m{number} ack{number}", 1, 0.0, Origin())


@pytest.mark.parametrize(
    ("code", "kind", "advice"),
    [
        ("NOT_FOUND", "GiveUp QueueMissing", "Create it, or correct project and name"),
        ("PERMISSION_DENIED", "GiveUp QueueDenied", "roles/pubsub.subscriber"),
        ("UNAUTHENTICATED", "GiveUp NoCredentials", "GOOGLE_APPLICATION_CREDENTIALS"),
        ("INVALID_ARGUMENT", "GiveUp QueueRefused", "a pull subscription"),
        ("FAILED_PRECONDITION", "GiveUp QueueRefused", "a pull subscription"),
        ("RESOURCE_EXHAUSTED", "Retry Throttled", "slow down"),
        ("UNAVAILABLE", "Retry QueueAway", "https_proxy"),
        ("INTERNAL", "Retry QueueAway", "https_proxy"),
        ("UNKNOWN", "Retry QueueAway", "https_proxy"),
    ],
)
def test_each_failure_is_a_sentence_that_tells_what_to_do(
    source: PubSubSource, fail: Fail, code: str, kind: str, advice: str
) -> None:
    fail(code)
    error = refusal(source)
    assert f"{type(error).__name__} {error.reason}" == kind
    assert advice in str(error)


@pytest.mark.parametrize(
    ("reason", "advice"),
    [
        ("SERVICE_DISABLED", "Enable pubsub.googleapis.com in the project shop-prod"),
        ("ACCESS_TOKEN_SCOPE_INSUFFICIENT", "the OAuth scope cloud-platform"),
    ],
)
def test_a_denial_with_a_reason_of_its_own_has_its_own_advice(
    source: PubSubSource, fail: Fail, reason: str, advice: str
) -> None:
    fail("PERMISSION_DENIED", ErrorInfo(reason=reason, domain="googleapis.com"))
    error = refusal(source)
    assert (type(error), error.reason) == (GiveUp, "QueueDenied")
    assert advice in str(error)


def test_a_token_that_cannot_be_had_is_no_trouble_of_pubsub(
    source: PubSubSource, fail: Fail
) -> None:
    fail("UNAVAILABLE", said="Getting metadata from plugin failed with error: gone")
    error = refusal(source)
    assert (type(error), error.reason) == (Retry, "NoCredentials")


def test_a_pull_that_ends_at_its_deadline_is_an_empty_one(source: PubSubSource, fail: Fail) -> None:
    fail("DEADLINE_EXCEEDED")
    assert not source.receive()


def test_a_server_that_is_not_there_is_told_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PUBSUB_EMULATOR_HOST", f"127.0.0.1:{free_port()}")
    source = open_pubsub(PATH, wait_seconds=60)
    error = refusal(source)
    assert (type(error), error.reason) == (Retry, "QueueAway")
    source.close()


def test_with_exactly_once_delivery_the_acknowledgements_that_failed_are_told(
    source: PubSubSource, fail: Fail
) -> None:
    told = {"ack2": "PERMANENT_FAILURE_INVALID_ACK_ID", "ack3": "TRANSIENT_FAILURE_OTHER"}
    info = ErrorInfo(reason="INVALID_ACK_ID", domain="pubsub.googleapis.com", metadata=told)
    fail("INVALID_ARGUMENT", info)
    held = [delivery(number) for number in range(1, 5)]
    assert source.ack(held) == held[1:3]
    # Such a message comes back by itself.
    source.extend(held)
    source.retry(held, 0.0)


def test_an_acknowledgement_that_failed_as_a_whole_is_a_failure(
    source: PubSubSource, fail: Fail
) -> None:
    fail("NOT_FOUND")
    with pytest.raises(GiveUp):
        source.ack([delivery(1)])


def test_without_credentials_no_source_is_opened(
    monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    monkeypatch.delenv("PUBSUB_EMULATOR_HOST", raising=False)
    missing = tmp_path_factory.mktemp("keys") / "no-such-key.json"
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(missing))
    with pytest.raises(Retry) as caught:
        open_pubsub(PATH)
    assert caught.value.reason == "NoCredentials"
    assert "workload identity" in str(caught.value)


@pytest.mark.parametrize(
    "path",
    [
        "",
        "hark",
        "projects/shop-prod/topics/hark",
        "projects/shop-prod/subscriptions/hark/",
        "projects/Shop/subscriptions/hark",
        "projects/shop-prod/subscriptions/a b",
        "projects/shop-prod/subscriptions/ha",
        "//pubsub.googleapis.com/projects/shop-prod/subscriptions/hark",
    ],
)
def test_what_is_no_full_name_is_refused_in_a_sentence(path: str) -> None:
    with pytest.raises(GiveUp, match="is not the full name of a Pub/Sub subscription") as caught:
        open_pubsub(path)
    assert caught.value.reason == "InvalidSetting"


def test_what_is_handed_back_for_a_fault_is_counted_where_google_counts_nothing() -> None:
    message = PubsubMessage(message_id="m1", data=b"body")
    reply = PullResponse(received_messages=[ReceivedMessage(ack_id="a1", message=message)])
    client: Any = SimpleNamespace(
        pull=lambda **_: reply, modify_ack_deadline=lambda **_: None, acknowledge=lambda **_: None
    )
    source = PubSubSource(
        client,
        parse_subscription("projects/shop/subscriptions/hark"),
        wait_seconds=1.0,
        reject_seconds=5,
        held_seconds=30,
    )
    for attempt in (1, 2, 3):
        (delivery,) = source.receive()
        assert delivery.attempts == attempt
        source.retry([delivery], 20.0)
    (delivery,) = source.receive()
    source.retry([delivery], 0.0)
    (delivery,) = source.receive()
    assert delivery.attempts == 4, "what is handed back at the stop was no fault"
