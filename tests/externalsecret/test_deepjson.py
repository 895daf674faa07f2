import json
from typing import Any

import pytest

from externalsecret.deepjson import MAX_DEPTH, parse


def nested(levels: int, inner: str) -> str:
    return '{"x":[' * (levels // 2) + inner + "]}" * (levels // 2)


def depth_of(value: Any) -> int:
    depth = 0
    while isinstance(value, dict | list) and value:
        value = value["x"] if isinstance(value, dict) else value[0]
        depth += 1
    return depth


@pytest.mark.parametrize(
    "text", ["1", '{"a":"[{"}', nested(MAX_DEPTH, '"x"'), f'[{"[{}]," * 300}"{"{" * 300}"]']
)
def test_what_is_not_too_deep_is_read_as_it_is(text: str) -> None:
    assert parse(text.encode()) == json.loads(text)


@pytest.mark.parametrize("levels", [MAX_DEPTH, 950, 2_000, 10_000, 200_000])
def test_one_deep_object_spoils_nothing_beside_it(levels: int) -> None:
    deep = nested(levels, '"]}\\"{[", 1')
    page = parse(f'{{"items":[{{"before":"}}]"}},{deep},{{"after":"é\\\\"}}]}}'.encode())
    before, pruned, after = page["items"]
    assert (before, after) == ({"before": "}]"}, {"after": "é\\"})
    assert depth_of(pruned) == MAX_DEPTH - 2


@pytest.mark.parametrize("text", [b"", b"{", b"\xff", b"[" * 5_000])
def test_what_is_no_json_is_a_value_error(text: bytes) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - json's own error is its subclass
        parse(text)
