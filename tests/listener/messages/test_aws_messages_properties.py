"""What holds for any body of an AWS queue's message, tried on bodies that nobody would write.

HARK_HYPOTHESIS_EXAMPLES says how many examples each property tries (500 unless it is set; 10,000
are a matter of minutes): `HARK_HYPOTHESIS_EXAMPLES=10000 pytest <this file>`.
"""

import json
import os
import traceback
from pathlib import Path
from random import Random
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from externalsecret.identity import SecretId
from listener.messages.aws import parse
from listener.messages.meaning import ChangeEvent, Ignored, Malformed, Meaning
from listener.sources.contract import Origin

QUEUE = Origin(region="eu-west-1", account="999988887777")
BODIES = [
    path.read_text(encoding="utf-8") for path in sorted(Path(__file__).parent.glob("aws-*.json"))
]
MESSAGES: list[dict[str, Any]] = [json.loads(body) for body in BODIES]
CANARY = "hunter2-canary"

many = settings(
    max_examples=int(os.environ.get("HARK_HYPOTHESIS_EXAMPLES", "500")),
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)

Way = tuple[Any, ...]
"""The names of fields and positions in lists that lead to a part of a JSON value."""

ANY_TEXT = st.text(st.characters(), max_size=20)
HARD_SCALARS = st.sampled_from(
    [None, True, 0, -1, 2**70, 10**4000, 1e308, "", "\x00", "\ud800", "a" * 3000, "arn:aws:", "/"]
)
ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | ANY_TEXT | HARD_SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(ANY_TEXT, inner, max_size=4),
    max_leaves=8,
)


def paths_of(value: object, above: Way = ()) -> list[Way]:
    """The way to each part of a JSON value, its root left out."""
    children: list[tuple[str | int, object]] = []
    if isinstance(value, dict):
        children = list(value.items())
    if isinstance(value, list):
        children = list(enumerate(value))
    found: list[Way] = []
    for key, child in children:
        found.append((*above, key))
        found.extend(paths_of(child, (*above, key)))
    return found


def with_part(value: Any, path: Way, part: object) -> Any:
    """A copy of a JSON value with another part at a path."""
    if not path:
        return part
    copy: Any = dict(value) if isinstance(value, dict) else list(value)
    copy[path[0]] = with_part(copy[path[0]], path[1:], part)
    return copy


def without_part(value: Any, path: Way) -> Any:
    copy: Any = dict(value) if isinstance(value, dict) else list(value)
    if len(path) == 1:
        del copy[path[0]]
    else:
        copy[path[0]] = without_part(copy[path[0]], path[1:])
    return copy


@st.composite
def mutated(draw: st.DrawFn, parts: st.SearchStrategy[Any] = ANY_JSON) -> Any:
    """A real message with up to four of its parts replaced or taken away."""
    message: Any = draw(st.sampled_from(MESSAGES))
    for _ in range(draw(st.integers(1, 4))):
        paths = paths_of(message)
        if not paths:
            break
        path = draw(st.sampled_from(paths))
        if draw(st.booleans()):
            message = with_part(message, path, draw(parts))
        else:
            message = without_part(message, path)
    return message


@st.composite
def cut_and_pasted(draw: st.DrawFn) -> str:
    """The text of a real message, with a piece of it replaced by any text."""
    body = draw(st.sampled_from(BODIES))
    start = draw(st.integers(0, len(body)))
    end = draw(st.integers(start, len(body)))
    return body[:start] + draw(ANY_TEXT) + body[end:]


def in_sns(message: object) -> dict[str, object]:
    return {
        "Type": "Notification",
        "MessageId": "0a1b2c3d-sns",
        "TopicArn": "arn:aws:sns:eu-central-1:111122223333:secrets",
        "Message": json.dumps(message),
    }


FORMS = st.sampled_from(["plain", "sns", "detail", "detail in sns"])


def in_form(message: Any, form: str) -> str:
    if form.startswith("detail") and isinstance(message, dict) and "detail" in message:
        message = message["detail"]
    return json.dumps(in_sns(message) if form.endswith("sns") else message)


