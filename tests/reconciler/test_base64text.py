import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.base64text import decode

DECODED = [
    ("", ""),
    ("YWJj", "616263"),
    ("YWI=", "6162"),
    ("YQ", "61"),
    ("Y", ""),
    ("YWJjY", "616263"),
    ("-_8", "fbff"),
    ("+/8=", "fbff"),
    ("YQ==YQ==", "61"),
    ("=YWJj", ""),
    ("YW\n Jj", "616263"),
    ("not base64!! \u00e9", "9e8b5b6ac7ba"),
    ("\u0141\u0141\u0141\u0141", "000000"),
]


@pytest.mark.parametrize(("text", "expected"), DECODED)
def test_base64_is_read_as_leniently_as_node_reads_it(text: str, expected: str) -> None:
    assert decode(text).hex() == expected


@given(st.binary())
def test_every_form_of_correct_base64_is_read(value: bytes) -> None:
    assert decode(base64.b64encode(value).decode()) == value
    assert decode(base64.urlsafe_b64encode(value).decode().rstrip("=")) == value


@given(st.text(st.characters()))
def test_no_text_is_an_error(text: str) -> None:
    assert decode(text) is not None
