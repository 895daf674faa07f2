"""What `hark test-event` sends is recognised, and nothing else is."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from listener.messages.testmessage import MARK, mark_of, marked_data, marked_event

ID = "3d1c62e2-0f4a-4f2b-9f57-6f8f3a1a2b3c"
NOW = datetime(2026, 11, 24, 1, 2, 3, 456, UTC)


def test_a_test_message_is_a_whole_cloud_event_with_its_id() -> None:
    event = marked_event(ID, NOW)
    assert event["specversion"] == "1.0"
    assert {"id", "source", "type"} <= set(event)
    assert event["time"] == "2026-11-24T01:02:03+00:00"
    assert mark_of(json.dumps(event)) == ID


def test_it_is_recognised_as_event_bridge_wraps_it() -> None:
    assert mark_of(json.dumps({"source": "hark.test", "detail": marked_data(ID)})) == ID


@pytest.mark.parametrize("sent", [{"detail": marked_data(ID)}, marked_data(ID)])
def test_it_is_known_by_way_of_sns_and_of_a_rule_that_sends_the_detail_alone(sent: Any) -> None:
    assert mark_of(json.dumps(sent)) == ID
    assert mark_of(json.dumps({"Type": "Notification", "Message": json.dumps(sent)})) == ID


@pytest.mark.parametrize(
    "body",
    [
        {},
        [marked_event(ID, NOW)],
        {"data": MARK},
        {"Message": {MARK: ID}},
        {"data": {MARK: 7}},
        {"data": {MARK: ""}},
        {"data": {MARK: "two\nlines"}},
        {"data": {MARK: "x" * 65}},
        {"data": {"text": MARK}},
        {"data": marked_data(ID), "padding": "x" * 70_000},
    ],
)
def test_nothing_else_is(body: Any) -> None:
    assert mark_of(json.dumps(body)) is None


@pytest.mark.parametrize("body", ["", MARK, f"{MARK} {{", '{"hark-test": ' * 5000])
def test_what_is_no_json_is_none_and_raises_nothing(body: str) -> None:
    assert mark_of(body) is None


@given(st.text())
def test_no_text_raises(text: str) -> None:
    assert mark_of(text + MARK + text) is None