def understood(body: str) -> Meaning | None:
    """What the body means, None where it is Malformed; any other exception fails the test."""
    try:
        meaning = parse(body, QUEUE)
    except Malformed:
        return None
    if isinstance(meaning, Ignored):
        return meaning
    assert meaning
    for event in meaning:
        assert isinstance(event, ChangeEvent)
        assert event.id
        for name in event.secret.names():
            assert 0 < len(name) <= 2048
            assert name.encode("utf-8")
        assert event.version != ""
        assert event.label != ""
    assert len({event.id for event in meaning}) == len(meaning)
    return meaning


@many
@given(st.text(st.characters(), max_size=200) | cut_and_pasted())
def test_any_text_has_a_meaning_or_is_malformed(body: str) -> None:
    understood(body)


@many
@given(ANY_JSON)
def test_any_json_has_a_meaning_or_is_malformed(value: object) -> None:
    try:
        body = json.dumps(value)
    except ValueError:
        # A whole number of more digits than Python writes; others write it.
        body = '{"source": ' + "9" * 5000 + "}"
    understood(body)


@many
@given(mutated(), FORMS)
def test_any_damage_to_a_real_message_leaves_a_meaning_or_is_malformed(
    message: object, form: str
) -> None:
    understood(in_form(message, form))


def shuffled(value: Any, order: Random, unknown: dict[str, str]) -> Any:
    """The same JSON with the fields of every object in another order, unknown ones among them."""
    if isinstance(value, list):
        return [shuffled(item, order, unknown) for item in value]
    if not isinstance(value, dict):
        return value
    fields = [(key, shuffled(child, order, unknown)) for key, child in value.items()]
    fields.extend(unknown.items())
    order.shuffle(fields)
    return dict(fields)


UNKNOWN = st.dictionaries(st.from_regex("x-[a-z]{1,8}", fullmatch=True), ANY_TEXT, max_size=3)


def facts(meaning: Meaning | None) -> list[tuple[SecretId, str | None, str | None]]:
    if not isinstance(meaning, tuple):
        return []
    return [(event.secret, event.version, event.label) for event in meaning]


@many
@given(st.sampled_from(MESSAGES), st.randoms(use_true_random=True), UNKNOWN, FORMS)
def test_order_and_unknown_fields_change_nothing(
    message: dict[str, Any], order: Random, unknown: dict[str, str], form: str
) -> None:
    other = shuffled(message, order, unknown)
    meant = understood(in_form(message, form))
    found = understood(in_form(other, form))
    assert facts(found) == facts(meant)
    assert isinstance(meant, tuple) == isinstance(found, tuple)
    if isinstance(meant, Ignored):
        assert found == meant


@st.composite
def with_canary(draw: st.DrawFn) -> str:
    """A damaged message with the canary as a value, as a name of a field, or in the text."""
    message = draw(mutated(ANY_JSON | st.just(CANARY) | st.just([CANARY]) | st.just({CANARY: 1})))
    paths = paths_of(message)
    if paths:
        part = draw(st.sampled_from([CANARY, f"{CANARY}\n", f"{CANARY}\ud800", [CANARY], {}]))
        message = with_part(message, draw(st.sampled_from(paths)), part)
    body = in_form(message, draw(FORMS))
    if draw(st.booleans()):
        place = draw(st.integers(0, len(body)))
        body = body[:place] + CANARY + body[place:]
    return body


def shown_by(body: str) -> str:
    """All that a careless log line could show of what parse says about an irrelevant body."""
    try:
        meaning = parse(body, QUEUE)
    except Malformed as refusal:
        held = (refusal.args, vars(refusal), refusal.__cause__, refusal.__context__)
        return "".join([*traceback.format_exception(refusal), repr(refusal), repr(held)])
    return repr(meaning) if isinstance(meaning, Ignored) else ""


@many
@given(with_canary())
def test_no_part_of_a_body_is_shown_by_a_refusal(body: str) -> None:
    assert CANARY not in shown_by(body)


@many
@given(with_canary())
def test_a_refusal_carries_no_other_exception(body: str) -> None:
    assert "Error" not in shown_by(body)
