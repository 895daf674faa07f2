"""What holds for any message about a Vault, tried on 10,000 bodies that nobody would write."""

import json
from random import Random
from typing import Any

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from listener.messages.meaning import ChangeEvent, Ignored, Malformed, Meaning
from listener.messages.vault import parse
from worlds.vaultevents import EVENTS

CANARY = "hunter2-canary"
BODIES = [json.dumps(message) for message, _ in EVENTS.values()]
ODD: list[Any] = [
    None,
    True,
    0,
    2**70,
    1e308,
    "",
    "\x00",
    "\ud800",
    "a" * 3000,
    "/",
    "data/",
    "data/x",
    [],
    {},
    [CANARY],
    {CANARY: CANARY},
    f"{CANARY}\n",
]

quick = settings(
    max_examples=200,
    deadline=None,
    phases=(Phase.generate,),
    suppress_health_check=[HealthCheck.too_slow],
)


def parts_of(value: Any) -> list[tuple[Any, Any]]:
    """Every (container, key) of a JSON value."""
    children = value.items() if isinstance(value, dict) else enumerate(value)
    found: list[tuple[Any, Any]] = []
    for key, child in children:
        found.append((value, key))
        if isinstance(child, dict | list):
            found.extend(parts_of(child))
    return found


def damaged(chance: Random) -> str:
    """A real message with up to four of its parts replaced, taken away or cut."""
    message = json.loads(chance.choice(BODIES))
    for _ in range(chance.randint(1, 4)):
        parts = parts_of(message)
        if not parts:
            break
        container, key = chance.choice(parts)
        if chance.random() < 0.3:
            del container[key]
        else:
            container[key] = chance.choice(ODD)
    body = json.dumps(message)
    if chance.random() < 0.2:
        place = chance.randrange(len(body))
        body = body[:place] + CANARY + body[place + chance.randint(0, 5) :]
    return body


def understood(body: str) -> Meaning | None:
    """What the body means, None where it is Malformed; any other exception fails the test."""
    try:
        meaning = parse(body, "team-a/dev", "team-a")
    except Malformed as refusal:
        held = (refusal.args, vars(refusal), refusal.__cause__, refusal.__context__)
        shown = f"{refusal} {refusal!r} {held!r}"
        assert CANARY not in shown
        assert "Error" not in shown
        return None
    if isinstance(meaning, Ignored):
        assert CANARY not in repr(meaning)
        return meaning
    (event,) = meaning
    assert isinstance(event, ChangeEvent)
    assert event.id
    assert 0 < len(event.secret.name) <= 3 * 2048
    assert event.secret.name.encode("utf-8")
    assert event.version != ""
    return meaning


def test_ten_thousand_damaged_events_have_a_meaning_or_are_malformed() -> None:
    chance = Random(7)  # noqa: S311 - bodies that can be made again
    meanings = [understood(damaged(chance)) for _ in range(10_000)]
    # The damage neither hits all of them nor misses all.
    assert 1_000 < sum(meaning is None for meaning in meanings) < 9_000


ANY = st.recursive(
    st.sampled_from(ODD) | st.text(max_size=10) | st.integers(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=5,
)


@quick
@given(ANY)
def test_any_json_has_a_meaning_or_is_malformed(value: object) -> None:
    understood(json.dumps(value))


@quick
@given(st.text(max_size=100))
def test_any_text_has_a_meaning_or_is_malformed(body: str) -> None:
    understood(body)


def shuffled(value: Any, chance: Random) -> Any:
    """The same JSON with the fields of every object in another order, an unknown one among them."""
    if not isinstance(value, dict):
        return value
    fields = [(key, shuffled(child, chance)) for key, child in value.items()]
    fields.append((f"x-{chance.randint(0, 99)}", chance.choice(ODD)))
    chance.shuffle(fields)
    return dict(fields)


def test_order_and_unknown_fields_change_nothing() -> None:
    chance = Random(11)  # noqa: S311 - bodies that can be made again
    for _ in range(1_000):
        body = chance.choice(BODIES)
        assert understood(json.dumps(shuffled(json.loads(body), chance))) == understood(body)
