"""docs/cost.md shows what `hark cost` prints, and the prices as they stand in their file."""

import re

import pytest

from hark.commands import main
from hark.cost.prices import read_prices
from pages import DOCS, table

PAGE = (DOCS / "cost.md").read_text(encoding="utf-8")
SHOWN = re.findall(
    r"^    (hark cost --objects .*)\n\n```\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE
)


@pytest.mark.parametrize(("line", "expected"), SHOWN)
def test_what_the_page_shows_is_what_is_printed(
    line: str, expected: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(line.split()[1:], {}) == 0
    assert capsys.readouterr().out == expected


def test_the_page_shows_a_command() -> None:
    assert SHOWN


def test_the_prices_of_the_page_are_those_of_the_file() -> None:
    assert table("cost.md", "## Prices") == [
        {
            "of": price.of,
            "dollars": f"{price.dollars:g}",
            "for": f"{price.per:,.0f}",
            "free in a month": f"{price.free:,.0f}",
            "read": price.read.isoformat(),
            "list": price.page,
            "by": "others" if price.is_second_hand else "page",
        }
        for price in read_prices().values()
    ]
