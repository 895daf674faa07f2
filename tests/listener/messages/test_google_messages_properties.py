"""What holds for any message of a Pub/Sub subscription, tried on 10,000 that nobody would write.

Each example of hypothesis is a seed of many messages: it would spend most of its time on choosing
them one by one. A failure tells the message itself.
"""

import json
import random
import traceback
from collections.abc import Callable, Iterator
from random import Random
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from fakes.googlemessages import NAMES, attributes_of, body_of
from listener.messages.google import parse
from listener.messages.meaning import ChangeEvent, Ignored, Malformed, Meaning

CANARY = "hunter2-canary"
MESSAGES: list[tuple[Any, dict[str, str]]] = [
    (body_of(name), attributes_of(name)) for name in NAMES
]
_SEEDS = 20
_PER_SEED = 500
_TEXTS = (
    *("", "\x00", "\ud800", "a" * 3000, "/", "projects/1/secrets/x", "projects/1/secrets/x/"),
    *("projects/x/secrets/y/versions/0", "projects/1/secrets/x/versions/99999999999999999999"),
    *("SECRET_VERSION_ADD", "secretmanager.googleapis.com", "\N{SNOWMAN}", "7", "null", "{}"),
)
_NAMES_OF_ATTRIBUTES = ("eventType", "secretId", "versionId", "timestamp", "other")

many = settings(max_examples=_SEEDS, deadline=None)
SEEDS = st.integers(0, 2**64)


def any_text(chance: Random) -> str:
    if chance.random() < 0.6:
        return chance.choice(_TEXTS)
    return "".join(chr(chance.randrange(0x3000)) for _ in range(chance.randrange(12)))


def any_json(chance: Random, depth: int = 3) -> Any:
    kind = chance.randrange(9 if depth else 7)
    if kind < 7:
        scalars = (None, True, 0, -(2**70), 1e308, CANARY, any_text(chance))
        return scalars[kind]
    inner = [any_json(chance, depth - 1) for _ in range(chance.randrange(4))]
    return inner if kind == 7 else {any_text(chance): one for one in inner}


def damaged(value: Any, chance: Random) -> Any:
    """The same JSON with one of its parts replaced or taken away."""
    if not isinstance(value, dict | list) or not value or chance.random() < 0.15:
        return any_json(chance)
    place = chance.choice(list(value) if isinstance(value, dict) else range(len(value)))
    copy: Any = dict(value) if isinstance(value, dict) else list(value)
    if chance.random() < 0.2:
        del copy[place]
    else:
        copy[place] = damaged(copy[place], chance)
    return copy


def damaged_attributes(attributes: dict[str, str], chance: Random) -> dict[str, str]:
    copy = dict(attributes)
    name = chance.choice([*attributes, *_NAMES_OF_ATTRIBUTES])
    if chance.random() < 0.3:
        copy.pop(name, None)
    else:
        copy[name] = chance.choice(
            [CANARY, any_text(chance), attributes_of("version-add").get(name, "")]
        )
    return copy


def garbage(chance: Random) -> tuple[str, dict[str, str]]:
    body = any_text(chance) if chance.random() < 0.3 else json.dumps(any_json(chance))
    names = [chance.choice(_NAMES_OF_ATTRIBUTES) for _ in range(chance.randrange(4))]
    return body, {name: any_text(chance) for name in names}


def mutant(chance: Random) -> tuple[str, dict[str, str]]:
    body, attributes = chance.choice(MESSAGES)
    for _ in range(chance.randrange(1, 4)):
        if chance.random() < 0.5:
            body = damaged(body, chance)
        else:
            attributes = damaged_attributes(attributes, chance)
    text = json.dumps(body)
    if chance.random() < 0.2:
        start = chance.randrange(len(text) + 1)
        text = text[:start] + chance.choice([CANARY, any_text(chance)]) + text[start + 3 :]
    return text, attributes


Make = Callable[[Random], tuple[str, dict[str, str]]]


def messages(seed: int, make: Make) -> Iterator[tuple[str, dict[str, str]]]:
    chance = random.Random(seed)  # noqa: S311 - chance for tests needs no secrecy
    for _ in range(_PER_SEED):
        yield make(chance)


def understood(body: str, attributes: dict[str, str]) -> Meaning | None:
    """What the message means, None where it is Malformed; any other exception fails the test, and
    so does a refusal that shows a part of it.
    """
    try:
        meaning = parse(body, attributes)
    except Malformed as refusal:
        held = (refusal.args, vars(refusal), refusal.__cause__, refusal.__context__)
        shown = "".join([*traceback.format_exception(refusal), repr(refusal), repr(held)])
        assert CANARY not in shown
        assert "Error" not in shown
        return None
    if isinstance(meaning, Ignored):
        return meaning
    (event,) = meaning
    assert isinstance(event, ChangeEvent)
    assert event.id
    assert 0 < len(event.secret.name) <= 255
    assert event.secret.account
    assert event.secret.region
    assert event.version is None or event.version.isdecimal()
    assert event.label is None
    return meaning


@many
@given(SEEDS)
def test_any_message_has_a_meaning_or_is_malformed(seed: int) -> None:
    for body, attributes in messages(seed, garbage):
        understood(body, attributes)


@many
@given(SEEDS)
def test_any_damage_to_a_real_message_leaves_a_meaning_or_is_malformed(seed: int) -> None:
    for body, attributes in messages(seed, mutant):
        understood(body, attributes)


def shuffled(value: Any, chance: Random) -> Any:
    """The same JSON with the fields of every object in another order, unknown ones among them."""
    if isinstance(value, list):
        return [shuffled(item, chance) for item in value]
    if not isinstance(value, dict):
        return value
    fields = [(key, shuffled(child, chance)) for key, child in value.items()]
    fields.append((f"x-{chance.randrange(1000)}", any_text(chance)))
    chance.shuffle(fields)
    return dict(fields)


@many
@given(SEEDS)
def test_order_and_what_nobody_knows_change_nothing(seed: int) -> None:
    chance = random.Random(seed)  # noqa: S311 - chance for tests needs no secrecy
    for body, attributes in MESSAGES:
        more = shuffled(attributes, chance)
        text, other = json.dumps(body), json.dumps(shuffled(body, chance), indent=1)
        assert understood(other, more) == understood(text, attributes)
