import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.jsontext import MAX_DEPTH, Json, NotJson, as_text, compact, parse

# The document, its text as an entry of the Secret, its text inside of another document.
TEXT_FORMS = [
    ("1.0", b"1", "1"),
    ("1.50", b"1.5", "1.5"),
    ("1e21", b"1e+21", "1e+21"),
    ("1e-7", b"1e-7", "1e-7"),
    ("1.5e-9", b"1.5e-9", "1.5e-9"),
    ("0.000001", b"0.000001", "0.000001"),
    ("0.00012", b"0.00012", "0.00012"),
    ("123456789012345678901", b"123456789012345680000", "123456789012345680000"),
    ("999999999999999900000", b"999999999999999900000", "999999999999999900000"),
    ("12345678901234567890", b"12345678901234567000", "12345678901234567000"),
    ("9007199254740993", b"9007199254740992", "9007199254740992"),
    ("-12.75", b"-12.75", "-12.75"),
    ("5e-324", b"5e-324", "5e-324"),
    ("1.7976931348623157e308", b"1.7976931348623157e+308", "1.7976931348623157e+308"),
    ("0", b"0", "0"),
    ("-0", b"0", "0"),
    ("-0.0", b"0", "0"),
    ("1e400", b"Infinity", "null"),
    ("-1e400", b"-Infinity", "null"),
    (r'"\ud800"', b"\xef\xbf\xbd", r'"\ud800"'),
    (r'"a\uDC00b"', b"a\xef\xbf\xbdb", r'"a\udc00b"'),
    (r'"\ud83d\ude00"', "\U0001f600".encode(), '"\U0001f600"'),
    ('"plain"', b"plain", '"plain"'),
    ('"caf\u00e9\u2028\u007f"', "caf\u00e9\u2028\u007f".encode(), '"caf\u00e9\u2028\u007f"'),
    (
        r'"\"\\\/\b\f\n\r\t\u0001\u001F"',
        b'"\\/\b\f\n\r\t\x01\x1f',
        r'"\"\\/\b\f\n\r\t\u0001\u001f"',
    ),
    ("null", b"null", "null"),
    ("true", b"true", "true"),
    ("false", b"false", "false"),
    ('{ "a" : [ 1 , {} , [] ] }', b'{"a":[1,{},[]]}', '{"a":[1,{},[]]}'),
    ('{"a":{"b":1e400}}', b'{"a":{"b":null}}', '{"a":{"b":null}}'),
]

KEY_ORDERS = [
    ('{"b":1,"a":2}', '{"b":1,"a":2}'),
    ('{"b":1,"10":2,"2":3,"a":4}', '{"2":3,"10":2,"b":1,"a":4}'),
    ('{"a":1,"b":2,"a":3}', '{"a":3,"b":2}'),
    ('{"01":1,"-1":2,"1.5":3,"0":4}', '{"0":4,"01":1,"-1":2,"1.5":3}'),
    ('{"4294967295":1,"4294967294":2}', '{"4294967294":2,"4294967295":1}'),
]

NOT_JSON = [
    b"",
    b"plain",
    b"NaN",
    b'{"a":Infinity}',
    b'{"NaN":[-Infinity]}',
    b"\xef\xbb\xbf{}",
    b'{"a":1,}',
    b"[1,]",
    b"{'a':1}",
    b'"a\nb"',
    b"{} x",
    b"01",
    b"1.",
    b".5",
    b"+1",
    b'"\\u12G4"',
    b"\xc2\xa0{}",
    b"[",
]


@pytest.mark.parametrize(("document", "as_entry", "nested"), TEXT_FORMS)
def test_values_print_as_javascript_prints_them(
    document: str, as_entry: bytes, nested: str
) -> None:
    value = parse(document.encode())
    assert as_text(value) == as_entry
    assert compact([value]) == f"[{nested}]"


@pytest.mark.parametrize(("document", "printed"), KEY_ORDERS)
def test_keys_stand_in_javascript_order(document: str, printed: str) -> None:
    assert compact(parse(document.encode())) == printed


@pytest.mark.parametrize("text", NOT_JSON)
def test_what_json_parse_refuses_is_refused_with_its_position(text: bytes) -> None:
    with pytest.raises(NotJson) as refusal:
        parse(text)
    assert 0 <= refusal.value.position <= len(text)
    assert str(refusal.value) == f"not JSON at character {refusal.value.position}"


@pytest.mark.parametrize(
    ("text", "position"), [(b"plain", 0), (b"{} x", 3), (b'{"NaN":[-Infinity]}', 8), (b"[NaN]", 1)]
)
def test_the_position_is_that_of_the_first_wrong_character(text: bytes, position: int) -> None:
    with pytest.raises(NotJson) as refusal:
        parse(text)
    assert refusal.value.position == position


def test_space_tab_and_line_ends_around_a_document_are_fine() -> None:
    assert parse(b" \t\r\n{} \t\r\n") == {}


def test_bytes_that_are_no_utf_8_become_replacement_characters_as_in_node() -> None:
    assert parse(b'"\xf0\x9f\x41\xff\xed\xa0\x80"') == "\ufffdA\ufffd\ufffd\ufffd\ufffd"


@pytest.mark.parametrize("text", [b'{"pw":"s3cret",}', b'["s3cret",NaN]', b'"s3cret' * 3])
def test_a_refusal_carries_nothing_of_the_text(text: bytes) -> None:
    with pytest.raises(NotJson) as refusal:
        parse(text)
    assert "s3cret" not in repr(refusal.value.args)
    assert refusal.value.__cause__ is None
    assert refusal.value.__context__ is None


@pytest.mark.parametrize("opening", [b"[", b'{"a":', b'[{"a":'])
def test_a_deeply_nested_document_is_refused_in_a_sentence(opening: bytes) -> None:
    with pytest.raises(NotJson, match="nested deeper than 200 levels at character"):
        parse(opening * 100_000)


def test_the_deepest_document_that_is_read_can_be_printed() -> None:
    text = "[" * MAX_DEPTH + "]" * MAX_DEPTH
    assert compact(parse(text.encode())) == text


def test_brackets_inside_of_strings_are_no_depth() -> None:
    text = '"' + r"\"[{" * 1000 + '"'
    assert parse(text.encode()) == '"[{' * 1000


_SCALARS = st.none() | st.booleans() | st.floats(allow_nan=False, allow_infinity=False) | st.text()
DOCUMENTS: st.SearchStrategy[Json] = st.recursive(
    _SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)


@given(DOCUMENTS)
def test_what_is_printed_reads_back_the_same(document: Json) -> None:
    assert parse(compact(document).encode()) == document


@given(DOCUMENTS)
def test_printing_is_stable_once_read(document: Json) -> None:
    printed = compact(parse(json.dumps(document).encode()))
    assert compact(parse(printed.encode())) == printed


@given(st.binary())
def test_no_bytes_raise_anything_but_not_json(text: bytes) -> None:
    try:
        value = parse(text)
    except NotJson:
        return
    assert as_text(value) is not None
