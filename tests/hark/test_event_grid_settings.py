from pathlib import Path

import pytest

from externalsecret.errors import GiveUp
from externalsecret.redacted import Redacted
from hark.settings import Settings, read_settings
from hark.sources.eventgrid import EventGridPlan
from listener.sources.subscriptionurl import SUBSCRIPTION_URL_EXAMPLE, parse_subscription_url

ONE = "https://one.westeurope-1.eventgrid.azure.net/topics/secrets/subscriptions/hark"
OTHER = "https://one.westeurope-1.eventgrid.azure.net/topics/others/subscriptions/hark"
ELSEWHERE = "https://two.westeurope-1.eventgrid.azure.net/topics/secrets/subscriptions/hark"


def _read(tmp_path: Path, **environ: str) -> Settings:
    return read_settings(environ, namespace_file=tmp_path / "none", hostname=lambda: "machine")


def test_each_subscription_is_read_once(tmp_path: Path) -> None:
    settings = _read(tmp_path, HARK_EVENTGRID_SUBSCRIPTIONS=f"{ONE}, {OTHER},,{ONE}/")
    assert [plan.label for plan in settings.sources] == [
        "eventgrid:one/secrets/hark",
        "eventgrid:one/others/hark",
    ]


def test_the_example_is_one() -> None:
    url = parse_subscription_url(SUBSCRIPTION_URL_EXAMPLE)
    assert (url.topic, url.subscription) == ("secrets", "hark")
    assert url.endpoint == "https://my-namespace.westeurope-1.eventgrid.azure.net"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("hark", "is not the URL of a subscription"),
        (ONE.replace("https", "http"), "is not https"),
        (ONE.replace("https", "amqps"), "is not the URL of a subscription"),
        (ONE.replace("/subscriptions/", "/eventsubscriptions/"), "is not the URL"),
        (ONE.removesuffix("/subscriptions/hark"), "is not the URL of a subscription"),
        ("https://topic.westeurope-1.eventgrid.azure.net/api/events", "basic tier"),
        ("https://localhost/topics/secrets/subscriptions/hark", "is not the URL"),
        (f"{ONE}?key=hunter2", "is not the URL of a subscription"),
        (f"{ONE}#hunter2", "is not the URL of a subscription"),
        ("https://me:hunter2,@one.eventgrid.azure.net/topics/a/subscriptions/b", "holds an '@'"),
        ("https://one:x/topics/secrets/subscriptions/hark", "is no URL"),
        (ONE.replace("secrets", ".."), "is not the URL of a subscription"),
    ],
)
def test_what_is_no_subscription_is_refused_in_a_sentence(
    tmp_path: Path, text: str, said: str
) -> None:
    with pytest.raises(GiveUp) as refusal:
        _read(tmp_path, HARK_EVENTGRID_SUBSCRIPTIONS=text)
    message = refusal.value.message
    assert refusal.value.reason == "InvalidSetting"
    assert message.startswith("HARK_EVENTGRID_SUBSCRIPTIONS: ")
    assert said in message
    assert message.endswith(f"Example: HARK_EVENTGRID_SUBSCRIPTIONS={SUBSCRIPTION_URL_EXAMPLE}")
    assert "hunter2" not in message


def test_a_key_is_kept_and_not_shown(tmp_path: Path) -> None:
    settings = _read(
        tmp_path, HARK_EVENTGRID_SUBSCRIPTIONS=f"{ONE},{OTHER}", HARK_EVENTGRID_KEY="hunter2"
    )
    for plan in settings.sources:
        assert isinstance(plan, EventGridPlan)
        assert plan.key == Redacted(b"hunter2")
    assert "hunter2" not in repr(settings)


def test_a_key_for_several_namespaces_is_refused(tmp_path: Path) -> None:
    with pytest.raises(GiveUp, match="is a key of one namespace") as refusal:
        _read(
            tmp_path,
            HARK_EVENTGRID_SUBSCRIPTIONS=f"{ONE},{ELSEWHERE}",
            HARK_EVENTGRID_KEY="hunter2",
        )
    assert "hunter2" not in str(refusal.value)
