import pytest

from externalsecret.errors import GiveUp
from listener.sources.queueurl import parse_queue_url

READ = [
    ("https://sqs.us-east-1.amazonaws.com", "us-east-1", None),
    ("https://sqs.us-gov-west-1.amazonaws.com", "us-gov-west-1", None),
    ("https://sqs.cn-north-1.amazonaws.com.cn", "cn-north-1", None),
    ("https://sqs.eusc-de-east-1.amazonaws.eu", "eusc-de-east-1", None),
    ("https://queue.amazonaws.com", "us-east-1", None),
    ("https://us-west-2.queue.amazonaws.com", "us-west-2", None),
    ("https://cn-north-1.queue.amazonaws.com.cn", "cn-north-1", None),
    (
        "https://vpce-0a1b-2c3d.sqs.eu-west-1.vpce.amazonaws.com",
        "eu-west-1",
        "https://vpce-0a1b-2c3d.sqs.eu-west-1.vpce.amazonaws.com",
    ),
    (
        "https://vpce-0a1b-2c3d-eu-west-1a.sqs.eu-west-1.vpce.amazonaws.com",
        "eu-west-1",
        "https://vpce-0a1b-2c3d-eu-west-1a.sqs.eu-west-1.vpce.amazonaws.com",
    ),
    (
        "https://sqs-fips.us-east-2.amazonaws.com",
        "us-east-2",
        "https://sqs-fips.us-east-2.amazonaws.com",
    ),
    ("https://sqs.eu-north-1.api.aws", "eu-north-1", "https://sqs.eu-north-1.api.aws"),
    (
        "http://sqs.eu-west-1.localhost.emulator.example:4566",
        "eu-west-1",
        "http://sqs.eu-west-1.localhost.emulator.example:4566",
    ),
    ("http://127.0.0.1:5000", None, "http://127.0.0.1:5000"),
    ("http://[::1]:5000", None, "http://[::1]:5000"),
    ("https://queues.corp.example", None, "https://queues.corp.example"),
]


@pytest.mark.parametrize(("origin", "region", "endpoint"), READ)
def test_a_queue_url_tells_region_account_name_and_endpoint(
    origin: str, region: str | None, endpoint: str | None
) -> None:
    queue = parse_queue_url(f"{origin}/123456789012/hark-changes")
    assert (queue.region, queue.endpoint) == (region, endpoint)
    assert (queue.account, queue.name) == ("123456789012", "hark-changes")


def test_a_host_that_only_begins_like_aws_is_spoken_to_itself() -> None:
    origin = "https://sqs.us-east-1.amazonaws.com.example.org"
    assert parse_queue_url(f"{origin}/123456789012/q").endpoint == origin


def test_a_fifo_queue_keeps_its_ending() -> None:
    queue = parse_queue_url("https://sqs.us-east-1.amazonaws.com/123456789012/changes.fifo")
    assert queue.name == "changes.fifo"


@pytest.mark.parametrize(
    "wrong",
    [
        "",
        "hark-changes",
        "arn:aws:sqs:us-east-1:123456789012:hark-changes",
        "https://sqs.us-east-1.amazonaws.com",
        "https://sqs.us-east-1.amazonaws.com/123456789012",
        "https://sqs.us-east-1.amazonaws.com/123456789012/",
        "https://sqs.us-east-1.amazonaws.com/12345/hark-changes",
        "https://sqs.us-east-1.amazonaws.com/123456789012/hark/changes",
        "https://sqs.us-east-1.amazonaws.com/123456789012/hark changes",
        "https://sqs.us-east-1.amazonaws.com/123456789012/hark-changes?Action=DeleteQueue",
        "https://sqs.us-east-1.amazonaws.com/123456789012/hark-changes#1",
        "ftp://sqs.us-east-1.amazonaws.com/123456789012/hark-changes",
        "http://127.0.0.1:port/123456789012/hark-changes",
        "http://[::1/123456789012/hark-changes",
    ],
)
def test_what_is_no_queue_url_is_refused_with_an_example(wrong: str) -> None:
    with pytest.raises(GiveUp, match="Give the queue's URL, not its ARN") as caught:
        parse_queue_url(wrong)
    assert caught.value.reason == "InvalidSetting"


def test_a_password_in_the_url_is_refused_and_not_repeated() -> None:
    with pytest.raises(GiveUp) as caught:
        parse_queue_url("https://key:hunter2@queues.corp.example/123456789012/hark-changes")
    assert "Credentials do not belong" in str(caught.value)
    assert "hunter2" not in str(caught.value)
