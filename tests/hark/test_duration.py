import pytest

from externalsecret.duration import format_duration, parse_duration
from hark.bytesize import parse_bytes


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("6h", 21600),
        ("30m", 1800),
        ("1m30s", 90),
        ("1s", 1),
        ("0s", 0),
        ("2d12h", 216000),
        ("1.5s", 1.5),
        ("250ms", 0.25),
        (" 5m ", 300),
    ],
)
def test_a_duration_is_read_in_seconds(text: str, seconds: float) -> None:
    assert parse_duration(text) == seconds


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "6",
        "h",
        "-1s",
        "1s1m",
        "1m1m",
        "1 h",
        "1hour",
        "\N{ARABIC-INDIC DIGIT ONE}s",
        "1e3s",
        "s1",
        "1m2",
    ],
)
def test_what_is_no_duration_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is no duration"):
        parse_duration(text)


@pytest.mark.parametrize("text", ["6h", "1m30s", "2d12h", "250ms", "1s500ms", "0s"])
def test_a_duration_is_written_as_it_is_read(text: str) -> None:
    assert format_duration(parse_duration(text)) == text


@pytest.mark.parametrize(
    ("text", "size"), [("64Mi", 2**26), ("1Gi", 2**30), ("5k", 5000), ("7", 7), ("1Ki", 1024)]
)
def test_an_amount_of_memory_is_read_in_bytes(text: str, size: int) -> None:
    assert parse_bytes(text) == size


@pytest.mark.parametrize("text", ["", "Mi", "1.5Gi", "-1", "64MB", "64 Mi", "1mi"])
def test_what_is_no_amount_of_memory_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is no amount of memory"):
        parse_bytes(text)
