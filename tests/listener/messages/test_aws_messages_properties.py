"""What holds for any body of an AWS queue's message, tried on 10,000 that nobody would write."""

import json
from pathlib import Path
from typing import Any

from hypothesis import given

from fakes.bodies import (
    CANARY,
    ENTROPY,
    Choices,
    Parser,
    drawn,
    facts,
    reordered,
    ten_thousand,
    unknown_fields,
)
from listener.messages import aws
from listener.sources.contract import Origin

QUEUE = Origin(region="eu-west-1", account="999988887777")
MESSAGES: list[dict[str, Any]] = [
    json.loads(path.read_text(encoding="utf-8"))
    for path in sorted(Path(__file__).parent.glob("aws-*.json"))
]
AWS = Parser(MESSAGES, lambda body: aws.parse(body, QUEUE))
FORMS = ("plain", "sns", "detail", "detail in sns")


def in_sns(message: str) -> str:
    notification = {
        "Type": "Notification",
        "MessageId": "0a1b2c3d-sns",
        "TopicArn": "arn:aws:sns:eu-central-1:111122223333:secrets",
        "Message": message,
    }
    return json.dumps(notification)


def in_form(message: Any, form: str) -> str:
    if form.startswith("detail") and isinstance(message, dict) and "detail" in message:
        message = message["detail"]
    body = json.dumps(message)
    return in_sns(body) if form.endswith("sns") else body


def in_some_form(message: Any, choices: Choices) -> str:
    return in_form(message, choices.one_of(FORMS))


@ten_thousand
@given(ENTROPY)
def test_any_text_has_a_meaning_or_is_malformed(entropy: list[bytes]) -> None:
    for choices in drawn(entropy):
        AWS.understood(AWS.any_text(choices))


@ten_thousand
@given(ENTROPY)
def test_any_json_has_a_meaning_or_is_malformed(entropy: list[bytes]) -> None:
    for choices in drawn(entropy):
        AWS.understood(AWS.any_json(choices))


def test_a_number_of_more_digits_than_python_reads_is_malformed() -> None:
    assert AWS.understood('{"source": ' + "9" * 5000 + "}") is None


@ten_thousand
@given(ENTROPY)
def test_any_damage_to_a_real_message_leaves_a_meaning_or_is_malformed(
    entropy: list[bytes],
) -> None:
    for choices in drawn(entropy):
        AWS.understood(in_some_form(AWS.damaged(choices), choices))


@ten_thousand
@given(ENTROPY)
def test_order_and_unknown_fields_change_nothing(entropy: list[bytes]) -> None:
    for choices in drawn(entropy):
        message, form = choices.one_of(MESSAGES), choices.one_of(FORMS)
        other = reordered(message, choices, unknown_fields(choices))
        found = facts(AWS.understood(in_form(other, form)))
        assert found == facts(AWS.understood(in_form(message, form)))


@ten_thousand
@given(ENTROPY)
def test_no_part_of_a_body_is_shown_by_a_refusal_nor_another_exception(
    entropy: list[bytes],
) -> None:
    for choices in drawn(entropy):
        body = AWS.with_canary(choices)
        if choices.below(2):
            body = in_sns(body)
        shown = AWS.shown_by(body)
        assert CANARY not in shown
        assert "Error" not in shown
