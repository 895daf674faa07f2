"""What holds for any body of Azure Event Grid, tried on 10,000 that nobody would write."""

import json
from collections.abc import Callable
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
from listener.messages import azure
from listener.messages.meaning import Malformed

MESSAGES: list[Any] = [
    json.loads(path.read_text(encoding="utf-8"))
    for path in sorted(Path(__file__).parent.glob("azure-*.json"))
]
AZURE = Parser(MESSAGES, azure.parse)


def in_some_form(message: Any, choices: Choices) -> str:
    """As one event, or as the only one of a batch."""
    is_batched = choices.below(2) and not isinstance(message, list)
    return json.dumps([message] if is_batched else message)


def respelt(value: Any, choices: Choices) -> Any:
    """The same JSON with other cases and stray blanks in the names of fields."""
    if isinstance(value, list):
        return [respelt(item, choices) for item in value]
    if not isinstance(value, dict):
        return value
    spellings: tuple[Callable[[str], str], ...] = (str, str.upper, str.lower, "{} ".format)
    return {choices.one_of(spellings)(key): respelt(part, choices) for key, part in value.items()}


@ten_thousand
@given(ENTROPY)
def test_any_text_has_a_meaning_or_is_malformed(entropy: list[bytes]) -> None:
    for choices in drawn(entropy):
        AZURE.understood(AZURE.any_text(choices))


@ten_thousand
@given(ENTROPY)
def test_any_json_has_a_meaning_or_is_malformed(entropy: list[bytes]) -> None:
    for choices in drawn(entropy):
        AZURE.understood(AZURE.any_json(choices))


@ten_thousand
@given(ENTROPY)
def test_any_damage_to_a_real_message_leaves_a_meaning_or_is_malformed(
    entropy: list[bytes],
) -> None:
    for choices in drawn(entropy):
        AZURE.understood(in_some_form(AZURE.damaged(choices), choices))


@ten_thousand
@given(ENTROPY)
def test_order_spelling_and_unknown_fields_change_nothing(entropy: list[bytes]) -> None:
    for choices in drawn(entropy):
        message = choices.one_of(MESSAGES)
        other = reordered(respelt(message, choices), choices, unknown_fields(choices))
        found = facts(AZURE.understood(in_some_form(other, choices)))
        assert found == facts(AZURE.understood(json.dumps(message)))


@ten_thousand
@given(ENTROPY)
def test_no_part_of_a_body_is_shown_by_a_refusal_nor_another_exception(
    entropy: list[bytes],
) -> None:
    for choices in drawn(entropy):
        shown = AZURE.shown_by(AZURE.with_canary(choices))
        assert CANARY not in shown
        assert "Error" not in shown


@ten_thousand
@given(ENTROPY)
def test_what_is_told_of_a_batch_is_told_of_its_events(entropy: list[bytes]) -> None:
    for choices in drawn(entropy):
        events = [AZURE.damaged(choices) for _ in range(1 + choices.below(3))]
        body = json.dumps([event for event in events if not isinstance(event, list)])
        try:
            singles = azure.events_of(body)
        except Malformed:
            continue
        told = [AZURE.understood(single) for single in singles]
        apart = {event for meaning in told if isinstance(meaning, tuple) for event in meaning}
        whole = azure_changes(body)
        assert set(whole) == apart


def azure_changes(body: str) -> tuple[Any, ...]:
    """The changes of a body as a whole; ids may repeat in a batch that was damaged."""
    try:
        meaning = azure.parse(body)
    except Malformed:
        return ()
    return meaning if isinstance(meaning, tuple) else ()
