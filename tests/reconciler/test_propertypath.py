import pytest

from reconciler.jsontext import compact, parse
from reconciler.propertypath import lookup

FOUND = [
    ('{"a":1}', "a", "1"),
    ('{"a":{"b":1}}', "a.b", "1"),
    ('{"x":[1,2]}', "x[1]", "2"),
    ('{"x":[1,2]}', "x.1", "2"),
    ('[{"a":1}]', "[0].a", "1"),
    ('{"a":{"k":1}}', "a['k']", "1"),
    ('{"a":{"k":1}}', 'a["k"]', "1"),
    ('{"a":{"k":1}}', "a[k]", "1"),
    ('{"a":{"k":[{"z":7}]}}', "a['k'][0].z", "7"),
    (r'{"a":{"x\"y":1}}', r'a["x\"y"]', "1"),
    (r'{"a":{"b.c":1}}', 'a["b.c"]', "1"),
    (r'{"a":{"1.5":1}}', "a[1.5]", "1"),
    ('{"a":{"":3}}', "a.", "3"),
    ('{"a":{"":3}}', "a[]", "3"),
    ('{"":{"a":1}}', ".a", "1"),
    ('{"":{"":1}}', ".", "1"),
    ('{"":1}', "", "1"),
    ('{"a.b":1,"a":{"b":2}}', "a.b", "1"),
    ('{"a[0]":1,"a":[2]}', "a[0]", "1"),
    ('{"a[0":1}', "a[0", "1"),
    ('{"a":null}', "a", "null"),
    ('{"a":{"b":null}}', "a.b", "null"),
    ('{"length":9}', "length", "9"),
    ('{"username":"root"}', "username.length", "4"),
    ('{"arr":[1,2,3]}', "arr.length", "3"),
    (r'{"a":"\ud83d\ude00"}', "a.length", "2"),
]

NOT_FOUND = [
    ('{"a":1}', "b"),
    ('{"a":1}', ""),
    ('{"a":1}', "a.b"),
    ('{"a":null}', "a.b"),
    ('{"a":true}', "a.b"),
    ('{"a":"text"}', "a[0]"),
    ('{"x":[1,2]}', "x[-1]"),
    ('{"x":[1,2]}', "x[2]"),
    ('{"x":[1,2]}', "x[01]"),
    ('{"o":{"a.b":1}}', "o.a.b"),
    ('{"a":[1]}', "a[0"),
    ('{"a":{"b":1}}', "a.b."),
    ('{"a":1}', "constructor.name"),
    ('{"a":[1]}', "a.map"),
    ('{"a":{}}', "a.length"),
    ('{"a":1}', "[]]"),
    ("null", "a"),
]


@pytest.mark.parametrize(("document", "path", "expected"), FOUND)
def test_a_path_finds_what_lodash_finds(document: str, path: str, expected: str) -> None:
    found = lookup(parse(document.encode()), path)
    assert found is not None
    assert compact(found.value) == expected


@pytest.mark.parametrize(("document", "path"), NOT_FOUND)
def test_a_path_to_nothing_finds_nothing(document: str, path: str) -> None:
    assert lookup(parse(document.encode()), path) is None


@pytest.mark.timeout(5)
@pytest.mark.parametrize("path", ['["' * 100_000, "['\\" * 100_000, "[" * 200_000, "." * 200_000])
def test_a_hostile_path_takes_no_long_time(path: str) -> None:
    assert lookup({"a": 1.0}, path) is None
