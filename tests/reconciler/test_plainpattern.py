import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import reconciler
from reconciler.javascript import JavaScript
from reconciler.plainpattern import read_plain

PERMITTED = Path(reconciler.__file__).with_name("prelude") / "permitted.js"
PLAIN = [
    "a",
    "^team-a/.*$",
    r"^db\.password$",
    "a|b|",
    "a.*b.*c",
    "^$",
    "^",
    "$",
    "|",
    r"\$\^\(\)\/",
    ".*",
    "arn:aws:iam::123456789012:role/.*",
]
NOT_PLAIN = ["a+", "a?", "(a)", "[a]", "a{2}", "a^", "$a", "^^a", "a$$", "*", ".*?", ".**", r"\d"]
NOT_PLAIN += ["é", "\\", "^*", r"\.*", "a\n", "a" * 501, "{", "]"]
ATOMS = st.sampled_from(["a", "b", "ab", ".", ".*", "|", r"\.", r"\/", "-"])
PATTERNS = st.builds(
    lambda head, atoms, tail: head + "".join(atoms) + tail,
    st.sampled_from(["", "^"]),
    st.lists(ATOMS, max_size=7),
    st.sampled_from(["", "$"]),
)
TEXTS = st.lists(st.text("ab.-/", max_size=8), min_size=1, max_size=40)


@pytest.fixture(scope="module")
def engine() -> Iterator[JavaScript]:
    engine = JavaScript(lambda: [PERMITTED.read_text()])
    yield engine
    engine.close()


@pytest.mark.parametrize("pattern", ["", *PLAIN])
def test_what_most_people_write_is_plain(pattern: str) -> None:
    assert read_plain(pattern, whole=False) is not None


@pytest.mark.parametrize("pattern", NOT_PLAIN)
def test_what_is_more_is_left_to_the_engine(pattern: str) -> None:
    assert read_plain(pattern, whole=False) is None


@pytest.mark.parametrize("text", ["a\n", "é", "a\x7f", "a" * 2049])
def test_a_text_that_is_odd_is_left_to_the_engine(text: str) -> None:
    plain = read_plain("a", whole=False)
    assert plain is not None
    assert not plain.answers(text)


# Another process answers, which may have to wait for its turn on a busy machine.
@settings(deadline=None)
@given(pattern=PATTERNS | st.sampled_from(PLAIN), texts=TEXTS, whole=st.booleans())
def test_the_answer_is_that_of_javascript(
    engine: JavaScript, pattern: str, texts: list[str], *, whole: bool
) -> None:
    plain = read_plain(pattern, whole=whole)
    if plain is None:
        # A hat or a dollar beside an alternative.
        assert "|" in pattern or pattern in NOT_PLAIN
        return
    assert all(plain.answers(text) for text in texts)
    reply = engine.call("permitted", {"pattern": pattern, "texts": texts, "whole": whole})
    assert [plain.permits(text) for text in texts] == reply["matches"]


def test_many_gaps_cost_no_more_than_the_text_is_long() -> None:
    plain = read_plain("a.*" * 150 + "b", whole=False)
    assert plain is not None
    began = time.process_time()
    assert not plain.permits("a" * 2048)
    # One way through the gaps after the other would take years.
    assert time.process_time() - began < 5
