"""HARK_PUBSUB_SUBSCRIPTIONS, from the environment to the plans."""

import pytest

from externalsecret.errors import GiveUp
from hark.environment import Environment
from hark.sources.catalogue import read_sources
from listener.messages.meaning import Ignored, IgnoredReason
from listener.sources.contract import Delivery, Origin

NAME = "HARK_PUBSUB_SUBSCRIPTIONS"


def test_each_subscription_is_a_source_once() -> None:
    one, other = "projects/a-b/subscriptions/hark", "projects/example.com:c/subscriptions/hark"
    plans = read_sources(Environment({NAME: f"{one}, {other},{one}"}))
    assert [plan.label for plan in plans] == ["pubsub:a-b/hark", "pubsub:example.com:c/hark"]


def test_a_name_that_is_none_ends_the_start_with_an_example() -> None:
    with pytest.raises(GiveUp) as caught:
        read_sources(Environment({NAME: "hark"}))
    said = str(caught.value)
    assert said.startswith(f"{NAME}: 'hark' is not the full name of a Pub/Sub subscription.")
    assert said.endswith(f"Example: {NAME}=projects/shop-prod/subscriptions/hark")
    assert caught.value.reason == "InvalidSetting"


def test_a_message_is_parsed_by_its_attributes() -> None:
    (plan,) = read_sources(Environment({NAME: "projects/shop-prod/subscriptions/hark"}))
    told = {"eventType": "TOPIC_CONFIGURED"}
    delivery = Delivery("", "1 2", 1, 0.0, Origin(), told)
    assert plan.parse(delivery) == Ignored(IgnoredReason.TEST_MESSAGE)
