"""What SqsSource makes of failures: forged on the wire, with the real SDK in front."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from externalsecret.errors import GiveUp, HarkError, Retry
from listener.sources.contract import Delivery, Origin
from listener.sources.sqs import SqsSource, open_sqs
from testbed.actions import answer, hang_up
from testbed.moto import Moto
from testbed.proxy import WireProxy
from testbed.request import any_request, aws

PATH = "/123456789012/hark-changes"


KEYS = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN")


@pytest.fixture
def environment(
    moto: Moto, aws_account: str, moto_proxy: WireProxy, monkeypatch: pytest.MonkeyPatch
) -> pytest.MonkeyPatch:
    for name, value in moto.env(aws_account, moto_proxy.url).items():
        monkeypatch.setenv(name, value)
    return monkeypatch


@pytest.fixture
def source(environment: pytest.MonkeyPatch, moto_proxy: WireProxy) -> Iterator[SqsSource]:
    assert environment
    opened = open_sqs(moto_proxy.url + PATH, wait_seconds=1)
    yield opened
    opened.close()


def refusal(source: SqsSource) -> HarkError:
    with pytest.raises(HarkError) as caught:
        source.receive()
    assert "hark-changes" in str(caught.value)
    return caught.value


@pytest.fixture
def failing_receive(source: SqsSource, moto_proxy: WireProxy) -> Callable[[int, str], HarkError]:
    def receive(status: int, code: str) -> HarkError:
        body = json.dumps({"__type": code, "message": "never shown"}).encode()
        moto_proxy.when(aws("GetQueueAttributes"), answer(200, b"{}"))
        moto_proxy.when(aws("ReceiveMessage"), answer(status, body), times=None)
        return refusal(source)

    return receive


def test_a_missing_queue_is_said_in_a_sentence(source: SqsSource) -> None:
    error = refusal(source)
    assert (type(error), error.reason) == (GiveUp, "QueueMissing")
    assert str(error).startswith("GetQueueAttributes on the SQS queue hark-changes")
    assert "there is no such queue. Check region, account and name in the queue URL" in str(error)


@pytest.mark.parametrize(
    ("status", "code", "kind", "advice"),
    [
        (400, "QueueDoesNotExist", "GiveUp QueueMissing", "no such queue"),
        (400, "AWS.SimpleQueueService.NonExistentQueue", "GiveUp QueueMissing", "no such queue"),
        (400, "AccessDeniedException", "GiveUp QueueDenied", "sqs:DeleteMessage"),
        (403, "AccessDenied", "GiveUp QueueDenied", "sqs:DeleteMessage"),
        (400, "KmsAccessDenied", "GiveUp QueueDenied", "kms:Decrypt"),
        (400, "KMS.AccessDeniedException", "GiveUp QueueDenied", "kms:Decrypt"),
        (400, "KmsDisabled", "GiveUp QueueDenied", "kms:Decrypt"),
        (400, "KmsThrottled", "Retry Throttled", "slow down"),
        (400, "KMS.ThrottlingException", "Retry Throttled", "slow down"),
        (400, "RequestThrottled", "Retry Throttled", "slow down"),
        (400, "ThrottlingException", "Retry Throttled", "slow down"),
        (429, "SomethingNew", "Retry Throttled", "slow down"),
        (403, "OverLimit", "Retry Throttled", "slow down"),
        (500, "InternalFailure", "Retry QueueAway", "passes by itself"),
        (503, "ServiceUnavailable", "Retry QueueAway", "passes by itself"),
        (403, "InvalidClientTokenId", "GiveUp NoCredentials", "ServiceAccount"),
        (403, "ExpiredToken", "GiveUp NoCredentials", "ServiceAccount"),
        (403, "SignatureDoesNotMatch", "GiveUp NoCredentials", "clock"),
        (400, "UnsupportedOperation", "GiveUp QueueRefused", "API Reference"),
    ],
)
def test_an_answer_of_sqs_becomes_one_of_two_kinds(
    failing_receive: Callable[[int, str], HarkError], status: int, code: str, kind: str, advice: str
) -> None:
    error = failing_receive(status, code)
    assert f"{type(error).__name__} {error.reason}" == kind
    assert code in str(error)
    assert advice in str(error)
    assert "never shown" not in str(error)


def test_the_name_in_the_compatibility_header_is_understood_too(
    source: SqsSource, moto_proxy: WireProxy
) -> None:
    headers = {"x-amzn-query-error": "AWS.SimpleQueueService.NonExistentQueue;Sender"}
    body = b'{"__type":"com.amazonaws.sqs#QueueDoesNotExist"}'
    moto_proxy.when(any_request, answer(400, body, headers), times=None)
    assert refusal(source).reason == "QueueMissing"


@pytest.mark.parametrize("verb", ["ack", "reject", "extend"])
def test_every_verb_translates(source: SqsSource, moto_proxy: WireProxy, verb: str) -> None:
    moto_proxy.when(any_request, answer(503, b"<html>"), times=None)
    with pytest.raises(Retry) as caught:
        getattr(source, verb)([Delivery("", "receipt", 1, 0, Origin())])
    assert caught.value.reason == "QueueAway"


def test_one_hiccup_is_mended_by_the_sdk(source: SqsSource, moto_proxy: WireProxy) -> None:
    moto_proxy.when(aws("GetQueueAttributes"), answer(503, b""))
    moto_proxy.when(aws("GetQueueAttributes"), answer(200, b"{}"))
    moto_proxy.when(aws("ReceiveMessage"), answer(200, b"{}"))
    assert not source.receive()


def test_settings_are_asked_for_again_after_a_failure(
    source: SqsSource, moto_proxy: WireProxy
) -> None:
    moto_proxy.when(any_request, answer(503, b""), times=2)
    moto_proxy.when(aws("GetQueueAttributes"), answer(200, b'{"Attributes":{"RedrivePolicy":""}}'))
    assert isinstance(refusal(source), Retry)
    source.read_settings()
    assert source.dead_letter_queue


def test_a_broken_line_is_retried(source: SqsSource, moto_proxy: WireProxy) -> None:
    moto_proxy.when(any_request, hang_up, times=None)
    error = refusal(source)
    assert (type(error), error.reason) == (Retry, "QueueAway")


def test_nobody_listening_is_retried(source: SqsSource, moto_proxy: WireProxy) -> None:
    moto_proxy.stop()
    error = refusal(source)
    assert (type(error), error.reason) == (Retry, "QueueAway")
    assert "check DNS" in str(error)


def test_no_credentials_are_said_in_a_sentence(
    environment: pytest.MonkeyPatch, moto_proxy: WireProxy
) -> None:
    for name in KEYS:
        environment.delenv(name)
    error = refusal(open_sqs(moto_proxy.url + PATH))
    assert (type(error), error.reason) == (GiveUp, "NoCredentials")
    assert "Check the role of Hark's ServiceAccount" in str(error)


def test_a_role_that_does_not_trust_us_is_said_in_a_sentence(
    environment: pytest.MonkeyPatch, moto_proxy: WireProxy, tmp_path: Path
) -> None:
    token = tmp_path / "token"
    token.write_text("a token")
    for name in KEYS:
        environment.delenv(name)
    environment.setenv("AWS_WEB_IDENTITY_TOKEN_FILE", str(token))
    environment.setenv("AWS_ROLE_ARN", "arn:aws:iam::123456789012:role/hark")
    denied = b"<ErrorResponse><Error><Code>AccessDenied</Code></Error></ErrorResponse>"
    xml = {"Content-Type": "text/xml"}
    moto_proxy.when(aws("AssumeRoleWithWebIdentity"), answer(403, denied, xml), times=None)
    error = refusal(open_sqs(moto_proxy.url + PATH))
    assert (type(error), error.reason) == (GiveUp, "NoCredentials")
    assert "trusts Hark's ServiceAccount" in str(error)


def test_a_url_without_region_takes_it_from_the_environment(
    environment: pytest.MonkeyPatch, moto_proxy: WireProxy
) -> None:
    environment.setenv("AWS_REGION", "eu-west-3")
    received = moto_proxy.when(any_request, answer(503), times=None)
    opened = open_sqs(moto_proxy.url + PATH)
    refusal(opened)
    opened.close()
    assert "/eu-west-3/sqs/" in received.met[0].headers["authorization"]


def test_no_region_anywhere_is_refused(environment: pytest.MonkeyPatch) -> None:
    environment.delenv("AWS_REGION")
    environment.delenv("AWS_DEFAULT_REGION")
    with pytest.raises(GiveUp, match="does not name its region") as caught:
        open_sqs("http://127.0.0.1:5000" + PATH)
    assert caught.value.reason == "InvalidSetting"


def test_a_region_that_contradicts_the_url_is_refused() -> None:
    with pytest.raises(GiveUp, match="is in us-east-1, but its region is set to eu-west-1"):
        open_sqs("https://sqs.us-east-1.amazonaws.com" + PATH, region="eu-west-1")


def test_a_malformed_endpoint_is_refused() -> None:
    with pytest.raises(GiveUp, match="malformed") as caught:
        open_sqs("https://sqs.us-east-1.amazonaws.com" + PATH, endpoint_url="nonsense")
    assert caught.value.reason == "InvalidSetting"
